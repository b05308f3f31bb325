"""A sandbox that fails a share of all requests in thirteen ways, and writes all down.

It says its URL on standard output. The history is in the fast time of the run; its own
delays are in seconds.
"""

import argparse
import asyncio
import hashlib
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

import uvloop
from msgspec.structs import replace

from chaos.events import number_of
from chaos.history import POSTS, Log, Post, Seen
from chaos.scaled_time import ScaledTime
from tokferry_server.sandbox import Fault, Sandbox
from tokferry_server.sandbox.endpoints import Reply
from tokferry_server.sandbox.http import Head, Peer
from tokferry_server.sandbox.ledger import Sent

CLEAN: Final = "none"
LATE: Final = "late answer"
REFUSED: Final = "40002 on one event"
UNREAD: Final = "reset unread"
MOST: Final = 16_000_000

WAYS: Final[dict[str, Fault]] = {
    "40100": Fault(reply="code", code=40100),
    "50000": Fault(reply="code", code=50000),
    "51305": Fault(reply="code", code=51305),
    "60001": Fault(reply="code", code=60001),
    REFUSED: Fault(reply="refuse"),
    "HTTP 500": Fault(reply="text", status=500),
    "502 with HTML": Fault(reply="html", status=502),
    "HTTP 429": Fault(reply="text", status=429),
    LATE: Fault(reply="handle"),
    UNREAD: Fault(reply="reset_unread"),
    "reset": Fault(reply="reset"),
    "taken, reset": Fault(reply="reset", taken=True),
    "truncated": Fault(reply="truncated", taken=True),
}


HEALING: Final = tuple(way for way in WAYS if way not in (REFUSED, UNREAD, "51305"))
"""Ten ways after which the same events can still be taken."""


def seen(one: Sent) -> Seen:
    """Describe one event: its key, its number, and the digest of its bytes."""
    return describe(one.event, one.event_id or "", bytes(one.body))


def describe(event: str, event_id: str, body: bytes) -> Seen:
    """Describe one event by its key and its bytes."""
    digest = hashlib.blake2b(body, digest_size=8).hexdigest()
    return Seen(event, event_id, number_of(body), digest)


@dataclass(slots=True, kw_only=True)
class Dice:
    """Draws a fault for each request, in place of a script; logs what is not taken.

    ``share`` of the requests fail, each way as often as the others; a late answer
    comes after ``slow`` seconds. ``first``: in place of a share, each request fails
    that brings an event for the first time, in a way that heals.
    """

    share: float
    slow: float
    seed: int
    log: Log
    wall: Callable[[], float]
    first: bool = False
    drawn: str = CLEAN
    _known: set[str | None] = field(default_factory=set)
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def next_unread(self) -> Fault | None:
        """Draw for a request that is not read yet."""
        if self.first or self._chance.random() >= self.share / len(WAYS):
            return None
        self.log.write(Post(self.wall(), UNREAD, taken=False, events=[]))
        return WAYS[UNREAD]

    def next(self, sent: Sequence[Sent]) -> Fault | None:
        """Draw for a request that is read."""
        self.drawn = self._draw(sent)
        if self.drawn == CLEAN:
            return None
        fault = WAYS[self.drawn]
        if self.drawn == LATE:
            return replace(fault, delay=self.slow)
        if self.drawn == REFUSED and sent:
            bad = self._chance.choice(sent).event_id or ""
            fault = replace(fault, event_ids=frozenset({bad}))
        if not fault.taken:
            events = [seen(one) for one in sent]
            self.log.write(Post(self.wall(), self.drawn, taken=False, events=events))
        return fault

    def _draw(self, sent: Sequence[Sent]) -> str:
        if self.first:
            ids = {one.event_id for one in sent}
            known = ids <= self._known
            self._known |= ids
            return CLEAN if known else self._chance.choice(HEALING)
        others = len(WAYS) - 1
        if self._chance.random() >= self.share * others / (len(WAYS) - self.share):
            return CLEAN
        return self._chance.choice([way for way in WAYS if way != UNREAD])


class ChaosSandbox(Sandbox):
    """Serves requests as drawn, at most ``pace`` a second, and logs what it takes."""

    def __init__(
        self, *, dice: Dice, token: str, validate: bool, pace: float, port: int
    ) -> None:
        super().__init__(
            token=token, clock=time.time, validate=validate, max_bytes=MOST, port=port
        )
        vars(self)["_faults"] = dice
        self._dice = dice
        self._turn = asyncio.Lock()
        self._interval = 1 / pace if pace else 0.0

    async def _serve(self, peer: Peer, head: Head) -> None:
        if self._interval:
            async with self._turn:
                await asyncio.sleep(self._interval)
        await super()._serve(peer, head)

    def _take(self, head: Head, body: bytes, sent: list[Sent]) -> Reply:
        refusal = self._gate.refusal(head, body, sent)
        events = [seen(one) for one in sent]
        dice = self._dice
        taken = refusal is None
        dice.log.write(Post(dice.wall(), dice.drawn, taken=taken, events=events))
        dice.log.flush()
        return refusal or Reply()


async def run(chosen: argparse.Namespace) -> None:
    """Serve until the process is ended."""
    log = Log(chosen.folder / POSTS)
    dice = Dice(
        share=chosen.share,
        slow=chosen.slow,
        seed=chosen.seed,
        log=log,
        wall=ScaledTime.of_run().wall,
        first=chosen.first,
    )
    sandbox = ChaosSandbox(
        dice=dice,
        token=chosen.token,
        validate=chosen.validate,
        pace=chosen.pace,
        port=chosen.port,
    )
    await serve_until_ended(sandbox)
    log.close()


async def serve_until_ended(sandbox: Sandbox) -> None:
    """Say the sandbox's URL and serve it until SIGTERM comes."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with sandbox:
        print(sandbox.url, flush=True)
        await stop.wait()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--slow", type=float, default=0.7)
    parser.add_argument("--pace", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--first", action="store_true")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
