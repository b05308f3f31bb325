"""What the writer thread works on: the open file and what it keeps in memory of it."""

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from tokferry_server.delivery.failpoints import failpoint
from tokferry_server.delivery.outbox.interface import Caps
from tokferry_server.delivery.outbox.sqlite.claims import Claims
from tokferry_server.delivery.outbox.sqlite.counts import count
from tokferry_server.delivery.outbox.sqlite.known_keys import KnownKeys
from tokferry_server.delivery.outbox.sqlite.names import Names
from tokferry_server.delivery.outbox.sqlite.recent import Recent
from tokferry_server.delivery.outbox.sqlite.schema import PAGE_BYTES, connect
from tokferry_server.delivery.outbox.sqlite.sending import Sending
from tokferry_server.delivery.outbox.sqlite.space import Space

_TIME_EVERY_S: Final = 60.0

Clock = Callable[[], float]


class Store:
    """One open outbox file. Used by one thread only.

    ``unwritten`` are rows that were delivered but could not be removed yet, because the
    disk is full; ``afterwards`` is done when the current transaction is committed.
    """

    def __init__(self, path: Path, caps: Caps, clock: Clock) -> None:
        self.path = path
        self.caps = caps
        self.clock = clock
        self.db: sqlite3.Connection = connect(path)
        self.sending = Sending(self.db)
        self.sending.recover()
        self.names = Names(self.db)
        self.counts = count(self.db)
        self.keys = KnownKeys(self.db)
        self.claims = Claims()
        self.recent = Recent()
        self.space = Space(path, caps.min_free_share)
        self.unwritten: set[int] = set()
        self.afterwards: list[Callable[[], None]] = []
        self.before_settle = failpoint("outbox.before_settle")
        self.before_reschedule = failpoint("outbox.before_reschedule")
        self.before_kill = failpoint("outbox.before_kill")
        self.in_replay = failpoint("outbox.in_replay")
        meta = self.db.execute("SELECT next_id, latest FROM meta").fetchone()
        self._next_id, self.latest = meta
        self._written = self.latest

    def new_ids(self, number: int) -> range:
        """Give ids that no row ever had; part of the current transaction."""
        first = self._next_id
        self._next_id += number
        self.db.execute("UPDATE meta SET next_id = ?", (self._next_id,))
        return range(first, self._next_id)

    def passed(self, at: float) -> None:
        """Note a time that has passed."""
        self.latest = max(self.latest, at)

    def write_time(self) -> None:
        """Write what time has passed, once a minute; before a commit."""
        if self.latest - self._written >= _TIME_EVERY_S:
            self.db.execute("UPDATE meta SET latest = ?", (self.latest,))
            self._written = self.latest

    def reusable(self) -> int:
        """Give the bytes inside the file that nothing uses."""
        (pages,) = self.db.execute("PRAGMA freelist_count").fetchone()
        return int(pages) * PAGE_BYTES

    def tolerates(self, error: Exception) -> bool:
        """Tell whether to read on: a text is none any more, and from now on may be so.

        What is sent is checked anyway.
        """
        first = self.db.text_factory is str and "Could not decode" in str(error)
        if first:
            self.db.text_factory = partial(str, encoding="utf-8", errors="replace")
        return first

    def committed(self) -> None:
        """Keep what the transaction changed in memory too."""
        self.counts.keep()
        self.sending.committed()
        effects, self.afterwards = self.afterwards, []
        for effect in effects:
            effect()

    def roll_back(self) -> None:
        """Undo the transaction, in the file and in memory."""
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")
        self.counts.undo()
        self.sending.rolled_back()
        self.afterwards.clear()
        self.names.reload()
