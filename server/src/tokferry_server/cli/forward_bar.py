"""The bar of `tokferry forward`: how much is done, how fast, how long it will take."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.progress import TimeRemainingColumn as Remaining

_PERIOD = 30.0
"""The remaining time follows the speed of so many seconds."""


class Bar:
    """Draws on the error output while a person looks at it; else does nothing."""

    def __init__(self, *, size: int | None, what: str = "events") -> None:
        """``size`` is all there is to do, None if it is not known; ``what`` counts."""
        self._began = time.monotonic()
        self._progress = Progress(
            BarColumn(),
            TaskProgressColumn(),
            TextColumn(
                f"{{task.fields[count]:,}} {what}, {{task.fields[rate]:,.0f}}/s"
            ),
            Remaining(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            speed_estimate_period=_PERIOD,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._progress.add_task("", total=size, count=0, rate=0.0)

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        self.stop()

    def stop(self) -> None:
        """Take the bar away."""
        self._progress.stop()

    def show(self, *, done: int, count: int, fresh: int, size: int | None) -> None:
        """Note how far it is: ``done`` of ``size``; ``fresh`` were done by this run."""
        seconds = max(time.monotonic() - self._began, 0.001)
        self._progress.update(
            self._task, completed=done, total=size, count=count, rate=fresh / seconds
        )
