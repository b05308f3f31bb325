"""A bar that follows how far a file has been read."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn


class _Following(Progress):
    """Asks the file for its position whenever the bar is drawn anew."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        super().__init__(
            BarColumn(),
            DownloadColumn(binary_units=True),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
        )
        self.add_task("reading", total=size)

    def get_renderables(self) -> Iterable[RenderableType]:
        position = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        for task_id in self.task_ids:
            self.update(task_id, completed=position)
        return super().get_renderables()


@contextmanager
def following(descriptor: int, size: int) -> Iterator[None]:
    """Show the bar until the block ends; ``size`` is the file's, in bytes."""
    with _Following(descriptor, size):
        yield
