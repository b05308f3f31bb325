"""The outbox in one SQLite file: the calls of the service, done by a writer thread."""

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tokferry_server.delivery.outbox.interface import (
    Balance,
    Caps,
    DeadFilter,
    DeadGroup,
    DeadRow,
    Death,
    Labelled,
    NewRow,
    OutboxError,
    OutboxFullError,
    Put,
    Replay,
    Reschedule,
    Row,
    Stats,
)
from tokferry_server.delivery.outbox.sqlite import claiming, place, report, settling
from tokferry_server.delivery.outbox.sqlite.dead_letters import ReplayOrder
from tokferry_server.delivery.outbox.sqlite.slices import Slices
from tokferry_server.delivery.outbox.sqlite.store import Clock
from tokferry_server.delivery.outbox.sqlite.task import Kind
from tokferry_server.delivery.outbox.sqlite.writer import Writer, forget
from tokferry_server.tiktok.reasons import DeliveryReason


class SqliteOutbox:
    """An outbox engine. One process owns the file, one thread touches it."""

    def __init__(self, path: Path, writer: Writer, owner: place.Ownership) -> None:
        self.path = path
        self.writer = writer
        self._owner = owner
        self._slices = Slices(writer)

    @classmethod
    async def open(
        cls, path: Path, *, caps: Caps | None = None, clock: Clock = time.time
    ) -> "SqliteOutbox":
        """Open the file, or make it; recovers what a crash left behind.

        ``clock`` gives Unix seconds.

        Raises:
            OutboxError: another process owns the file, it is of a later version, or its
                folder is on a network, open to other users or not writable.
        """
        path = Path(os.path.abspath(path))  # noqa: ASYNC240, PTH100 - asks no disk
        place.prepare(path)
        return await cls.open_owned(path, place.Ownership(path), caps, clock)

    @classmethod
    async def open_owned(
        cls,
        path: Path,
        owner: place.Ownership,
        caps: Caps | None = None,
        clock: Clock = time.time,
    ) -> "SqliteOutbox":
        """Open a file whose lock is held already; gives the lock up when it fails.

        Raises:
            OutboxError: the file is of a later version, or cannot be used.
        """
        try:
            place.create(path)
            writer = Writer(asyncio.get_running_loop())
            await writer.start(path, Caps() if caps is None else caps, clock)
        except OutboxError:
            owner.release()
            raise
        except Exception as error:
            owner.release()
            name = getattr(error, "sqlite_errorname", None) or type(error).__name__
            raise OutboxError(
                f"the outbox file {path} cannot be opened ({name}): look at the disk, "
                "or choose another file"
            ) from error
        return cls(path, writer, owner)

    async def put(self, rows: Sequence[NewRow]) -> list[Put]:
        """Store rows, all or none; see the interface."""
        return await self.writer.put(tuple(rows)) if rows else []

    async def claim(self, connection: str, limit: int, now: float) -> list[Row]:
        """Take due rows; see the interface. A cancelled call takes none."""
        work = partial(claiming.claim, name=connection, limit=limit, now=now)
        claimed = self.writer.submit(Kind.READ, work)
        try:
            found = await asyncio.shield(claimed)
        except asyncio.CancelledError:
            claimed.add_done_callback(self._release)
            raise
        if found.damaged:
            await self._bury(found.damaged, now)
        return found.rows

    async def _bury(self, damaged: Sequence[int], now: float) -> None:
        text = "The stored event is not what was put; look at the disk."
        reason = DeliveryReason.DAMAGED
        with contextlib.suppress(OutboxFullError):  # then they are kept where they are
            await self.kill(
                [Death(id=id_, reason=reason, message=text) for id_ in damaged], now
            )

    async def ready(self, now: float) -> dict[str, int]:
        """Count due unclaimed rows per connection, up to 10,000 each."""
        return await self.writer.submit(Kind.READ, partial(claiming.ready, now=now))

    async def next_due(self) -> float | None:
        """Give the earliest time at which an unclaimed row is due, or ``None``."""
        return await self.writer.submit(Kind.READ, claiming.next_due)

    async def latest(self) -> float:
        """Give the latest time known to have passed, or 0; see the interface."""
        return await self.writer.submit(Kind.READ, lambda store: store.latest)

    async def sending(self, ids: Sequence[int], at: float) -> None:
        """Note that claimed rows are about to be posted; see the interface.

        Raises:
            OutboxFullError: the disk is full: they may not be posted.
        """
        work = partial(settling.note_sending, ids=tuple(ids), at=at)
        await self.writer.submit(Kind.WRITE, work)

    async def release(self, ids: Sequence[int]) -> None:
        """Give claimed rows back as they were; writes nothing."""
        work = partial(claiming.release, ids=tuple(ids))
        await self.writer.submit(Kind.READ, work)

    async def settle(self, ids: Sequence[int], now: float) -> None:
        """Remove delivered rows; on a full disk they are removed when there is room."""
        chosen = tuple(ids)
        await self.writer.hold(
            lambda some: partial(settling.settle, ids=some, now=now),
            chosen,
            delivered=chosen,
        )

    async def reschedule(self, rows: Sequence[Reschedule]) -> None:
        """Give claimed rows back; on a full disk they stay claimed until it is not."""
        await self.writer.hold(
            lambda some: partial(settling.reschedule, rows=some), tuple(rows)
        )

    async def kill(self, rows: Sequence[Death], now: float) -> None:
        """Move claimed rows to the dead letters; see the interface."""
        work = partial(settling.kill, deaths=tuple(rows), now=now)
        await self.writer.submit(Kind.WRITE, work)

    async def dead(
        self, chosen: DeadFilter, *, limit: int, after: int = 0
    ) -> list[DeadRow]:
        """Give dead letters by id; see the interface."""
        return await self._slices.read(chosen, limit, after)

    async def count_dead(self, chosen: DeadFilter) -> dict[str, int]:
        """Count dead letters by reason."""
        return await self._slices.count(chosen)

    async def dead_groups(self, chosen: DeadFilter) -> list[DeadGroup]:
        """Count dead letters by connection, reason and code."""
        return await self._slices.groups(chosen)

    async def replay(  # noqa: PLR0913  keyword-only conditions
        self,
        chosen: DeadFilter,
        *,
        now: float,
        limit: int,
        accept_double_count: bool = False,
        force: bool = False,
        after: int = 0,
        dry_run: bool = False,
    ) -> Replay:
        """Put dead letters back; each 2,000 walked are one commit."""
        order = ReplayOrder(
            now=now,
            accept_double_count=accept_double_count,
            force=force,
            dry_run=dry_run,
        )
        return await self._slices.replay(chosen, limit, order, after)

    async def purge(self, chosen: DeadFilter) -> int:
        """Delete dead letters; each 2,000 walked are one commit."""
        return await self._slices.purge(chosen)

    async def labelled(self, label: str) -> Labelled:
        """Give how the events of a label stand."""
        work = partial(report.labelled, label=label)
        return await self.writer.submit(Kind.READ, work)

    async def stats(self) -> dict[str, Stats]:
        """Give the counts of every connection that holds anything."""
        return await self.writer.submit(Kind.READ, report.stats)

    async def balance(self, label: str | None = None) -> dict[str, Balance]:
        """Give what became of the rows of every connection, or of those of a label."""
        work = partial(report.balance, label=label)
        return await self.writer.submit(Kind.READ, work)

    async def has_room(self) -> bool:
        """Say whether the disk has room for more; a broken outbox raises."""
        return await self.writer.submit(Kind.READ, lambda store: store.space.has_room())

    async def prune(self) -> None:
        """Delete what is past its time now; it happens by itself, but later."""
        while await self.writer.submit(Kind.WRITE, forget):
            pass

    async def close(self) -> None:
        """Finish what was asked for, checkpoint and release the file."""
        try:
            await self.finish()
        finally:
            self._owner.release()

    async def finish(self) -> None:
        """Finish and checkpoint, but keep the lock."""
        await self.writer.close()

    def _release(self, claimed: "asyncio.Future[claiming.Claimed]") -> None:
        if claimed.exception() is None:
            ids = [row.id for row in claimed.result().rows]
            self.writer.submit(Kind.READ, partial(claiming.release, ids=ids))
