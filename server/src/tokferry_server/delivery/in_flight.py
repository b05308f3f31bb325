"""Requests under way: so many for each key, and none is cancelled once it has begun."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine

from tokferry_server.delivery.slots import Slots
from tokferry_server.tiktok.answer import Answer, Failure


class InFlight:
    """Runs ``limit`` requests at a time for each key.

    ``longest_wait``: seconds that a request may wait for its turn.
    """

    def __init__(self, limit: int, longest_wait: float) -> None:
        self._longest_wait = longest_wait
        self._slots: dict[str, Slots] = defaultdict(lambda: Slots(limit))
        self._running: set[asyncio.Task[Answer]] = set()

    async def run(
        self,
        key: str,
        work: Callable[[], Coroutine[None, None, Answer]],
        *,
        patience: float | None,
    ) -> Answer:
        """Wait for a turn, begin ``work`` and wait for its answer.

        Who is cancelled while waiting for a turn has sent nothing. Later the work goes
        on without the caller; after ``patience`` seconds, too.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        slot = self._slots[key]
        if patience is None or patience > self._longest_wait:
            turn_by = begun + self._longest_wait
        else:
            turn_by = begun + patience
        if not await slot.enter(turn_by):
            return Answer(failure=Failure.QUEUE)
        task = loop.create_task(work())
        self._running.add(task)
        over: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not over.done():
                over.set_result(None)

        def end(task: asyncio.Task[Answer]) -> None:
            self._running.discard(task)
            slot.leave()
            wake()

        task.add_done_callback(end)
        timer = None if patience is None else loop.call_at(begun + patience, wake)
        try:
            await over
        finally:
            if timer is not None:
                timer.cancel()
        return task.result() if task.done() else Answer(failure=Failure.READ_TIMEOUT)

    async def settle(self) -> None:
        """Wait until nothing is under way."""
        while self._running:
            await asyncio.wait(self._running)
