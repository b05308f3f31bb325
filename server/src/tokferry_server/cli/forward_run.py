"""Runs `tokferry forward`: answers are counted, marked, and what failed is kept."""

import asyncio
import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn

from tokferry import AsyncClient, AsyncForwardStream, ChunkAnswer, TokferryError
from tokferry.v1 import DeliveryMode, EventResult
from tokferry_server.cli.forward_bar import Bar
from tokferry_server.cli.forward_failed import FailedFile, failed_line
from tokferry_server.cli.forward_marks import Marks, Saved, save
from tokferry_server.cli.forward_source import Batches, Sent
from tokferry_server.cli.forward_tally import Tally
from tokferry_server.cli.forward_target import Target, check, reached
from tokferry_server.cli.forward_wait import Waiting
from tokferry_server.cli.paper import complain
from tokferry_server.settings import Settings

SAVE_SECONDS = 0.5
"""After a crash, what was answered in this time is sent once more."""
HOPELESS_CHUNKS = 5
"""After so many chunks of which nothing was delivered, the rest is not tried."""
INTERRUPTED = 130

End = Literal["complete", "interrupted", "hopeless", "failed", "waiting"]
"""``waiting``: all was accepted, and some of it is not delivered yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be forwarded, and how."""

    target: Target
    inputs: list[Marks]
    wrap_events: bool = False
    label: str = ""
    test: bool = False
    test_event_code: str | None = None
    state: Path | None = None
    wait: Settings | None = None
    """Of the service whose outbox is to be waited for."""
    resume: str = ""
    """The command that goes on after this run has been stopped."""


