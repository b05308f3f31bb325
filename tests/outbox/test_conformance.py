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

VAULT = Vault([bytes(32)])


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

    overhead = len(VAULT.seal(b"", b""))

    @pytest.fixture
    async def open_(self, tmp_path: Path, clock: Clock) -> AsyncIterator[Open]:
        opened: list[SqliteOutbox] = []

        async def open_(caps: Caps | None = None) -> Engine:
            path = tmp_path / "state" / "outbox.sqlite3"
            opened.append(await SqliteOutbox.open(path, caps=caps, clock=clock))
            return sealed(opened[-1], VAULT)

        yield open_
        for box in opened:
            await box.close()


class TestReference(Conformance):
    @pytest.fixture
    def open_(self, clock: Clock) -> Open:
        async def open_(caps: Caps | None = None) -> Engine:
            return ReferenceOutbox(caps or Caps(), clock)

        return open_
