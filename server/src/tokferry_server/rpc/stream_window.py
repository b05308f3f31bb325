"""How far a stream is read ahead of its answers."""

import asyncio

WINDOW_CHUNKS = 64
WINDOW_BYTES = 4 * 1024 * 1024
UNWRITTEN_ANSWERS = 2
"""With so many, a stream is read no further: its caller does not read."""


class StreamWindow:
    """What one stream has read and not yet answered, and answers that nobody reads.

    A chunk leaves the window when its answer is written: a caller that reads no answers
    is read no further.
    """

    def __init__(self) -> None:
        self._chunks = 0
        self._bytes = 0
        self._unwritten = 0
        self._room = asyncio.Event()
        self._room.set()

    @property
    def is_empty(self) -> bool:
        """Whether every chunk that was read has its answer."""
        return self._chunks == 0

    async def room(self) -> None:
        """Wait until one more chunk may be read."""
        await self._room.wait()

    def take(self, size: int) -> None:
        """Note that a chunk of ``size`` bytes was read."""
        self._chunks += 1
        self._bytes += size
        self._update()

    def answer(self) -> None:
        """Note that a chunk's answer is ready to be written."""
        self._unwritten += 1
        self._update()

    def written(self, size: int) -> None:
        """Note that the answer to a chunk of ``size`` bytes was written."""
        self._unwritten -= 1
        self.give_back(size)

    def give_back(self, size: int) -> None:
        """Note that a chunk of ``size`` bytes will have no answer."""
        self._chunks -= 1
        self._bytes -= size
        self._update()

    def _update(self) -> None:
        full = self._chunks >= WINDOW_CHUNKS or self._bytes >= WINDOW_BYTES
        if full or self._unwritten >= UNWRITTEN_ANSWERS:
            self._room.clear()
        else:
            self._room.set()
