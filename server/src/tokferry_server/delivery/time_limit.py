"""A limit of time, for what every call goes through: as ``asyncio.timeout``, cheaper.

That looks at the state of an enum and for the running loop several times, which up to
CPython 3.11 asks the system for the process's id each time.
"""

import asyncio
from types import TracebackType


class TimeLimit:
    """Ends what a task awaits within it after so many seconds: ``with``, TimeoutError.

    A cancellation from elsewhere stays one.
    """

    __slots__ = ("_before", "_late", "_seconds", "_task", "_timer")

    _task: "asyncio.Task[object]"
    _timer: asyncio.TimerHandle
    _before: int

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._late = False

    def __enter__(self) -> None:
        """Begin.

        Raises:
            RuntimeError: no task is running.
        """
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("only what runs in a task can be limited")
        self._task = task
        self._before = task.cancelling()
        self._timer = loop.call_later(self._seconds, self._end)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End.

        Raises:
            TimeoutError: it was too late.
        """
        self._timer.cancel()
        ended = self._late and self._task.uncancel() <= self._before
        if ended and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def _end(self) -> None:
        self._late = True
        self._task.cancel()
