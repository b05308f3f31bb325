"""How long the system has been running, whatever its clock says."""

import sys
import time
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Uptime(NamedTuple):
    """Seconds since a start of the system; they go on while it is suspended.

    ``boot`` tells one start from another; if it is empty, nobody knows.
    """

    boot: str
    seconds: float


def read_uptime() -> Uptime:
    """Look how long the system has been running: Linux tells two starts apart.

    https://man7.org/linux/man-pages/man5/proc_sys_kernel.5.html (random/boot_id) and
    https://man7.org/linux/man-pages/man2/clock_getres.2.html (CLOCK_BOOTTIME).
    """
    if sys.platform == "linux":
        return Uptime(_boot(), time.clock_gettime(time.CLOCK_BOOTTIME))
    return Uptime("", time.monotonic())


@cache
def _boot() -> str:
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
