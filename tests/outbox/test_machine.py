"""Random calls give the same answers as the model, whatever restarts come between."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from outbox.made import HOUR, Clock, row
from outbox.reference import ReferenceOutbox
from tokferry_server.delivery.outbox.interface import (
    Caps,
    DeadFilter,
    Death,
    NewRow,
    Outbox,
    OutboxFullError,
    Reschedule,
)
from tokferry_server.delivery.outbox.sqlite import (
    SqliteOutbox,
    known_keys,
    space,
    writer,
)

T = TypeVar("T")

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None

CAPS = Caps(max_rows=12, max_rows_per_connection=9, max_dead=5, max_known_keys=6)
NEW_ROWS = st.builds(
    row,
    st.integers(0, 15),
    connection=st.sampled_from(["shop", "app"]),
    body=st.sampled_from([b"{}", b'{"a":1}']),
    label=st.sampled_from(["", "import-1"]),
)
PICKS = st.lists(st.integers(0, 30), max_size=4)
FILTERS = st.builds(
    DeadFilter,
    connection=st.sampled_from([None, "shop"]),
    reason=st.sampled_from([None, "A"]),
    label=st.sampled_from([None, "import-1"]),
)


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="tokferry-machine-", dir=MEMORY))
        self.files = 0
        self.clock = Clock()
        self.model = ReferenceOutbox(CAPS, self.clock)
        self.claimed: list[int] = []

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(call, 20))

    @property
    def path(self) -> Path:
        return self.folder / f"state-{self.files}" / "outbox.sqlite3"

    def open(self) -> SqliteOutbox:
        return self.run(SqliteOutbox.open(self.path, caps=CAPS, clock=self.clock))

    @initialize()
    def start(self) -> None:
        self.box = self.open()

    def both(self, name: str, *args: object, **kwargs: object) -> Any:
        """Call both, and give the answer in which they agree."""

        async def ask(box: Outbox) -> object:
            try:
                return await getattr(box, name)(*args, **kwargs)
            except OutboxFullError:
                return "full"

        want, got = self.run(ask(self.model)), self.run(ask(self.box))
        assert got == want, name
        return got

    def numbers(self, picks: list[int]) -> list[int]:
        known = self.claimed or [99]
        return list(dict.fromkeys(known[pick % len(known)] for pick in picks))

    @rule(rows=st.lists(NEW_ROWS, max_size=6))
    def put(self, rows: list[NewRow]) -> None:
        self.both("put", rows)

    @rule(connection=st.sampled_from(["shop", "app"]), limit=st.integers(0, 5))
    def claim(self, connection: str, limit: int) -> None:
        claimed = self.both("claim", connection, limit, self.clock.now)
        self.claimed += [one.id for one in claimed]

    @rule(picks=PICKS)
    def settle(self, picks: list[int]) -> None:
        self.both("settle", self.numbers(picks), self.clock.now)

    @rule(picks=PICKS, wait=st.sampled_from([0.0, 1.0, HOUR]), unsure=st.booleans())
    def reschedule(self, picks: list[int], wait: float, unsure: bool) -> None:
        at = self.clock.now
        rows = [
            Reschedule(
                id=number,
                next_at=at + wait,
                attempts=1,
                first_ambiguous_at=at if unsure else None,
                waited=wait,
            )
            for number in self.numbers(picks)
        ]
        self.both("reschedule", rows)

    @rule(picks=PICKS, reason=st.sampled_from(["A", "B"]))
    def kill(self, picks: list[int], reason: str) -> None:
        deaths = [Death(id=n, reason=reason, code=40002) for n in self.numbers(picks)]
        self.both("kill", deaths, self.clock.now)

    @rule(picks=PICKS)
    def sending(self, picks: list[int]) -> None:
        self.both("sending", self.numbers(picks), self.clock.now)

    @rule(picks=PICKS)
    def release(self, picks: list[int]) -> None:
        self.both("release", self.numbers(picks))

    @rule(
        chosen=FILTERS,
        limit=st.integers(0, 3),
        accept=st.booleans(),
        force=st.booleans(),
    )
    def replay(self, chosen: DeadFilter, limit: int, accept: bool, force: bool) -> None:
        self.both(
            "replay",
            chosen,
            now=self.clock.now,
            limit=limit,
            accept_double_count=accept,
            force=force,
        )

    @rule(chosen=FILTERS)
    def purge(self, chosen: DeadFilter) -> None:
        self.both("purge", chosen)

    @rule(by=st.sampled_from([1.0, HOUR, 24 * HOUR, 16 * 24 * HOUR, -HOUR, -24 * HOUR]))
    def time_passes(self, by: float) -> None:
        self.clock.now += by

    @rule()
    def prune(self) -> None:
        self.both("prune")
        self.both("stats")

    @rule()
    def restart(self) -> None:
        self.run(self.box.close())
        self.box = self.open()
        self.model.restart()

    @rule()
    def crash(self) -> None:
        """Go on with what a killed process would leave: the files as they are."""
        before = self.path.parent
        self.files += 1
        without = shutil.ignore_patterns("*.ballast", "*.lock")
        shutil.copytree(before, self.path.parent, ignore=without)
        self.path.parent.chmod(0o700)
        self.run(self.box.close())
        shutil.rmtree(before)
        self.box = self.open()
        self.model.restart()

    @invariant()
    def the_same_is_stored(self) -> None:
        if not hasattr(self, "box"):
            return
        # When a key is forgotten that is past its time is each engine's own affair.
        counted = [
            {
                name: replace(one, delivered_known=0)
                for name, one in self.run(box.stats()).items()
                if one.pending or one.dead
            }
            for box in (self.model, self.box)
        ]
        assert counted[0] == counted[1]
        self.both("ready", self.clock.now)
        self.both("next_due")
        self.both("dead", DeadFilter(), limit=50)
        self.both("count_dead", DeadFilter())
        self.both("labelled", "import-1")

    def teardown(self) -> None:
        if hasattr(self, "box"):
            self.run(self.box.close())
        self.loop.close()
        shutil.rmtree(self.folder)


def explore(monkeypatch: pytest.MonkeyPatch, examples: int, steps: int) -> None:
    monkeypatch.setattr(known_keys, "COLLECT", 4)
    monkeypatch.setattr(writer, "TICK_S", 3600.0)  # nothing happens by itself
    monkeypatch.setattr(known_keys, "SLICE", 2)
    monkeypatch.setattr(space, "MOST_BALLAST", 2**16)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_random_calls_and_restarts_agree_with_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    explore(monkeypatch, examples=25, steps=30)


@pytest.mark.gate
@pytest.mark.timeout(400)
def test_many_random_calls_and_restarts_agree_with_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    explore(monkeypatch, examples=60, steps=40)
