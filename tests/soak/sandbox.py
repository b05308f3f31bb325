"""A sandbox for an hour: a share of its requests fails, throttles come now and then.

It says its URL on standard output. What tokens it knows stands in a file, one a line,
which is read again when it changes: the run revokes them.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

import uvloop

from chaos.history import POSTS, Log
from chaos.sandbox_chaos import UNREAD, WAYS, ChaosSandbox, Dice, serve_until_ended
from tokferry_server.sandbox.endpoints import Reply
from tokferry_server.sandbox.http import Head
from tokferry_server.sandbox.ledger import Sent

THROTTLES: Final = ("40100", "HTTP 429")
"""Each holds the whole app back for a second: as a share of all requests, nothing
would flow."""
STEADY: Final = tuple(way for way in WAYS if way not in (*THROTTLES, UNREAD))


@dataclass(slots=True, kw_only=True)
class SteadyDice(Dice):
    """Draws among ``STEADY``, and a throttle every ``throttle`` seconds."""

    throttle: float
    _throttled: float = 0.0
    _throttles: int = 0

    def _draw(self, sent: Sequence[Sent]) -> str:
        now = time.monotonic()
        self._throttled = self._throttled or now
        if now - self._throttled >= self.throttle:
            self._throttled = now
            self._throttles += 1
            return THROTTLES[self._throttles % len(THROTTLES)]
        drawn = Dice._draw(self, sent)
        return self._chance.choice(STEADY) if drawn in THROTTLES else drawn


class Known:
    """The tokens that a file lists at present."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stamp = (-1, -1)
        self._tokens: list[str] = []

    def tokens(self) -> list[str]:
        """Give them."""
        found = self._file.stat()
        if (found.st_mtime_ns, found.st_ino) != self._stamp:
            self._stamp = (found.st_mtime_ns, found.st_ino)
            self._tokens = self._file.read_text().split()
        return self._tokens


class SoakSandbox(ChaosSandbox):
    """Takes what comes with any of the tokens it knows, and nothing else."""

    def __init__(self, *, dice: Dice, known: Known) -> None:
        super().__init__(dice=dice, token="", validate=False, pace=0.0, port=0)
        self._known = known

    def _take(self, head: Head, body: bytes, sent: list[Sent]) -> Reply:
        given = head.headers.get("access-token", "")
        known = self._known.tokens()
        self._gate.token = given if given in known else known[0]
        return super()._take(head, body, sent)


async def run(chosen: argparse.Namespace) -> None:
    """Serve until the process is ended."""
    log = Log(chosen.folder / POSTS)
    dice = SteadyDice(
        share=chosen.share,
        slow=chosen.slow,
        seed=chosen.seed,
        throttle=chosen.throttle,
        log=log,
        wall=time.time,
    )
    await serve_until_ended(SoakSandbox(dice=dice, known=Known(chosen.tokens)))
    log.close()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--tokens", type=Path, required=True)
    parser.add_argument("--share", type=float, required=True)
    parser.add_argument("--slow", type=float, required=True)
    parser.add_argument("--throttle", type=float, required=True)
    parser.add_argument("--seed", type=int, default=1)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
