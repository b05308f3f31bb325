"""Requests under way: so many for each key, and none is cancelled once it has begun."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine

from tokferry_server.tiktok.answer import Answer, Failure


class InFlight:
    """Runs ``limit`` requests at a time for each key.

    ``longest_wait``: seconds that a request may wait for its turn.
    """

    def __init__(self, limit: int, longest_wait: float) -> None:
        self._longest_wait = longest_wait
        self._slots: dict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(limit)
        )
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
        if not await _entered(slot, turn_by):
            return Answer(failure=Failure.QUEUE)
        task = loop.create_task(work())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda _task: slot.release())
        rest = None if patience is None else max(0.0, begun + patience - loop.time())
        done, _ = await asyncio.wait({task}, timeout=rest)
        return task.result() if done else Answer(failure=Failure.READ_TIMEOUT)

    async def settle(self) -> None:
        """Wait until nothing is under way."""
        while self._running:
            await asyncio.wait(self._running)


async def _entered(slot: asyncio.Semaphore, by: float) -> bool:
    if not slot.locked():
        return await slot.acquire()  # at once
    try:
        async with asyncio.timeout_at(by):
            return await slot.acquire()
    except TimeoutError:
        return False
