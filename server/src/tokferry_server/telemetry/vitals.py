"""How the process feels: whether its event loop is late, and what memory it takes."""

import asyncio
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from opentelemetry.metrics import CallbackOptions, Observation

from tokferry_server.telemetry import metrics as table
from tokferry_server.telemetry.instruments import Instruments

_TICK_S: Final = 0.25
_STATM: Final = Path("/proc/self/statm")


class Vitals:
    """Measures while ``run`` goes on, which it does for ever."""

    def __init__(self, instruments: Instruments) -> None:
        self._lags = instruments.histogram(table.LAG)
        instruments.observe(table.MEMORY, _memory)

    async def run(self) -> None:
        """Note by how much each tick comes late."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(_TICK_S)
            self._lags.record(max(0.0, time.monotonic() - before - _TICK_S))


def resident_bytes() -> int:
    """Give the memory that the process takes at present; 0 where it cannot be known."""
    try:
        pages = _STATM.read_text().split()[1]
    except OSError:  # not on Linux
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _memory(_options: CallbackOptions) -> Iterable[Observation]:
    if found := resident_bytes():
        yield Observation(found)
