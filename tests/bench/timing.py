"""Measures several pieces of code in turns, so that a busy machine upsets all alike."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Code to measure; one call of ``run`` does the work of ``units`` events."""

    key: Key
    run: Callable[[], object]
    units: int


@dataclass(frozen=True, slots=True)
class Timed:
    """CPU seconds for each event, of every case and round."""

    rounds: dict[Key, list[float]] = field(default_factory=dict)

    def micros(self, *keys: Key) -> float:
        """Give the median sum of the cases, in microseconds for each event."""
        sums = (sum(one) for one in zip(*(self.rounds[k] for k in keys), strict=True))
        return float(median(sums)) * 1e6

    def ratio(self, key: Key, *floors: Key) -> float:
        """Give the median over the rounds of a case through the sum of others."""
        floor = zip(*(self.rounds[one] for one in floors), strict=True)
        pairs = zip(self.rounds[key], floor, strict=True)
        return float(median(mine / sum(theirs) for mine, theirs in pairs))


def measure(cases: Sequence[Case], *, rounds: int, seconds: float = 0.01) -> Timed:
    """Run every case for about so long, then all of them again, and so on.

    The first round only warms up. CPU time is counted, not time on the clock.
    """
    repeats = {case.key: _repeats(case, seconds) for case in cases}
    timed = Timed({case.key: [] for case in cases})
    for _ in range(rounds):
        for case in cases:
            count = repeats[case.key]
            taken = _cpu(case.run, count)
            timed.rounds[case.key].append(taken / (count * case.units))
    return timed


def _repeats(case: Case, seconds: float) -> int:
    case.run()
    count = 1
    while (taken := _cpu(case.run, count)) < seconds / 2:
        count *= 2
    return max(1, round(count * seconds / taken))


def _cpu(run: Callable[[], object], count: int) -> float:
    start = time.process_time()
    for _ in range(count):
        run()
    return time.process_time() - start
