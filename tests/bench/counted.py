"""Maps fixed batches so that each sort of work can be counted by itself.

Run by ``instructions.py``: every call of ``getpriority`` ends one part of the count.
"""

import gc
import os
from typing import Final

from bench.path import Way, json_batches, read_typed, to_request, to_typed, typed_bytes
from bench.profiles import DAY, PURCHASE, Load, loads
from tokferry_server.mapping.connection import Connection

WORKS: Final = ("JSON to request", "typed to request", "typed to typed")
_TIMES: Final = 5
_WARM: Final = 3
_BATCH: Final = 10
_BATCHES: Final = 4
# Made without settings: checking them takes longer than all the rest.
_CONNECTIONS: Final = (
    Connection(
        name="web",
        pixel_id="C4MADEUPPIXEL0000001",
        native_events="extended",
        user_attributes=True,
        gdpr_purposes=("advertising",),
    ),
    Connection(
        name="app",
        pixel_id="C4MADEUPPIXEL0000002",
        event_source="app",
        native_events="extended",
        gdpr_purposes=("advertising",),
        app_id="1234567890",
    ),
)


def main() -> None:
    """Do every sort of work some times, then count it some times more."""
    gc.disable()
    prepared = [_prepared(work) for work in WORKS]
    for data in prepared:
        for times in (_WARM, _TIMES):
            os.getpriority(os.PRIO_PROCESS, 0)
            for _ in range(times):
                for way, batch in data:
                    way(batch)
    os.getpriority(os.PRIO_PROCESS, 0)


def batches() -> list[Load]:
    """Give what is mapped: purchases, and events of a day."""
    return loads(PURCHASE, _BATCH) + loads(DAY, _BATCH)[:_BATCHES]


def events() -> int:
    """Count the events that are mapped between two parts of the count."""
    return _TIMES * sum(load.events for load in batches())


def _prepared(work: str) -> list[tuple[Way, bytes]]:
    from_json = work.startswith("JSON")
    read = json_batches if from_json else read_typed
    to = to_request if work.endswith("request") else to_typed
    ways = {one.name: to(one, read) for one in _CONNECTIONS}
    return [
        (ways[load.connection], load.json if from_json else typed_bytes(load))
        for load in batches()
    ]


if __name__ == "__main__":
    main()
