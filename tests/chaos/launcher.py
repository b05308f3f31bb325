"""Starts the server as `tokferry` does, with fast time, and a planted fault if named.

The product has no switch for either: they are put in place from outside, before it is
assembled. ``CHAOS_PLANT`` names the fault, ``CHAOS_NOTICE`` the seconds of notice,
``CHAOS_CLAIM`` the most events of a request, ``CHAOS_FULL`` the seconds for which a
full outbox holds a stream back.
"""

import os
import sys
from functools import partial
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from chaos.plants import PLANTS
from chaos.scaled_time import ScaledTime
from tokferry_server import assembly
from tokferry_server.cli import main, serve
from tokferry_server.delivery.durable import lanes
from tokferry_server.delivery.durable.worker import Worker
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox
from tokferry_server.delivery.pace import AppPace, Throttle
from tokferry_server.rpc import outbox_line

POLL_S: Final = 20.0


def scale(time: ScaledTime) -> None:
    """Make the assembly use this time for whatever waits."""
    opening = SqliteOutbox.open
    throttle = partial(Throttle, clock=time.monotonic, wall=time.wall)

    worker = partial(Worker, clock=time.clock(), poll=POLL_S)
    vars(assembly)["Worker"] = worker
    vars(assembly)["AppPace"] = lambda **given: AppPace(throttle=throttle(), **given)
    setattr(SqliteOutbox, "open", staticmethod(partial(opening, clock=time.wall)))  # noqa: B010


if __name__ == "__main__":
    scale(ScaledTime.of_run())
    if notice := os.environ.get("CHAOS_NOTICE"):
        vars(serve)["NOTICE_SECONDS"] = float(notice)
    if full := os.environ.get("CHAOS_FULL"):
        vars(outbox_line)["FULL_SECONDS"] = float(full)
    if most := os.environ.get("CHAOS_CLAIM"):
        vars(lanes)["_CLAIM"] = int(most)
    if plant := os.environ.get("CHAOS_PLANT"):
        PLANTS[plant]()
    main()
