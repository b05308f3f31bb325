"""What every outbox engine must pass; an engine's tests give the fixture `open_`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar, Protocol

import pytest
from msgspec.structs import replace

from outbox.made import APP, HOUR, START, WEB, Clock, row, rows
from tokferry_server.delivery.outbox.interface import (
    Caps,
    DeadFilter,
    Death,
    Labelled,
    Outbox,
    OutboxFullError,
    Position,
    Put,
    Replay,
    Reschedule,
    State,
    Stats,
)


class Engine(Outbox, Protocol):
    async def prune(self) -> None: ...


Open = Callable[..., Awaitable[Engine]]
ALL = DeadFilter()


async def put_and_claim(box: Outbox, number: int) -> list[int]:
    await box.put(rows(0, number))
    return [one.id for one in await box.claim("shop", number, START)]


class Stored:
    overhead: ClassVar[int] = 0
    """The bytes that an engine stores of a body beside those it was given."""

    @property
    def size(self) -> int:
        """What the body of a made-up row takes."""
        return len(row(0).body) + self.overhead


class Accepting(Stored):
    """What `put` stores, refuses and knows already."""

    async def test_a_row_comes_back_as_it_was_put(self, open_: Open) -> None:
        box = await open_()
        new = row(1, connection="app", route=APP, label="import-1", body=b"\x00\xff")

        (put,) = await box.put([new])
        (claimed,) = await box.claim("app", 5, START)

        assert put == Put(id=claimed.id, state=State.PENDING)
        assert (claimed.connection, claimed.route) == ("app", APP)
        assert (claimed.event, claimed.event_id) == ("Purchase", "id-1")
        assert (claimed.body, claimed.time_ms) == (b"\x00\xff", 1_790_000_000_000)
        assert claimed.position == Position(
            label="import-1", sequence=7, batch=2, event=1
        )
        assert (claimed.created, claimed.next_at, claimed.attempts) == (START, START, 0)

    async def test_a_sequence_may_fill_64_bits(self, open_: Open) -> None:
        box = await open_()
        sequences = [2**63 - 1, 2**63, 2**64 - 1]
        await box.put(
            [replace(row(n), position=Position(sequence=n)) for n in sequences]
        )
        claimed = await box.claim("shop", 5, START)
        assert [one.position.sequence for one in claimed] == sequences

    async def test_nothing_is_put_for_no_rows(self, open_: Open) -> None:
        box = await open_()
        assert await box.put([]) == []
        assert await box.stats() == {}

    async def test_a_second_copy_is_a_duplicate_of_the_first(self, open_: Open) -> None:
        box = await open_()
        (first,) = await box.put([row(1)])
        (same,) = await box.put([row(1)])
        (other,) = await box.put([row(1, body=b"other")])

        assert same == Put(id=first.id, state=State.PENDING, duplicate=True)
        assert other == Put(
            id=first.id, state=State.PENDING, duplicate=True, changed=True
        )
        (kept,) = await box.claim("shop", 9, START)
        assert kept.body == row(1).body

    async def test_copies_within_one_call_are_duplicates(self, open_: Open) -> None:
        box = await open_()
        first, second = await box.put([row(1), row(1, body=b"other")])
        assert (first.duplicate, second.duplicate) == (False, True)
        assert (second.id, second.changed) == (first.id, True)

    async def test_copies_put_at_the_same_time_are_stored_once(
        self, open_: Open
    ) -> None:
        box = await open_()
        results = await asyncio.gather(*[box.put(rows(0, 3)) for _ in range(8)])

        assert sum(not one.duplicate for result in results for one in result) == 3
        assert (await box.stats())["shop"].pending == 3

    async def test_a_key_is_source_and_event_and_id(self, open_: Open) -> None:
        box = await open_()
        puts = await box.put([row(1), row(1, event="Search"), row(1, route=APP)])
        assert [one.duplicate for one in puts] == [False, False, False]

    async def test_a_connection_is_no_part_of_the_key(self, open_: Open) -> None:
        box = await open_()
        await box.put([row(1)])
        (put,) = await box.put([row(1, connection="other")])
        assert put.duplicate

    @pytest.mark.parametrize(
        ("age", "known"), [(0.0, True), (48 * HOUR - 1, True), (48 * HOUR, False)]
    )
    async def test_a_delivered_key_is_known_for_48_hours(
        self, open_: Open, clock: Clock, age: float, known: bool
    ) -> None:
        box = await open_()
        (number,) = await put_and_claim(box, 1)
        await box.settle([number], START)
        clock.now = START + age

        (put,) = await box.put([row(0)])

        assert put.duplicate is known
        assert put.state is (State.DELIVERED if known else State.PENDING)
        assert (put.id == number) is known

    @pytest.mark.parametrize(
        ("age", "known"), [(48 * HOUR - 1, True), (48 * HOUR, False)]
    )
    async def test_a_dead_key_is_known_for_48_hours(
        self, open_: Open, clock: Clock, age: float, known: bool
    ) -> None:
        box = await open_()
        (number,) = await put_and_claim(box, 1)
        await box.kill([Death(id=number, reason="REJECTED")], START)
        clock.now = START + age

        (put,) = await box.put([row(0)])

        assert put.duplicate is known
        assert put.state is (State.DEAD if known else State.PENDING)

    async def test_a_pending_key_is_known_as_long_as_it_waits(
        self, open_: Open, clock: Clock
    ) -> None:
        box = await open_()
        await box.put([row(1)])
        clock.now += 100 * HOUR
        (put,) = await box.put([row(1)])
        assert (put.state, put.duplicate) == (State.PENDING, True)

    async def test_the_oldest_known_keys_leave_at_their_cap(self, open_: Open) -> None:
        box = await open_(Caps(max_known_keys=2))
        ids = await put_and_claim(box, 3)
        for place, number in enumerate(ids):
            await box.settle([number], START + place)

        puts = await box.put(rows(0, 3))

        assert [one.duplicate for one in puts] == [False, True, True]
        assert (await box.stats())["shop"].delivered_known == 2

    @pytest.mark.parametrize(
        "caps",
        [
            lambda _: Caps(max_rows=3),
            lambda size: Caps(max_bytes=3 * size),
            lambda _: Caps(max_rows_per_connection=3),
        ],
        ids=["rows", "bytes", "rows of a connection"],
    )
    async def test_a_cap_refuses_a_call_as_a_whole(
        self, open_: Open, caps: Callable[[int], Caps]
    ) -> None:
        box = await open_(caps(self.size))
        await box.put(rows(0, 2))
        with pytest.raises(OutboxFullError):
            await box.put(rows(2, 2))

        assert (await box.stats())["shop"].pending == 2
        assert not (await box.put([row(2)]))[0].duplicate
        with pytest.raises(OutboxFullError):
            await box.put([row(9)])

    async def test_duplicates_need_no_room(self, open_: Open) -> None:
        box = await open_(Caps(max_rows=2))
        await box.put(rows(0, 2))
        assert [one.duplicate for one in await box.put(rows(0, 2))] == [True, True]

    async def test_a_cap_of_one_connection_leaves_the_others(self, open_: Open) -> None:
        box = await open_(Caps(max_rows_per_connection=1))
        await box.put([row(1)])
        (put,) = await box.put([row(2, connection="other")])
        assert put.state is State.PENDING

    async def test_delivering_makes_room(self, open_: Open) -> None:
        box = await open_(Caps(max_rows=2))
        ids = await put_and_claim(box, 2)
        await box.settle(ids[:1], START)
        (put,) = await box.put([row(5)])
        assert put.state is State.PENDING


class Delivering(Stored):
    """Who gets which rows, when, and what becomes of them."""

    async def test_claims_come_oldest_first_and_once(self, open_: Open) -> None:
        box = await open_()
        puts = await box.put(rows(0, 5))
        first = await box.claim("shop", 2, START)
        second = await box.claim("shop", 9, START)

        assert [one.id for one in [*first, *second]] == [one.id for one in puts]
        assert await box.claim("shop", 9, START) == []

    async def test_claims_of_no_rows_give_none(self, open_: Open) -> None:
        box = await open_()
        await box.put([row(1)])
        assert await box.claim("shop", 0, START) == []
        assert await box.claim("other", 5, START) == []
        assert len(await box.claim("shop", 5, START)) == 1

    async def test_a_row_waits_for_its_time(self, open_: Open) -> None:
        box = await open_()
        (number,) = await put_and_claim(box, 1)
        await box.reschedule(
            [Reschedule(id=number, next_at=START + 10, attempts=1, last_code=50000)]
        )

        assert await box.claim("shop", 5, START + 9.9) == []
        assert await box.ready(START + 9.9) == {}
        assert await box.next_due() == START + 10
        (again,) = await box.claim("shop", 5, START + 10)
        assert (again.attempts, again.last_code) == (1, 50000)

    async def test_a_later_row_overtakes_one_that_waits(self, open_: Open) -> None:
        box = await open_()
        first, second = await put_and_claim(box, 2)
        await box.reschedule([Reschedule(id=first, next_at=START + 5, attempts=1)])
        await box.reschedule([Reschedule(id=second, next_at=START + 1, attempts=1)])
        claimed = await box.claim("shop", 5, START + 5)
        assert [one.id for one in claimed] == [second, first]

    async def test_a_row_given_back_as_due_is_claimed_beside_claimed_ones(
        self, open_: Open
    ) -> None:
        box = await open_()
        ids = await put_and_claim(box, 4)
        await box.put([row(9)])
        await box.reschedule([Reschedule(id=ids[1], next_at=START, attempts=1)])

        assert await box.ready(START) == {"shop": 2}
        claimed = await box.claim("shop", 9, START)
        assert [one.event_id for one in claimed] == ["id-1", "id-9"]

    async def test_the_first_ambiguity_stays_and_waiting_adds_up(
        self, open_: Open
    ) -> None:
        box = await open_()
        (number,) = await put_and_claim(box, 1)
        for at in (START + 1, None, START + 3):
            await box.reschedule(
                [
                    Reschedule(
                        id=number,
                        next_at=START,
                        attempts=1,
                        first_ambiguous_at=at,
                        waited=2.5,
                    )
                ]
            )
            (claimed,) = await box.claim("shop", 1, START)
        assert claimed.first_ambiguous_at == START + 1
        assert claimed.waited == 7.5

    async def test_ready_counts_unclaimed_rows_that_are_due(self, open_: Open) -> None:
        box = await open_()
        assert await box.ready(START) == {}
        assert await box.next_due() is None
        await box.put([*rows(0, 3), *rows(10, 2, connection="other")])
        await box.claim("shop", 2, START)

        assert await box.ready(START) == {"shop": 1, "other": 2}
        assert await box.ready(START - 1) == {}
        assert await box.next_due() == START

    async def test_the_latest_time_never_goes_back(
        self, open_: Open, clock: Clock
    ) -> None:
        box = await open_()
        assert await box.latest() == 0.0
        await box.put([row(1)])
        assert await box.latest() == START
        await box.claim("shop", 1, START + 90)
        clock.now = START - 86_400
        await box.put([row(2)])
        assert await box.latest() == START + 90

    async def test_released_rows_are_due_as_before(self, open_: Open) -> None:
        box = await open_()
        ids = await put_and_claim(box, 3)
        await box.release([ids[1], 99])
        assert await box.ready(START) == {"shop": 1}
        (again,) = await box.claim("shop", 5, START)
        assert (again.id, again.attempts) == (ids[1], 0)

    async def test_rows_on_their_way_are_settled_like_others(self, open_: Open) -> None:
        box = await open_()
        ids = await put_and_claim(box, 3)
        await box.sending(ids, START)
        await box.settle(ids[:1], START)
        await box.kill([Death(id=ids[1], reason="A")], START)
        await box.reschedule([Reschedule(id=ids[2], next_at=START, attempts=1)])

        (again,) = await box.claim("shop", 5, START)
        assert again.first_ambiguous_at is None
        (dead,) = await box.dead(ALL, limit=5)
        assert not dead.ambiguous

    async def test_a_settled_row_is_gone(self, open_: Open) -> None:
        box = await open_()
        ids = await put_and_claim(box, 2)
        await box.settle(ids, START)
        await box.settle(ids, START + 1)
        await box.reschedule([Reschedule(id=ids[0], next_at=START, attempts=1)])
        await box.kill([Death(id=ids[1], reason="REJECTED")], START)

        assert await box.claim("shop", 5, START + 5) == []
        assert (await box.stats())["shop"] == Stats(delivered_known=2)

    async def test_calls_with_unknown_ids_do_nothing(self, open_: Open) -> None:
        box = await open_()
        await box.settle([99], START)
        await box.reschedule([Reschedule(id=99, next_at=START, attempts=1)])
        await box.kill([Death(id=99, reason="REJECTED")], START)
        assert await box.stats() == {}
        assert await box.next_due() is None

    async def test_stats_tell_the_oldest_row(self, open_: Open, clock: Clock) -> None:
        box = await open_()
        (number,) = await put_and_claim(box, 1)
        clock.now += 60
        await box.put([row(5)])
        await box.reschedule([Reschedule(id=number, next_at=START + 99, attempts=1)])

        want = Stats(pending=2, pending_bytes=2 * self.size, oldest_created=START)
        assert await box.stats() == {"shop": want}
        await box.settle([number], START)
        assert (await box.stats())["shop"].oldest_created == START + 60

    async def test_a_label_tells_how_its_rows_stand(self, open_: Open) -> None:
        box = await open_()
        await box.put([*rows(0, 4, label="import-1"), row(9)])
        ids = [one.id for one in await box.claim("shop", 9, START)]
        await box.settle(ids[:1], START)
        await box.kill(
            [Death(id=ids[1], reason="A"), Death(id=ids[4], reason="B")], START
        )

        assert await box.labelled("import-1") == Labelled(
            pending=2, dead=1, by_reason={"A": 1}
        )
        assert await box.labelled("") == Labelled()
        assert await box.labelled("none") == Labelled()


class Burying(Stored):
    """Dead letters."""

    async def test_a_dead_letter_says_why_and_keeps_the_row(self, open_: Open) -> None:
        box = await open_()
        (number,) = await put_and_claim(box, 1)
        death = Death(
            id=number,
            reason="REJECTED",
            code=40002,
            message="m" * 300,
            field="properties.value",
            request_id="req-1",
            attempts=3,
            first_ambiguous_at=START + 1,
        )
        await box.kill([death], START + 2)

        (dead,) = await box.dead(ALL, limit=5)
        assert (dead.id, dead.body, dead.route) == (number, row(0).body, WEB)
        assert (dead.reason, dead.code, dead.last_code) == ("REJECTED", 40002, 40002)
        assert (dead.message, dead.field) == ("m" * 256, "properties.value")
        assert (dead.request_id, dead.died) == ("req-1", START + 2)
        assert (dead.attempts, dead.ambiguous, dead.replays) == (3, True, 0)
        assert await box.claim("shop", 5, START) == []

    async def test_only_an_uncertain_row_is_an_ambiguous_dead_letter(
        self, open_: Open
    ) -> None:
        box = await open_()
        sure, unsure = await put_and_claim(box, 2)
        await box.reschedule(
            [Reschedule(id=unsure, next_at=START, attempts=1, first_ambiguous_at=START)]
        )
        await box.kill([Death(id=n, reason="EXPIRED") for n in (sure, unsure)], START)
        dead = await box.dead(ALL, limit=5)
        assert [one.ambiguous for one in dead] == [False, True]

    @pytest.mark.parametrize(
        "caps",
        [lambda _: Caps(max_dead=1), lambda size: Caps(max_dead_bytes=size)],
        ids=["rows", "bytes"],
    )
    async def test_at_their_cap_dead_letters_are_refused_and_rows_stay_claimed(
        self, open_: Open, caps: Callable[[int], Caps]
    ) -> None:
        box = await open_(caps(self.size))
        ids = await put_and_claim(box, 3)
        await box.kill([Death(id=ids[0], reason="A")], START)
        with pytest.raises(OutboxFullError):
            await box.kill([Death(id=n, reason="A") for n in ids[1:]], START)

        assert await box.claim("shop", 5, START) == []
        stats = (await box.stats())["shop"]
        assert (stats.pending, stats.dead) == (2, 1)
        await box.purge(ALL)
        await box.kill([Death(id=ids[1], reason="A")], START)

    @pytest.mark.parametrize(
        ("chosen", "want"),
        [
            (ALL, [0, 1, 2, 3]),
            (DeadFilter(connection="other"), [3]),
            (DeadFilter(connection="none"), []),
            (DeadFilter(reason="B"), [1, 3]),
            (DeadFilter(code=40002), [2]),
            (DeadFilter(label="import-1"), [3]),
            (DeadFilter(since=START + 2), [2, 3]),
            (DeadFilter(until=START + 2), [0, 1]),
            (DeadFilter(reason="B", since=START + 2), [3]),
        ],
    )
    async def test_a_filter_chooses_dead_letters(
        self, open_: Open, chosen: DeadFilter, want: list[int]
    ) -> None:
        box = await open_()
        await box.put([*rows(0, 3), row(3, connection="other", label="import-1")])
        claimed = await box.claim("shop", 9, START)
        claimed += await box.claim("other", 9, START)
        for place, one in enumerate(claimed):
            code = 40002 if place == 2 else None
            reason = "AB"[place % 2]
            await box.kill([Death(id=one.id, reason=reason, code=code)], START + place)
        ids = [claimed[place].id for place in want]

        assert [one.id for one in await box.dead(chosen, limit=9)] == ids
        assert sum((await box.count_dead(chosen)).values()) == len(ids)
        assert await box.purge(chosen) == len(ids)
        assert sum((await box.count_dead(ALL)).values()) == 4 - len(ids)

    async def test_dead_letters_come_in_pages(self, open_: Open) -> None:
        box = await open_()
        ids = await put_and_claim(box, 5)
        await box.kill([Death(id=n, reason="A") for n in ids], START)

        first = await box.dead(ALL, limit=2)
        rest = await box.dead(ALL, limit=9, after=first[-1].id)

        assert [one.id for one in [*first, *rest]] == ids
        chosen = DeadFilter(ids=(ids[0], ids[4]))
        assert [one.id for one in await box.dead(chosen, limit=9)] == [ids[0], ids[4]]
        assert await box.count_dead(ALL) == {"A": 5}

    async def test_a_replayed_row_is_the_same_row_with_a_fresh_start(
        self, open_: Open, clock: Clock
    ) -> None:
        box = await open_()
        (number,) = await put_and_claim(box, 1)
        await box.kill([Death(id=number, reason="A", attempts=4)], START)
        clock.now = later = START + 10 * 86_400

        assert await box.replay(ALL, now=later, limit=5) == Replay(replayed=1)

        assert await box.dead(ALL, limit=5) == []
        (again,) = await box.claim("shop", 5, later)
        assert (again.id, again.body, again.created) == (number, row(0).body, START)
        assert (again.attempts, again.next_at) == (0, later)
        assert again.waited == later - START
        (put,) = await box.put([row(0)])
        assert (put.id, put.state) == (number, State.PENDING)

    @pytest.mark.parametrize(
        ("age", "refused"), [(47 * HOUR - 1, 0), (47 * HOUR, 1), (-HOUR, 1)]
    )
    async def test_an_old_ambiguous_row_is_replayed_only_on_demand(
        self, open_: Open, age: float, refused: int
    ) -> None:
        box = await open_()
        (number,) = await put_and_claim(box, 1)
        death = Death(id=number, reason="A", first_ambiguous_at=START)
        await box.kill([death], START + 1)

        done = await box.replay(ALL, now=START + age, limit=5)
        assert done == Replay(replayed=1 - refused, refused=refused)
        if refused:
            done = await box.replay(
                ALL, now=START + age, limit=5, accept_double_count=True
            )
            assert done == Replay(replayed=1)
        (again,) = await box.claim("shop", 5, max(START, START + age))
        assert (again.first_ambiguous_at is None) == bool(refused)

    async def test_a_risk_that_is_taken_ends_the_doubt(self, open_: Open) -> None:
        box = await open_()
        (number,) = await put_and_claim(box, 1)
        death = Death(id=number, reason="A", first_ambiguous_at=START)
        await box.kill([death], START + 1)
        await box.replay(ALL, now=START + HOUR, limit=5, accept_double_count=True)
        (again,) = await box.claim("shop", 5, START + HOUR)
        assert again.first_ambiguous_at is None

    async def test_a_fourth_replay_needs_force(self, open_: Open) -> None:
        box = await open_()
        for _ in range(3):
            await box.put([row(0)])
            (claimed,) = await box.claim("shop", 1, START)
            await box.kill([Death(id=claimed.id, reason="A")], START)
            assert await box.replay(ALL, now=START, limit=1) == Replay(replayed=1)
        (claimed,) = await box.claim("shop", 1, START)
        await box.kill([Death(id=claimed.id, reason="A")], START)

        (dead,) = await box.dead(ALL, limit=1)
        assert dead.replays == 3
        done = await box.replay(ALL, now=START, limit=1)
        assert done == Replay(replayed=0, exhausted=1)
        done = await box.replay(ALL, now=START, limit=1, force=True)
        assert done == Replay(replayed=1)

    async def test_a_replay_stops_at_its_limit(self, open_: Open) -> None:
        box = await open_()
        ids = await put_and_claim(box, 5)
        await box.kill([Death(id=n, reason="A") for n in ids], START)
        assert await box.replay(ALL, now=START, limit=2) == Replay(replayed=2)
        claimed = await box.claim("shop", 9, START)
        assert [one.id for one in claimed] == ids[:2]

    async def test_a_dead_letter_is_not_replayed_beside_a_newer_copy(
        self, open_: Open, clock: Clock
    ) -> None:
        box = await open_()
        (number,) = await put_and_claim(box, 1)
        await box.kill([Death(id=number, reason="A")], START)
        clock.now += 49 * HOUR
        await box.put([row(0)])

        done = await box.replay(ALL, now=clock.now, limit=5)
        assert done == Replay(replayed=0, refused=1)

    async def test_purging_forgets_the_key(self, open_: Open) -> None:
        box = await open_()
        (number,) = await put_and_claim(box, 1)
        await box.kill([Death(id=number, reason="A")], START)
        assert await box.purge(ALL) == 1
        (put,) = await box.put([row(0)])
        assert (put.duplicate, put.state) == (False, State.PENDING)
        assert put.id != number

    async def test_dead_letters_expire_after_thirty_days(
        self, open_: Open, clock: Clock
    ) -> None:
        box = await open_()
        ids = await put_and_claim(box, 2)
        for place, number in enumerate(ids):
            await box.kill([Death(id=number, reason="A")], START + place)
        clock.now = START + 30 * 86_400
        await box.prune()
        assert [one.id for one in await box.dead(ALL, limit=5)] == ids[1:]


class Conformance(Accepting, Delivering, Burying):
    """Everything."""
