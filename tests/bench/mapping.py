"""The mapping alone, without any RPC: CPU for each event, beside its own floors."""

from bench import configured
from bench.floors import Run, floors
from bench.path import Way, json_batches, read_typed, to_request, to_typed, typed_bytes
from bench.profiles import CONNECTIONS, PROFILES, PURCHASE, Load, loads
from bench.timing import Case, Key, Timed, measure

SIZES = (1, 10, 100)
SUMMED = ("decode", "hash", "encode")
MAPPINGS = 100


def cases(profile: str, events: int) -> list[Case]:
    """Give what is measured of a profile, in batches of that many events."""
    used = loads(profile, events)
    made = {name: configured.connection(name) for name in CONNECTIONS}
    ways: dict[str, dict[str, Way]] = {
        "json": {n: to_request(c, json_batches) for n, c in made.items()},
        "typed": {n: to_request(c, read_typed) for n, c in made.items()},
        "typed to typed": {n: to_typed(c, read_typed) for n, c in made.items()},
        "json to typed": {n: to_typed(c, json_batches) for n, c in made.items()},
        "explain": {
            n: to_typed(c, json_batches, explain=True) for n, c in made.items()
        },
    }
    result = [
        _case((profile, events, what), by_name, used) for what, by_name in ways.items()
    ]
    parts = [floors(load, ways["json"][load.connection]) for load in used]
    total = sum(load.events for load in used)
    for name in parts[0]:
        run = _each([part[name] for part in parts])
        result.append(Case(key=(profile, events, name), run=run, units=total))
    if profile == PURCHASE:
        result.extend(_custom(events))
    return result


def _each(runs: list[Run]) -> Run:
    def run() -> None:
        for one in runs:
            one()

    return run


def _case(key: Key, ways: dict[str, Way], used: list[Load]) -> Case:
    typed = str(key[-1]).startswith("typed")
    work = [
        (ways[load.connection], typed_bytes(load) if typed else load.json)
        for load in used
    ]

    def run() -> None:
        for way, data in work:
            way(data)

    return Case(key=key, run=run, units=sum(load.events for load in used))


def _custom(events: int) -> list[Case]:
    """The purchase from the web: without custom mappings, and with a hundred."""
    used = [load for load in loads(PURCHASE, events) if load.connection == "web"]
    variants = {
        "no mappings": configured.connection("web"),
        "mappings, one matching": configured.connection(
            "web", mappings=MAPPINGS, matching=True
        ),
        "mappings, none matching": configured.connection("web", mappings=MAPPINGS),
    }
    return [
        _case((PURCHASE, events, what), {"web": to_request(made, json_batches)}, used)
        for what, made in variants.items()
    ]


def run(rounds: int, seconds: float = 0.01) -> Timed:
    """Measure both profiles in batches of every size."""
    every = [case for p in PROFILES for n in SIZES for case in cases(p, n)]
    return measure(every, rounds=rounds, seconds=seconds)
