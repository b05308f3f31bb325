"""What an outbox engine must do; the conformance tests hold every engine to it.

Times are Unix seconds. A method that writes returns only when what it wrote is
committed and synced to the disk: an engine that cannot promise that raises.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

import msgspec

from tokferry_server.tiktok.wire import Route

KNOWN_KEY_SECONDS = 48 * 3600.0
"""How long a key is remembered: TikTok's own window.
https://ads.tiktok.com/help/article/event-deduplication"""


class OutboxError(Exception):
    """The outbox cannot do what was asked; the text says why and what to do."""


class OutboxFullError(OutboxError):
    """A cap is reached. Nothing of the call was stored; nothing is ever pushed out."""


class OutboxBrokenError(OutboxError):
    """The state of the disk is unknown: the process must stop and start again."""


class State(StrEnum):
    """Where a stored event stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


class Position(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Whose event it is: the caller's label, the chunk, and the event's indexes."""

    label: str = ""
    sequence: int = 0
    batch: int = 0
    event: int = 0


class NewRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One TikTok event to be stored; its bytes and its id never change again.

    ``body`` is the encoded event. No token is ever part of a row. ``trace`` says which
    call accepted it, if that call is traced (``delivery.trace_context``).
    """

    connection: str
    route: Route
    event: str
    event_id: str
    body: bytes
    time_ms: int
    position: Position = Position()
    trace: bytes | None = None


class Row(NewRow, frozen=True, kw_only=True, gc=False):
    """One stored event. ``first_ambiguous_at``: since when it may have been taken."""

    id: int
    created: float
    next_at: float
    attempts: int = 0
    first_ambiguous_at: float | None = None
    waited: float = 0.0
    last_code: int | None = None


class Put(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one row that was put.

    For a key (source id, event, event id) that is known within 48 hours, ``id`` and
    ``state`` are those of the first copy and ``duplicate`` is true; ``changed`` says
    that this copy's bytes differ from the first one's.
    """

    id: int | None
    state: State
    duplicate: bool = False
    changed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reschedule:
    """A row that is to be tried again, but not before the time it was created.

    ``waited`` adds seconds during which the row was paused or throttled: they do not
    count towards its seven days.
    """

    id: int
    next_at: float
    attempts: int
    first_ambiguous_at: float | None = None
    waited: float = 0.0
    last_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """A row that is given up: why, with TikTok's code and a scrubbed message.

    ``attempts`` and ``first_ambiguous_at`` say what its last attempt added to the row,
    ``None`` that it added nothing. An ambiguity that the row has already stays.
    """

    id: int
    reason: str
    code: int | None = None
    message: str = ""
    field: str | None = None
    request_id: str | None = None
    attempts: int | None = None
    first_ambiguous_at: float | None = None
    http_status: int | None = None