@dataclass(slots=True)
class Run:
    """One run; ``rows`` of the tally may come from earlier ones."""

    job: Job
    tally: Tally
    failed: FailedFile | None = None
    end: End = "failed"
    error: TokferryError | None = None
    mode: str = ""
    events: int = 0
    seconds: float = 0.0
    batches: Batches = field(init=False)
    waiting: Waiting | None = field(init=False)
    _bar: Bar = field(init=False)
    _size: int | None = field(init=False)
    _hopeless: int = 0

    def __post_init__(self) -> None:
        """Prepare the reading."""
        job = self.job
        self.batches = Batches(job.inputs, job.wrap_events, self._refuse)
        sizes = [marks.saved.size for marks in job.inputs]
        self._size = None if -1 in sizes else sum(sizes)
        self._bar = Bar(size=self._size)
        self.waiting = None
        if job.wait is not None:
            connection = job.target.connection
            self.waiting = Waiting(job.wait, connection=connection, label=job.label)

    async def run(self) -> None:
        """Forward; how it ended is in ``end`` and ``error``.

        Raises:
            TargetError: the server or the connection cannot be used.
            OSError: the state or the failures cannot be written.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        job = self.job
        async with reached(job.target) as client:
            test = job.test and job.test_event_code is None
            await check(client, job.target, test=test)
            if self.waiting is not None:
                await self.waiting.check()
            self.save()
            began = time.monotonic()
            saving = asyncio.create_task(self._save_now_and_then())
            with self._bar:
                await self._forward(client)
            saving.cancel()
            await asyncio.gather(saving, return_exceptions=True)
            self.seconds = time.monotonic() - began
            self.save()
            if self.waiting is not None and self._something_waits():
                complain("all is read and accepted; waiting until it is delivered")
                self.end = "complete" if await self.waiting.run() else "waiting"
        if self.end == "complete":
            self._check_inputs()

    async def _save_now_and_then(self) -> None:
        saved = -1
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            if self.events != saved:
                saved = self.events
                self.save()

    def save(self) -> None:
        """Put on disk what is done: failures first, so that none is lost."""
        if self.failed is not None:
            self.failed.sync()
        if self.job.state is not None:
            save(self.job.state, self.to_save())

    def to_save(self) -> Saved:
        """Give what a later run has to know."""
        return Saved(
            connection=self.job.target.connection,
            wrap_events=self.job.wrap_events,
            files=[marks.to_save() for marks in self.job.inputs],
            rows=self.tally.rows,
            failed_bytes=self.failed.size if self.failed else 0,
        )

    async def _forward(self, client: AsyncClient) -> None:
        job = self.job
        options: dict[str, Any] = {"mode": job.target.mode, "label": job.label}
        stream = client.forward_stream(
            self.batches,
            connection=job.target.connection,
            test_event_code=job.test_event_code,
            **options,
        )
        try:
            async with stream:
                await self._take_all(stream)
        except TokferryError as error:
            self.error = error
            return
        if self._hopeless >= HOPELESS_CHUNKS:
            self.end = "hopeless"
        else:
            self.end = "interrupted" if self.batches.stop.is_set() else "complete"

    async def _take_all(self, stream: AsyncForwardStream) -> None:
        async for answer in stream:
            self.mode = DeliveryMode.Name(stream.mode).removeprefix("DELIVERY_MODE_")
            self._take(answer)
            self._bar.show(
                done=self.batches.bytes_read,
                count=self.events,
                fresh=self.events,
                size=self._size,
            )

    def _something_waits(self) -> bool:
        return self.end == "complete" and any(
            row.outcome == "ACCEPTED" for row in self.tally.rows
        )

    def _take(self, answer: ChunkAnswer) -> None:
        """Count, keep and mark a chunk, all at once."""
        sent = self.batches.answered(answer.first, answer.batches)
        failed = self.tally.add(sent, answer.results, answer.totals)
        self.events += answer.totals.received
        if failed and self.failed is not None:
            self.failed.write(_lines(failed))
        for one in sent:
            one.marks.mark(one.number)
        for one, result in failed:
            if not result.HasField("event"):
                one.marks.saved.unreadable += 1
        self._look_for_hope(answer)

    def _look_for_hope(self, answer: ChunkAnswer) -> None:
        """Stop when TikTok takes nothing any more: it would only be to do again."""
        totals = answer.totals
        if not totals.received:
            return
        lost = totals.retryable + totals.unknown == totals.received
        self._hopeless = self._hopeless + 1 if lost else 0
        if self._hopeless >= HOPELESS_CHUNKS:
            self.batches.stop.set()

    def _check_inputs(self) -> None:
        """Say which files held no batch at all."""
        for marks in self.job.inputs:
            if not marks.done:
                self.batches.useless(marks, "is empty")
            elif marks.done == marks.saved.unreadable:
                self.batches.useless(marks, "holds no mParticle batch")

    def _refuse(self, sent: Sent) -> None:
        self.tally.refuse(sent)
        if self.failed is not None:
            self.failed.write([failed_line(sent.data, None)])
        sent.marks.mark(sent.number)

    def _stop(self) -> None:
        """Finish what is under way; the second time, end at once."""
        if self.waiting is not None and self.waiting.began:
            self.waiting.stop.set()
            return
        if self.batches.stop.is_set():
            self._end_at_once()
        self.batches.stop.set()
        complain("finishing what is under way; Ctrl-C again ends at once")

    def _end_at_once(self) -> NoReturn:
        self._bar.stop()
        self.save()
        complain(f"stopped. {self.job.resume}")
        # Nothing may hold it up: neither a server of its own nor a thread that reads.
        os._exit(INTERRUPTED)


def _lines(failed: Iterable[tuple[Sent, EventResult]]) -> Iterable[bytes]:
    by_batch: dict[int, list[EventResult]] = defaultdict(list)
    batches: dict[int, Sent] = {}
    for sent, result in failed:
        by_batch[id(sent)].append(result)
        batches[id(sent)] = sent
    for key, results in by_batch.items():
        yield failed_line(batches[key].data, _by_event(results))


def _by_event(results: list[EventResult]) -> Mapping[int, EventResult] | None:
    if not all(result.HasField("event") for result in results):
        return None
    return {result.event: result for result in results}
