"""Draws how the cost of an event grows."""

from pathlib import Path

from matplotlib.figure import Figure

from bench.growth import AXES
from bench.timing import Timed


def draw(timed: Timed, file: Path) -> None:
    """Write one PNG with a picture for each axis."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    figure.suptitle("CPU for each event, JSON in, request bytes out")
    for place, (axis, counts) in zip(
        figure.subplots(2, 2).flat, AXES.items(), strict=True
    ):
        costs = [timed.micros((axis, count)) for count in counts]
        place.plot(range(len(counts)), costs, marker="o", color="black", linewidth=1)
        place.set_xticks(range(len(counts)), [f"{count:,}" for count in counts])
        place.set_xlabel(axis)
        place.set_ylabel("µs")
        place.set_ylim(0, max(costs) * 1.2)
        place.grid(visible=True, color="lightgrey", linewidth=0.5)
    figure.savefig(file, dpi=100, metadata={"Software": None})
