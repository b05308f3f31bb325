"""Sums that cost the busy code next to nothing: a meter reads them when it collects."""

from collections.abc import Iterable

from opentelemetry.metrics import CallbackOptions, Observation

from tokferry_server.telemetry.metrics import Instrument


class Tally:
    """A sum for each combination of an instrument's attributes.

    One thread adds; the thread of whoever collects reads a copy, which is whole.
    """

    def __init__(self, instrument: Instrument) -> None:
        self._names = instrument.attributes
        self._sums: dict[tuple[str, ...], float] = {}

    def add(self, *values: str, number: float = 1) -> None:
        """Add to the sum of these values; an empty one stands for none."""
        self._sums[values] = self._sums.get(values, 0) + number

    def put(self, sums: dict[tuple[str, ...], float]) -> None:
        """Take other sums instead."""
        self._sums = sums

    def observe(self, _options: CallbackOptions) -> Iterable[Observation]:
        """Give every sum with its attributes."""
        for values, total in self._sums.copy().items():
            named = zip(self._names, values, strict=True)
            yield Observation(total, {name: value for name, value in named if value})
