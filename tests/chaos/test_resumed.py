"""A bulk command that is killed and resumed leaves no gap and counts nothing twice."""

from pathlib import Path

import pytest

from chaos.history import POSTS, Log, Post, Seen
from chaos.processes import Setup
from chaos.resume_run import WAYS, Resumed, ResumeRun, judge, line


@pytest.mark.gate
@pytest.mark.timeout(400)
@pytest.mark.parametrize("way", WAYS)
async def test_what_is_killed_and_resumed_is_counted_once(
    tmp_path: Path, way: str
) -> None:
    setup = Setup(folder=tmp_path, share=0.0, scale=1.0, claim=1000, read_timeout=10.0)
    run = ResumeRun(setup, events=20_000, kills=3, way=way, most_seconds=300)
    report = await run.finish()
    print(line(report))
    assert report.problems == []
    assert report.kills >= 2


GOOD = [Seen("Purchase", f"message-{number}", number, "d") for number in range(3)]


@pytest.mark.parametrize(
    ("posts", "problem"),
    [
        ([GOOD], None),
        ([GOOD[:2], GOOD[1:]], None),
        ([GOOD[:2]], "1 events never taken"),
        ([GOOD, [Seen("Purchase", "other", 1, "d")]], "1 events with another id"),
        ([GOOD, [Seen("Purchase", "message-1", 1, "e")]], "1 events with another id"),
        ([GOOD, [Seen("Purchase", "message-9", 9, "d")]], "1 events that nobody sent"),
        (
            [GOOD[:2], [Seen("Purchase", "message-1", 2, "d")]],
            "1 events counted less or more than once",
        ),
    ],
)
def test_whatever_is_not_counted_once_is_noticed(
    tmp_path: Path, posts: list[list[Seen]], problem: str | None
) -> None:
    log = Log(tmp_path / POSTS)
    for events in posts:
        log.write(Post(0.0, "none", taken=True, events=events))
    log.write(Post(0.0, "500", taken=False, events=GOOD))
    log.close()
    report = Resumed(way="sync", events=3, summary={"outcomes": {"DELIVERED": 3}})

    judge(report, tmp_path)

    found = "; ".join(report.problems)
    assert problem in found if problem else found == ""


def test_a_summary_that_counts_otherwise_is_noticed(tmp_path: Path) -> None:
    log = Log(tmp_path / POSTS)
    log.write(Post(0.0, "none", taken=True, events=GOOD))
    log.close()
    report = Resumed(way="durable", events=3, summary={"outcomes": {"ACCEPTED": 2}})

    judge(report, tmp_path)

    assert report.problems == [
        "1 events that the summary has wrong",
        "3 events that the label has wrong",
    ]
