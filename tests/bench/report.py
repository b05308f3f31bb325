"""Makes rows of what was measured inside one process, and of cold starts."""

from collections.abc import Iterator, Sequence
from typing import Final

from bench import cold, growth, mapping, posts
from bench.profiles import PROFILES, PURCHASE
from bench.table import Group, Row, at_most
from bench.timing import Key, Timed

_STEADY: Final = 1.25
_COLD: Final = {cold.HELP: 0.3, cold.TRANSFORM: 0.8, cold.READY: 1.5}
_FLOOR_NAMES: Final = ("decode", "JSON only", "upb", "hash", "encode")


def mapping_group(timed: Timed) -> Group:
    """Write what mapping an event costs, in microseconds of CPU."""
    rows = [
        row
        for profile in PROFILES
        for events in mapping.SIZES
        for row in _mapping(timed, profile, events)
    ]
    return Group("Mapping: µs of CPU for each event", rows)


def _mapping(timed: Timed, profile: str, events: int) -> Iterator[Row]:
    def key(what: str) -> tuple[str, int, str]:
        return (profile, events, what)

    def micros(*names: str) -> str:
        return f"{timed.micros(*map(key, names)):.1f}"

    where = f"{profile}, {events} a batch: "
    parts = ", ".join(f"{name} {micros(name)}" for name in _FLOOR_NAMES)
    yield Row(what=where + "floors", figure=parts)
    yield at_most(
        where + "JSON → request bytes",
        micros("json"),
        f"{micros(*mapping.SUMMED)} {' + '.join(mapping.SUMMED)}",
        timed.ratio(key("json"), *map(key, mapping.SUMMED)),
        2,
    )
    for what, name, floor, floor_name, limit in (
        ("typed → request bytes", "typed", "json", "from JSON", 1.5),
        ("typed → typed", "typed to typed", "json", "JSON → request", None),
        ("JSON → typed", "json to typed", "json", "JSON → request", None),
        ("the same with explain", "explain", "json to typed", "without", 3.0),
        *_custom(profile),
    ):
        yield at_most(
            where + what,
            micros(name),
            f"{micros(floor)} {floor_name}",
            timed.ratio(key(name), key(floor)),
            limit,
        )


def _custom(profile: str) -> Sequence[tuple[str, str, str, str, float]]:
    if profile != PURCHASE:
        return ()
    return [
        (f"{mapping.MAPPINGS} custom {name}", f"{name}", "no mappings", "none", 1.5)
        for name in ("mappings, one matching", "mappings, none matching")
    ]


def posts_group(seconds: dict[Key, float]) -> Group:
    """Write what a request to TikTok costs, beside two other ways to send it."""
    rows = [
        at_most(
            f"POST of {size} events, {name}",
            f"{seconds[key, size] * 1e6:,.0f}",
            f"{seconds[posts.RAW, size] * 1e6:,.0f} bare",
            seconds[key, size] / seconds[posts.RAW, size],
        )
        for size in posts.SIZES
        for key, name in posts.NAMES.items()
    ]
    return Group("Requests to TikTok: µs of CPU of the sender for each", rows)


def growth_group(timed: Timed) -> Group:
    """Write how the cost of an event grows from the least to the most of an axis."""
    rows = []
    for axis, counts in growth.AXES.items():
        first, last = counts[1], counts[-1]
        ratio = timed.ratio((axis, last), (axis, first))
        steady = axis in growth.STEADY
        limit = _STEADY if steady else last / first
        rows.append(
            at_most(
                f"{last} {axis}",
                f"{timed.micros((axis, last)):.1f}",
                f"{timed.micros((axis, first)):.1f} with {first}",
                ratio,
                limit,
            )
        )
    return Group("Growth: µs of CPU for each event (JSON → request bytes)", rows)


def cold_group(seconds: dict[str, float]) -> Group:
    """Write how long commands take to start."""
    rows = [
        Row(
            what=what,
            figure=f"{taken:.2f} s",
            reach=f"< {_COLD[what]} s",
            reached=taken < _COLD[what],
        )
        for what, taken in seconds.items()
    ]
    return Group("Cold start", rows)
