"""A soak of some seconds, and whether its judges see what they should."""

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from chaos import checker
from chaos.events import own_id
from chaos.history import (
    CALLS,
    KEPT,
    POSTS,
    Answered,
    Invoke,
    Kept,
    Log,
    Ok,
    Post,
    Seen,
    Unknown,
)
from chaos.sandbox_chaos import REFUSED
from soak.bounds import WARM_S, slope, table, watched
from soak.explained import unexplained
from soak.load import CHUNK, MIX
from soak.run import Plan, soak, told
from soak.service import Faults, Sample
from soak.shares import SHARE, check
from tokferry.v1 import Outcome

NEW_FILES = "server.tls: new files are in use"
PROMPT = {0.01: 990, 0.05: 1000, 0.1: 1000, math.inf: 1000}
LATE = {0.01: 900, 0.05: 989, 0.1: 1000, math.inf: 1000}


def _lags(looks: dict[float, int], times: int) -> dict[float, int]:
    return {bound: number * times for bound, number in looks.items()}


HOURS = [
    Sample(900.0 * n, 100 << 20, 30, 14, _lags(PROMPT, n), 0, 80 << 20)
    for n in range(5)
]


@pytest.mark.gate
@pytest.mark.timeout(300)
async def test_a_short_soak_finds_nothing(tmp_path: Path) -> None:
    plan = Plan(
        seconds=14,
        rate=300,
        measure=4,
        rotate=6,
        look=2,
        drain=0,
        faults=Faults(share=0.05, throttle_seconds=6),
    )
    report = await soak(tmp_path, plan)
    rows = report.rows()
    print(table(rows))
    assert [row.what for row in rows if row.holds is False and row.fails] == [], told(
        report
    )
    assert report.rotations.keys() == {"access token", "caller's token", "certificate"}
    assert report.calls.keys() == MIX.keys()
    assert len(report.sums.faults) > 3
    assert report.sums.acked > 500


def line(message: str, level: str = "warning") -> str:
    return json.dumps({"level": level, "message": message})


def test_a_line_is_explained_by_what_was_done_and_no_more_often() -> None:
    done = Counter({"certificate": 2, REFUSED: 1})
    assert unexplained([line(NEW_FILES)] * 2, done) == []
    assert unexplained([line("ready", "info"), line("x", "debug")], done) == []
    [left] = unexplained([line(NEW_FILES)] * 3, done)
    assert "3 lines" in left
    dead = "4 events of connection shop became dead letters"
    assert unexplained([line(dead)], done) == []
    assert len(unexplained([line(dead)], {})) == 1


@pytest.mark.parametrize(
    "unknown",
    [
        line("call failed: KeyError at nowhere", "error"),
        line("the breaker of connection shop is open: most requests fail"),
        "Traceback (most recent call last):",
        '{"message": "no level"}',
    ],
)
def test_other_warnings_and_foreign_lines_are_not_explained(unknown: str) -> None:
    done = Counter({"certificate": 9, REFUSED: 9, "40100": 9})
    assert len(unexplained([unknown], done)) == 1


def test_a_slope_is_that_of_the_line_that_fits_best() -> None:
    assert slope([(0, 1), (1, 3), (2, 5)]) == pytest.approx(2)
    assert slope([(0, 4), (1, 5), (2, 4)]) == pytest.approx(0)
    with pytest.raises(ValueError, match="two different places"):
        slope([(1, 1), (1, 2)])


def verdicts(samples: list[Sample]) -> dict[str, bool | None]:
    return {row.what: row.holds for row in watched(samples)}


def test_what_stays_as_it_is_holds() -> None:
    assert set(verdicts(HOURS).values()) == {True}


@pytest.mark.parametrize(
    ("what", "member", "step"),
    [
        ("RSS slope of the server", "memory", 2 << 20),
        ("RSS slope of the driver", "driver", 2 << 20),
        ("open files", "files", 8),
        ("threads", "threads", 2),
    ],
)
def test_what_grows_does_not_hold(what: str, member: str, step: float) -> None:
    growing = [
        replace(one, **{member: getattr(one, member) + step * place})
        for place, one in enumerate(HOURS)
    ]
    assert verdicts(growing) == verdicts(HOURS) | {what: False}


def test_one_look_too_many_that_is_late_does_not_hold() -> None:
    late = [replace(one, lags=_lags(LATE, n)) for n, one in enumerate(HOURS)]
    assert verdicts(late) == verdicts(HOURS) | {"lag of the loop": False}


def test_lags_before_the_server_is_warm_do_not_count() -> None:
    cold = {0.01: 0, 0.05: 0, 0.1: 0, math.inf: 5000}
    later = [
        replace(one, lags={bound: cold[bound] + one.lags[bound] for bound in cold})
        for one in HOURS[1:]
    ]
    assert verdicts([HOURS[0], *later]) == verdicts(HOURS)


def test_a_short_run_has_no_slope() -> None:
    short = [one for one in HOURS if one.at < WARM_S + 900]
    found = verdicts(short)
    assert found["RSS slope of the server"] is None
    assert found["threads"] is None


def history(folder: Path, *, lost: int = -1, renamed: int = -1) -> None:
    """Write four calls in two shares of 100, and two requests."""
    calls, posts = Log(folder / CALLS), Log(folder / POSTS)
    taken: list[Seen] = []
    for key, first in enumerate((0, 50, 100, 150)):
        calls.write(Invoke(key, 0, first, CHUNK))
        numbers = range(first, first + CHUNK)
        ids = [own_id(n) or f"id-{n}" for n in numbers]
        if key == 3:
            calls.write(Unknown(key, 0, "UNAVAILABLE"))
        else:
            results = [Answered(Outcome.OUTCOME_ACCEPTED, one, False) for one in ids]
            calls.write(Ok(key, 0, results, {"received": CHUNK, "accepted": CHUNK}))
        taken += [
            Seen("Purchase", f"{one}{'x' * (number == renamed)}", number, "d")
            for number, one in zip(numbers, ids, strict=True)
            if number != lost
        ]
    for half in (taken[:120], taken[120:]):
        posts.write(Post(1.0, "none", taken=True, events=half))
    calls.close()
    posts.close()
    (folder / KEPT).write_bytes(msgspec.json.encode(Kept(pending=[], dead=[])))


@pytest.mark.parametrize("case", [{}, {"lost": 120}, {"renamed": 149}, {"lost": 199}])
def test_shares_find_what_the_whole_shows(tmp_path: Path, case: dict[str, int]) -> None:
    history(tmp_path, **case)
    whole, shares = checker.check(tmp_path), check(tmp_path, 100)
    assert shares.acked == len(whole.acked) == 150
    assert shares.taken == len(whole.taken)
    assert shares.lost == len(whole.lost) == (case.get("lost") == 120)
    assert shares.changed == len(whole.changed) == ("renamed" in case)
    assert shares.problems == whole.problems
    assert shares.requests == whole.requests == 2
    assert not list(tmp_path.glob("share-*"))


def test_no_chunk_has_events_of_two_shares() -> None:
    assert SHARE % CHUNK == 0