class DeadRow(Row, frozen=True, kw_only=True, gc=False):
    """One dead letter. ``ambiguous``: TikTok may have taken it after all."""

    died: float
    reason: str
    ambiguous: bool
    code: int | None = None
    message: str = ""
    field: str | None = None
    request_id: str | None = None
    replays: int = 0
    http_status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadFilter:
    """Which dead letters; all that is set must hold.

    Of ``reasons`` and of ``codes`` any one must hold. ``identity`` is a SHA-256 digest,
    in lower-case hex digits, that the body must hold as a whole text.
    """

    ids: Sequence[int] = ()
    connection: str | None = None
    reason: str | None = None
    code: int | None = None
    label: str | None = None
    since: float | None = None
    until: float | None = None
    reasons: Sequence[str] = ()
    codes: Sequence[int] = ()
    ambiguous: bool | None = None
    identity: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadGroup:
    """Dead letters of one connection, reason and code: how many, how old.

    ``bytes`` counts their bodies; ``oldest`` and ``newest`` are when they died.
    """

    connection: str
    reason: str
    code: int | None
    count: int
    bytes: int
    oldest: float
    newest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a replay did.

    ``refused`` were too old to be sent again without a risk of counting twice,
    ``exhausted`` had been replayed three times already. Nothing up to the id
    ``reached`` is left to look at.
    """

    replayed: int
    refused: int = 0
    exhausted: int = 0
    reached: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counts of one connection, or of all."""

    pending: int = 0
    pending_bytes: int = 0
    oldest_created: float | None = None
    dead: int = 0
    delivered_known: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What became of the rows of one connection, since the outbox was made.

    Dead letters that were purged, or are past their time, no longer count.
    """

    pending: int = 0
    pending_bytes: int = 0
    ambiguous: int = 0
    oldest_created: float | None = None
    dead: int = 0
    delivered: int = 0

    @property
    def accepted(self) -> int:
        """All of them."""
        return self.delivered + self.dead + self.pending


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """How much may wait; beyond it ``put`` refuses."""

    max_rows: int = 5_000_000
    max_bytes: int = 4 * 2**30
    max_rows_per_connection: int | None = None
    max_dead: int = 1_000_000
    max_dead_bytes: int = 2**30
    max_known_keys: int = 5_000_000
    min_free_share: float = 0.5

    def shared(self, workers: int) -> "Caps":
        """Give the part of each of so many outboxes on one disk.

        Rows and bytes that wait are shared out already: they are settings.
        """
        taken = 1.0 - self.min_free_share
        return replace(
            self,
            max_dead=max(1, self.max_dead // workers),
            max_dead_bytes=max(1, self.max_dead_bytes // workers),
            max_known_keys=max(1, self.max_known_keys // workers),
            # What the others take is not free any more, and counts against it too.
            min_free_share=1.0 - taken / (workers * self.min_free_share + taken),
        )


@dataclass(slots=True)
class Labelled:
    """How the events of one label stand."""

    pending: int = 0
    dead: int = 0
    by_reason: dict[str, int] = field(default_factory=dict)


class Outbox(Protocol):
    """An engine. Its methods are called from one event loop."""

    async def put(self, rows: Sequence[NewRow]) -> list[Put]:
        """Store rows, all or none, and say of each whether it is a duplicate.

        Raises:
            OutboxFullError: a cap is reached; nothing was stored.
            OutboxBrokenError: the commit failed; nothing may be taken for stored.
        """
        ...

    async def claim(self, connection: str, limit: int, now: float) -> list[Row]:
        """Take up to ``limit`` rows that are due, oldest first; nobody else gets them.

        A row whose stored bytes are not those that were put becomes a dead letter.
        A claim is forgotten when the process ends: such rows are simply due again.
        """
        ...

    async def ready(self, now: float) -> dict[str, int]:
        """Give, for each connection with rows due now and unclaimed, their number.

        An engine may stop counting at 10,000 a connection: it is asked often.
        """
        ...

    async def next_due(self) -> float | None:
        """Give the earliest time at which an unclaimed row is due, or ``None``."""
        ...

    async def latest(self) -> float:
        """Give the latest time known to have passed, or 0; a crash may cost a minute.

        That is one of a put, a claim or a post. A clock that shows less has been set
        back since.
        """
        ...

    async def sending(self, ids: Sequence[int], at: float) -> None:
        """Note that claimed rows are about to be posted; called before the post.

        If the process ends before they are settled, rescheduled or killed, they come
        back with ``first_ambiguous_at`` = ``at``, unless they have an earlier one. One
        small record for all of ``ids`` is enough; settle, reschedule and kill undo it.
        """
        ...

    async def release(self, ids: Sequence[int]) -> None:
        """Give claimed rows back as they were; nothing needs to be written."""
        ...

    async def settle(self, ids: Sequence[int], now: float) -> None:
        """Remove delivered rows and remember their keys for 48 hours.

        While the disk is full they are remembered in memory as delivered, and removed
        as soon as there is room: if the process ends before, they are sent once more.
        """
        ...

    async def reschedule(self, rows: Sequence[Reschedule]) -> None:
        """Give claimed rows back, to be due at their new time.

        While the disk is full they stay claimed, and are given back when there is room.
        """
        ...

    async def kill(self, rows: Sequence[Death], now: float) -> None:
        """Move claimed rows to the dead letters.

        Raises:
            OutboxFullError: the dead letters are at their cap; the rows stay claimed.
        """
        ...

    async def dead(
        self, chosen: DeadFilter, *, limit: int, after: int = 0
    ) -> list[DeadRow]:
        """Give dead letters by id, those behind ``after`` first."""
        ...

    async def count_dead(self, chosen: DeadFilter) -> dict[str, int]:
        """Count dead letters by reason."""
        ...

    async def replay(
        self,
        chosen: DeadFilter,
        *,
        now: float,
        limit: int,
        accept_double_count: bool = False,
        force: bool = False,
    ) -> Replay:
        """Put dead letters back to pending, with the same id and bytes.

        Ambiguous ones that are ``in_doubt_too_long`` are refused, as they would not be
        sent; with ``accept_double_count`` any are taken and count as certain from then
        on. Ones that were replayed three times already need ``force``.
        """
        ...

    async def purge(self, chosen: DeadFilter) -> int:
        """Delete dead letters and give their number."""
        ...

    async def labelled(self, label: str) -> Labelled:
        """Give how the events of a label stand."""
        ...

    async def stats(self) -> dict[str, Stats]:
        """Give the counts of every connection."""
        ...

    async def close(self) -> None:
        """Write what is pending in memory, checkpoint and release the file."""
        ...


class InspectableOutbox(Outbox, Protocol):
    """An engine as those who look after it see it."""

    async def balance(self, label: str | None = None) -> dict[str, Balance]:
        """Give what became of the rows of every connection, or of those of a label.

        Delivered rows are known by their label for as long as their keys are.
        """
        ...

    async def has_room(self) -> bool:
        """Say whether the disk has room: while it has none, nothing is accepted."""
        ...

    async def dead_groups(self, chosen: DeadFilter) -> list[DeadGroup]:
        """Count dead letters by connection, reason and code."""
        ...

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
        """Put dead letters with ids behind ``after`` back, or count them only."""
        ...
