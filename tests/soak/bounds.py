"""What a soak must hold, and whether it did."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from soak.service import Sample

MIB: Final = 2**20
WARM_S: Final = 600.0
"""After so long the server has what it keeps."""
LONG_S: Final = 900.0
"""So much time must be left after that for a slope to mean anything."""

_SLOPE: Final = 5.0
_LAG_S: Final = 0.05
_FILES: Final = 16
_THREADS: Final = 2
_HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``holds`` None: it was not judged; ``fails``: whether the
    run fails if it does not hold.
    """

    what: str
    bound: str
    found: str
    holds: bool | None
    fails: bool = True


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Give the slope of the line that fits best, by least squares.

    Raises:
        ValueError: there are not two different places.
    """
    if len({x for x, _ in points}) < 2:
        raise ValueError("a slope needs two different places")
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    square = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / square


def watched(samples: Sequence[Sample]) -> list[Row]:
    """Judge what was seen from outside; a short run is shown and not judged."""
    warm = [one for one in samples if one.at >= WARM_S]
    long = bool(warm) and warm[-1].at - warm[0].at >= LONG_S
    looked = warm if long else list(samples)
    return [
        _memory("RSS slope of the server", looked, "memory", long=long),
        _memory("RSS slope of the driver", looked, "driver", long=long, fails=False),
        _lag(looked),
        _flat("open files", [one.files for one in looked], _FILES, long=long),
        _flat("threads", [one.threads for one in looked], _THREADS, long=long),
    ]


def none(what: str, number: int, of: str = "") -> Row:
    """Judge a count that must be 0."""
    return Row(what, "0", f"{number:,}{of and f' of {of}'}", number == 0)


def table(rows: Sequence[Row]) -> str:
    """Print the rows, for people and for a page."""
    verdicts = {True: "yes", False: "NO", None: "not judged"}
    cells = [
        ("", "bound", "found", "holds"),
        ("---",) * 4,
        *((one.what, one.bound, one.found, verdicts[one.holds]) for one in rows),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _memory(
    what: str, samples: Sequence[Sample], name: str, *, long: bool, fails: bool = True
) -> Row:
    found = slope([(one.at, getattr(one, name)) for one in samples]) * _HOUR_S / MIB
    first, last = (getattr(samples[place], name) / MIB for place in (0, -1))
    text = f"{found:+.1f} MiB/h ({first:.0f} to {last:.0f} MiB)"
    holds = found <= _SLOPE if long else None
    return Row(what, f"<= {_SLOPE:g} MiB/h", text, holds, fails)


def _lag(samples: Sequence[Sample]) -> Row:
    """Judge how late the loop was at each look, four times a second.

    Another's load on the machine makes the loop late as well: this fails no run.
    """
    first, last = samples[0].lags, samples[-1].lags
    counts = {bound: last[bound] - first.get(bound, 0) for bound in sorted(last)}
    looks = counts[math.inf]

    def within(share: float) -> float:
        return next(bound for bound, one in counts.items() if one >= share * looks)

    text = ", ".join(
        f"{name} <= {within(share) * 1e3:g} ms"
        for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
    )
    return Row(
        "lag of the loop", f"p99 <= {_LAG_S * 1e3:g} ms", f"{text} of {looks:,} looks",
        within(0.99) <= _LAG_S, fails=False,
    )  # fmt: skip


def _flat(what: str, values: Sequence[int], most: int, *, long: bool) -> Row:
    quarter = max(1, len(values) // 4)
    before, after = median(values[:quarter]), median(values[-quarter:])
    text = f"{before:g} to {after:g} (most {max(values)})"
    holds = abs(after - before) <= most if long else None
    return Row(what, f"+- {most}", text, holds)
