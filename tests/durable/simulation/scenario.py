"""What happens to a worker, by lot: events, faults, crashes, pauses, clocks, people.

Everything is drawn from one seed, so that the same seed tells the same story.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from durable.memory_outbox import MemoryOutbox
from durable.simulation.disk import Disk
from durable.simulation.life import APPS, Life, Machine
from durable.simulation.oracle import check, check_end
from durable.simulation.tiktok import FAULTS, HOUR, TikTok, Weather, new_trace
from durable.simulation.time import Times
from durable.virtual_time import run_virtually
from tokferry_server.delivery.outbox.interface import DeadFilter, NewRow
from tokferry_server.tiktok.wire import Route

_SOURCE = {"shop": "C4SHOP", "app": "C4APP", "store": "C4STORE"}
_FAIR_DAYS = 12


@dataclass(frozen=True, slots=True)
class Result:
    """What a simulation came to."""

    seed: int
    trace: str
    problems: tuple[str, ...]
    accepted: int
    delivered: int
    dead: int
    requests: int
    resends: int
    deaths: int
    hours: float


def simulate(seed: int, steps: int = 300) -> Result:
    """Play one seed through, and say what it came to."""
    logging.disable()  # in whatever process it is played

    async def story() -> Result:
        return await Scenario.of(seed).play(steps)

    return run_virtually(story())


@dataclass
class Scenario:
    """The story of one seed."""

    seed: int
    random: Random
    boots: Random
    machine: Machine
    life: Life
    rows: list[NewRow] = field(default_factory=list)
    former: list[Life] = field(default_factory=list)

    @classmethod
    def of(cls, seed: int) -> "Scenario":
        random, times = Random(seed), Times()
        tiktok = TikTok(Random(random.random()), times, trace=new_trace())
        machine = Machine(
            random=Random(random.random()),
            times=times,
            tiktok=tiktok,
            outbox=MemoryOutbox(times.wall, times.true),
            disk=Disk(times),
            tokens=dict.fromkeys(APPS, tiktok.valid_token),
            connections=set(APPS),
        )
        return cls(seed, random, Random(f"boots {seed}"), machine, Life(machine))

    async def play(self, steps: int) -> Result:
        started = self.machine.times.true()
        self.life.begin()
        for step in range(steps):
            await self._step()
            if step % 10 == 0:
                check(self.machine)
            if self.machine.tiktok.problems:
                break
        else:
            await self._clear_up()
        tiktok, outbox = self.machine.tiktok, self.machine.outbox
        return Result(
            seed=self.seed,
            trace=tiktok.trace.hexdigest(),
            problems=tuple(tiktok.problems),
            accepted=outbox.next_id - 1,
            delivered=len(outbox.delivered),
            dead=len(outbox.dead_rows),
            requests=tiktok.requests,
            resends=tiktok.duplicates,
            deaths=len(self.former),
            hours=(self.machine.times.true() - started) / HOUR,
        )

    async def _step(self) -> None:
        if self.life.dead.is_set():
            await self._revive()
        [act] = self.random.choices(list(_ACTS), list(_ACTS.values()))
        self.machine.tiktok.note(act.__name__)
        result = act(self)
        if result is not None:
            await result
        await asyncio.sleep(self._pause())

    def _pause(self) -> float:
        draw = self.random.random()
        if draw < 0.6:
            return self.random.uniform(0, 3)
        if draw < 0.99:
            return self.random.uniform(0, 300)
        return self.random.uniform(0, 12 * HOUR)

    async def _revive(self) -> None:
        self.former.append(self.life)  # a dead one is kept, or it would go on
        behind = self.machine.times.offset < 0
        longest = 60.0 if self.random.random() < 0.8 else HOUR
        if not behind and self.random.random() < 0.01:
            longest = 60 * HOUR
        await asyncio.sleep(self.random.uniform(1, longest))
        if longest <= HOUR and self.boots.random() < 0.1:
            self._reboot()
        self.life = Life(self.machine)
        if self.random.random() < 0.4:
            self.life.fuse = self.random.randrange(60)
        self.life.begin()

    def _reboot(self) -> None:
        """Start the machine anew, whose clock then is as it was, or was set.

        Set back by less than the time since the worker looked, it would tell nothing.
        """
        times = self.machine.times
        times.reboot()
        jump = self.boots.choice([0.0, 0.0, -20 * HOUR, 5 * HOUR])
        times.offset = self.machine.disk.offset + jump
        self.machine.tiktok.note("reboots", jump)

    async def put(self) -> None:
        count = self.random.choice([1, 1, 2, 5, 30])
        name = self.random.choice(sorted(APPS))
        rows = [self._row(name) for _ in range(count)]
        day = self.machine.times.true() - 20 * HOUR
        recent = [row for row in self.rows[-40:] if row.time_ms / 1000 > day]
        if recent and self.random.random() < 0.3:
            rows.append(self.random.choice(recent))
        await self.machine.outbox.put(rows)
        self.rows += rows
        if self.life.worker is not None and not self.life.dead.is_set():
            self.life.worker.wake(name)

    def _row(self, name: str) -> NewRow:
        id_ = f"{self.seed}-{len(self.machine.tiktok.routes)}"
        code = "TEST1" if self.random.random() < 0.1 else None
        route = Route(
            wire_format="events_2",
            event_source="web",
            event_source_id=_SOURCE[name],
            test_event_code=code,
        )
        self.machine.tiktok.routes[id_] = route
        if self.random.random() < 0.04:
            self.machine.tiktok.bad.add(id_)
        return NewRow(
            connection=name,
            route=route,
            event="ViewContent",
            event_id=id_,
            body=b'{"event":"ViewContent","event_id":"%b"}' % id_.encode(),
            time_ms=int(self.machine.times.true() * 1000),
        )

    def weather(self) -> None:
        name = self.random.choice(sorted(APPS))
        share = self.random.choice([0.0, 0.1, 0.3, 0.7, 1.0])
        faults = self.random.sample(FAULTS, self.random.randint(1, 4))
        wait = self.random.choice([None, None, 0.0, 7.0, 900.0])
        self.machine.tiktok.weather[name] = Weather(tuple(faults), share, wait)

    def sunshine(self) -> None:
        self.machine.tiktok.weather.clear()
        self.machine.tiktok.most_events = self.random.choice([1000, 1000, 3])
        self.machine.tiktok.names = self.random.random() < 0.7

    def crash(self) -> None:
        if not self.life.dead.is_set():
            self.life.die()

    def light_the_fuse(self) -> None:
        self.life.fuse = self.random.randrange(30)

    async def restart(self) -> None:
        if not self.life.dead.is_set() and self.life.worker is not None:
            stopping = asyncio.ensure_future(self.life.worker.stop())
            died = asyncio.ensure_future(self.life.dead.wait())
            await asyncio.wait([stopping, died], return_when="FIRST_COMPLETED")
            stopping.cancel()
            died.cancel()
            if not self.life.dead.is_set():
                self.machine.tiktok.note("stopped", len(self.machine.outbox.claimed))
                lanes = self.life.worker.status().connections.values()
                held = sum(lane.held for lane in lanes)
                kept = len(self.machine.outbox.claimed) - held
                if kept and not self.machine.disk_full:
                    self.machine.tiktok.problems.append("a clean stop keeps claims")
                self.life.die()

    def token(self) -> None:
        tiktok, name = self.machine.tiktok, self.random.choice(sorted(APPS))
        draw = self.random.random()
        if draw < 0.2:
            tiktok.valid_token = f"token-{self.random.randrange(1000)}"
        elif draw < 0.3:
            self.machine.tokens[name] = None
        else:
            self.machine.tokens = dict.fromkeys(APPS, tiktok.valid_token)

    def operator(self) -> None:
        name = self.random.choice(sorted(APPS))
        if self.random.random() < 0.2:
            self.machine.pauses.pause(name, "by lot")
        else:
            self.machine.pauses.resume(name)

    def settings(self) -> None:
        self.machine.connections = set(APPS)
        if self.random.random() < 0.3:
            self.machine.connections.remove(self.random.choice(sorted(APPS)))
        age = 20 * HOUR if self.random.random() < 0.2 else None
        self.machine.max_event_age = age
        self.life.settings_changed()

    def clock(self) -> None:
        jumps = {0.0: 10, HOUR: 3, -HOUR: 3, 48 * HOUR: 1, -24 * HOUR: 3}
        [jump] = self.random.choices(list(jumps), list(jumps.values()))
        self.machine.times.offset = jump

    def disk(self) -> None:
        self.machine.disk_full = self.random.random() < 0.3
        full = self.random.random() < 0.3
        self.machine.outbox.max_dead = (
            len(self.machine.outbox.dead_rows) if full else 9999
        )

    async def replay(self) -> None:
        outbox = self.machine.outbox
        ids = sorted(outbox.dead_rows)[:3]
        now = self.machine.times.wall()
        if self.machine.times.offset >= 0:
            await outbox.replay(DeadFilter(ids=ids), now=now, limit=3)

    async def _clear_up(self) -> None:
        """Let the sun shine for days: everything must come to its end."""
        machine = self.machine
        machine.tiktok.note("clear up")
        if self.life.dead.is_set():
            await self._revive()
        self.life.fuse = None
        machine.tiktok.weather.clear()
        machine.tiktok.most_events, machine.tiktok.names = 1000, True
        machine.times.offset = max(0.0, machine.times.offset)
        machine.disk_full, machine.outbox.max_dead = False, 10**9
        machine.connections.update(APPS)
        self.life.settings_changed()
        for name in sorted(APPS):
            machine.tokens[name] = machine.tiktok.valid_token
        for hour in range(_FAIR_DAYS * 24):
            for name in sorted(APPS) if hour % 24 == 0 else ():
                machine.pauses.resume(name)
            await asyncio.sleep(HOUR)
            if not machine.outbox.pending:
                break
        check(machine)
        check_end(machine)


_ACTS: dict[Callable[[Scenario], Awaitable[None] | None], float] = {
    Scenario.put: 30,
    Scenario.weather: 10,
    Scenario.sunshine: 10,
    Scenario.crash: 4,
    Scenario.light_the_fuse: 5,
    Scenario.restart: 2,
    Scenario.token: 7,
    Scenario.operator: 5,
    Scenario.settings: 2,
    Scenario.clock: 2,
    Scenario.disk: 2,
    Scenario.replay: 3,
}
