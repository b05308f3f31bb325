"""A clock that is set back or forward delays no event and counts none twice."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from outbox.made import HOUR, row
from outbox.virtual_worker import Machine, TikTok, run
from tokferry_server.delivery.outbox.interface import DeadFilter, Replay, State

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
BACKOFF = 305.0
ABOUT_47_HOURS = 47 * HOUR + 2 * BACKOFF
"""A crash may cost the outbox the time since it was last asked for anything."""

JUMPS = [-24 * HOUR, -HOUR, HOUR, 48 * HOUR]

Story = Callable[[Machine, TikTok], Awaitable[None]]


@pytest.fixture
def play() -> Iterator[Callable[[Story], None]]:
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        folder = Path(name)
        folder.chmod(0o700)

        async def whole(story: Story) -> None:
            tiktok = TikTok()
            machine = Machine(folder, tiktok)
            await machine.begin()
            await story(machine, tiktok)
            await machine.end()
            assert max(tiktok.counted.values(), default=0) <= 1

        yield lambda story: run(whole(story))


async def restart(machine: Machine, how: str) -> None:
    """Begin anew or not; a crash takes the journal with it."""
    if how == "stop":
        await machine.end()
        await machine.begin()
    elif how == "crash":
        await machine.crash()
        (machine.folder / "journal.json").unlink(missing_ok=True)
        await machine.begin()


@pytest.mark.parametrize("how", ["goes on", "stop", "crash"])
@pytest.mark.parametrize("jump", JUMPS)
def test_no_event_waits_for_a_clock_to_catch_up(
    play: Callable[[Story], None], jump: float, how: str
) -> None:
    async def story(machine: Machine, tiktok: TikTok) -> None:
        await machine.until(HOUR)
        tiktok.mood = "refuses"
        await machine.put(row(1), row(2))
        await machine.until(HOUR + 1)
        machine.offset += jump
        await restart(machine, how)
        await machine.put(row(3))
        await machine.until(HOUR + 2)
        tiktok.mood = "well"
        await machine.put(row(4))
        await machine.until(HOUR + 4)
        assert "4" in tiktok.counted
        await machine.until(HOUR + BACKOFF)
        assert tiktok.counted == {"1": 1, "2": 1, "3": 1, "4": 1}
        assert await machine.pending() == 0

    play(story)


@pytest.mark.gate
@pytest.mark.parametrize("how", ["goes on", "crash"])
@pytest.mark.parametrize("jump", [0.0, *JUMPS])
@pytest.mark.parametrize("back", [46 * HOUR, 47 * HOUR, 48 * HOUR, 49 * HOUR])
def test_what_may_have_been_taken_is_not_sent_again_after_47_hours(
    play: Callable[[Story], None], jump: float, how: str, back: float
) -> None:
    async def story(machine: Machine, tiktok: TikTok) -> None:
        tiktok.mood = "takes"
        await machine.put(row(1))
        await machine.until(0.5)
        tiktok.mood = "refuses"
        await machine.until(10 * HOUR)
        machine.offset += jump
        await restart(machine, how)
        await machine.until(back)
        tiktok.mood = "well"
        await machine.until(back + BACKOFF)

        assert await machine.pending() == 0
        assert tiktok.latest_copy() < ABOUT_47_HOURS
        delivered = back < 47 * HOUR and jump <= HOUR
        if not delivered or jump < 0:
            reasons = await machine.dead()
            assert reasons in ({}, {"id-1": "AMBIGUOUS_EXPIRED"})
            assert delivered or reasons

    play(story)


@pytest.mark.parametrize(
    ("jump", "after", "known"),
    [
        (0.0, 47 * HOUR, True),
        (0.0, 48 * HOUR - 1, True),
        (0.0, 49 * HOUR, False),
        (HOUR, 46 * HOUR, True),
        (HOUR, 47.5 * HOUR, False),
        (48 * HOUR, 20 * HOUR, False),
        (-HOUR, 48.5 * HOUR, True),
        (-24 * HOUR, 49 * HOUR, True),
        (-24 * HOUR, 73 * HOUR, False),
    ],
)
def test_a_delivered_key_is_never_forgotten_early_by_a_clock_set_back(
    play: Callable[[Story], None], jump: float, after: float, known: bool
) -> None:
    async def story(machine: Machine, tiktok: TikTok) -> None:
        await machine.put(row(1))
        await machine.until(10)
        machine.offset += jump
        await machine.until(after)
        (put,) = await machine.put(row(1))
        await machine.until(after + 10)
        assert put.state is (State.DELIVERED if known else State.PENDING)
        assert len(tiktok.sent) == 2 - known
        if after >= 48 * HOUR:  # it was the caller who sent it again too late
            tiktok.counted["1"] = 1

    play(story)


@pytest.mark.gate
@pytest.mark.parametrize("jump", [0.0, *JUMPS])
@pytest.mark.parametrize("age", [46.9 * HOUR, 47.1 * HOUR, 49 * HOUR])
def test_a_doubtful_event_is_replayed_late_only_at_the_risk_of_who_asks(
    play: Callable[[Story], None], jump: float, age: float
) -> None:
    async def story(machine: Machine, tiktok: TikTok) -> None:
        tiktok.mood = "takes"
        await machine.put(row(1))
        await machine.until(0.5)
        tiktok.mood = "refuses"
        machine.offset = 48 * HOUR  # it dies
        await machine.until(2 * BACKOFF)
        assert await machine.dead() == {"id-1": "AMBIGUOUS_EXPIRED"}
        machine.offset = jump
        await restart(machine, "crash")
        tiktok.mood = "well"
        await machine.until(age)
        done = await replay(machine, accept=False)
        assert done.replayed + done.refused == 1
        assert tiktok.latest_copy() < ABOUT_47_HOURS
        if done.refused or await machine.dead():
            assert await replay(machine, accept=True) == Replay(replayed=1)
            assert await machine.dead() == {}
            assert await machine.pending() == 0
            tiktok.counted["1"] = 1  # that was the risk

    play(story)


async def replay(machine: Machine, *, accept: bool) -> Replay:
    done: Replay = await machine.box.replay(
        DeadFilter(), now=machine.wall(), limit=9, accept_double_count=accept
    )
    machine.worker.wake("shop")
    await machine.until(machine.now + 2)
    return done
