"""A steady mix of calls by real clients; what they were told goes to the history."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from itertools import count
from typing import Final, Literal

from chaos.caller import answered, sums
from chaos.events import chunk_json
from chaos.history import Invoke, Log, Ok, Unknown
from chaos.processes import CONNECTION
from soak.desk import Desk, Shift
from tokferry import AsyncClient, TokferryError
from tokferry.v1 import ForwardTotals

CHUNK: Final = 50
_UNARY_FROM: Final = 1_000_000_000
"""The first number of events of single calls; chunks have those below."""
_FAILED_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One sort of calls: who makes them, how many events each has, and its share."""

    callers: int
    events: int
    share: float


MIX: Final = {
    "transform": Kind(callers=8, events=1, share=0.24),
    "sync": Kind(callers=16, events=1, share=0.09),
    "durable": Kind(callers=8, events=1, share=0.09),
    "stream": Kind(callers=2, events=CHUNK, share=0.58),
}
"""By events. Most calls are small ones, as a caller's own are."""


class Load:
    """Calls at ``rate`` events a second, which may be changed, until ``over``.

    ``calls`` and ``events`` count what was answered, ``outcomes`` the answers by
    kind; ``failures`` the calls that failed, and ``late`` those begun after their time.
    """

    def __init__(self, desk: Desk, log: Log, rate: float) -> None:
        self._desk = desk
        self._log = log
        self.rate = rate
        self.over = False
        self.calls: Counter[str] = Counter()
        self.events = 0
        self.outcomes: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.late = 0
        self._chunks = count(0, CHUNK)
        self._numbers = count(_UNARY_FROM)
        self._keys = count()

    async def run(self) -> None:
        """Call until it is over, and wait for the last answers."""
        async with asyncio.TaskGroup() as group:
            for name, kind in MIX.items():
                for _ in range(kind.callers):
                    group.create_task(self._caller(name, kind))

    async def _caller(self, name: str, kind: Kind) -> None:
        while not self.over:
            async with contextlib.aclosing(self._turns(kind)) as turns:
                try:
                    if name == "stream":
                        await self._stream(turns)
                    else:
                        await self._unary(name, turns)
                except TokferryError as error:
                    self.failures[f"{name}: {error.code.name} {error.reason}"] += 1
                    await asyncio.sleep(_FAILED_S)

    async def _turns(self, kind: Kind) -> AsyncGenerator[None, None]:
        """Come when it is a caller's turn; what was missed is not made up for."""
        due = time.monotonic()
        while not self.over:
            due += kind.callers * kind.events / (self.rate * kind.share)
            wait = due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            else:
                self.late += 1
                due = time.monotonic()
            yield

    async def _unary(self, name: str, turns: AsyncIterator[None]) -> None:
        async for _ in turns:
            async with self._desk.client() as (client, _):
                if name == "transform":
                    await client.transform(chunk_json(0, 1), connection=CONNECTION)
                    self._count(name, 1)
                else:
                    await self._forward(client, "sync" if name == "sync" else "durable")

    async def _forward(
        self, client: AsyncClient, mode: Literal["sync", "durable"]
    ) -> None:
        key, number = next(self._keys), next(self._numbers)
        self._log.write(Invoke(key, 0, number, 1))
        try:
            response = await client.forward(
                chunk_json(number, 1), connection=CONNECTION, mode=mode
            )
        except TokferryError as error:
            self._log.write(Unknown(key, 0, error.code.name))
            raise
        totals = response.totals
        self._log.write(Ok(key, 0, answered(response.results), sums(totals)))
        self._count(mode, 1, totals)

    async def _stream(self, turns: AsyncIterator[None]) -> None:
        """Stream until the clients are relieved."""
        key = next(self._keys)
        open_chunks: set[int] = set()
        async with self._desk.client() as (client, shift):
            source = self._source(key, turns, shift, open_chunks)
            stream = client.forward_stream(
                source, connection=CONNECTION, mode="durable", chunk_events=CHUNK
            )
            try:
                async with stream:
                    async for answer in stream:
                        results, totals = answered(answer.results), answer.totals
                        self._log.write(Ok(key, answer.first, results, sums(totals)))
                        open_chunks.discard(answer.first)
                        self._count("stream", CHUNK, totals)
            finally:
                for chunk in open_chunks:
                    self._log.write(Unknown(key, chunk, "broken"))

    async def _source(
        self, key: int, turns: AsyncIterator[None], shift: Shift, open_chunks: set[int]
    ) -> AsyncIterator[bytes]:
        index = 0
        async for _ in turns:
            first = next(self._chunks)
            self._log.write(Invoke(key, index, first, CHUNK))
            open_chunks.add(index)
            yield chunk_json(first, CHUNK)
            index += 1
            if shift.over:
                return

    def _count(
        self, name: str, events: int, totals: ForwardTotals | None = None
    ) -> None:
        self.calls[name] += 1
        self.events += events
        if totals is not None:
            for outcome, number in sums(totals).items():
                if outcome != "received":
                    self.outcomes[f"{name} {outcome}"] += number
