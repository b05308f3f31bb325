"""Those who wait, a line for each asker: who asks a lot waits for who asks seldom."""

from collections import OrderedDict, deque
from typing import Generic, TypeVar

Waiting = TypeVar("Waiting")


class Lines(Generic[Waiting]):
    """One of each line has its turn, then the next of each."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[Waiting]] = OrderedDict()

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return bool(self._lines)

    def put(self, asker: str, waiting: Waiting) -> int:
        """Put one behind the others of its asker; say how many they are now."""
        line = self._lines.setdefault(asker, deque())
        line.append(waiting)
        return len(line)

    def next(self) -> Waiting:
        """Give the one whose turn it is; it stays where it is."""
        return next(iter(self._lines.values()))[0]

    def take(self) -> Waiting:
        """Take the one whose turn it is; its asker comes after all the others."""
        asker, line = self._lines.popitem(last=False)
        waiting = line.popleft()
        if line:
            self._lines[asker] = line
        return waiting

    def drop_oldest(self, asker: str) -> None:
        """Take the first of an asker's line away, out of turn; one more is in it."""
        self._lines[asker].popleft()

    def remove(self, asker: str, waiting: Waiting) -> None:
        """Take one away that does not wait any more, if it still stands there."""
        line = self._lines.get(asker, deque())
        if waiting in line:
            line.remove(waiting)
            if not line:
                del self._lines[asker]
