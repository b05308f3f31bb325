"""Prints for people: coloured and as wide as the terminal, else plain."""

from rich.console import Console, RenderableType

from tokferry_server.cli.paper import WITHOUT_TERMINAL, say


class People:
    """A terminal, or a file that a person may read later."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console = Console(width=WITHOUT_TERMINAL, highlight=False)

    @property
    def width(self) -> int:
        """How many columns there are."""
        return self._console.width

    def print(self, *paragraphs: RenderableType) -> None:
        """Print each on lines of its own, without spaces at their ends."""
        with self._console.capture() as captured:
            self._console.print(*paragraphs, sep="\n")
        for line in captured.get().splitlines():
            say(line.rstrip())
