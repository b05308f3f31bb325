"""The checker on histories made by hand: what it must see, and what is in order."""

from collections.abc import Sequence

import pytest

from chaos.checker import WINDOW_S, Findings, judge
from chaos.history import (
    Answered,
    Call,
    End,
    Fail,
    Invoke,
    Kept,
    Ok,
    Post,
    Seen,
    Unknown,
)
from tokferry.v1 import Outcome

ACCEPTED = Outcome.OUTCOME_ACCEPTED
ALL_OK = {"received": 2, "accepted": 2}


def seen(number: int, *, event_id: str = "", digest: str = "same") -> Seen:
    return Seen("PlaceAnOrder", event_id or f"message-{number}", number, digest)


def answered(*numbers: int) -> list[Answered]:
    return [Answered(ACCEPTED, f"message-{n}", duplicate=False) for n in numbers]


def acked() -> list[Call]:
    return [Invoke(1, 1, 0, 2), Ok(1, 1, answered(0, 1), ALL_OK)]


def post(*events: Seen, taken: bool = True, at: float = 0.0) -> Post:
    return Post(at, "none", taken, list(events))


def judged(
    calls: Sequence[Call], posts: Sequence[Post], kept: Kept | None = None
) -> Findings:
    return judge(calls, posts, kept or Kept(pending=[], dead=[]))


def test_what_is_delivered_dead_or_pending_is_in_order() -> None:
    calls: list[Call] = [
        Invoke(1, 1, 0, 3),
        Unknown(1, 1, "UNAVAILABLE"),
        Invoke(2, 1, 0, 3),
    ]
    totals = {"received": 3, "accepted": 3}
    calls = [*calls, Ok(2, 1, answered(0, 1, 2), totals), End(2, 1, totals)]
    kept = Kept(pending=[seen(1)], dead=[seen(2)])
    found = judged(calls, [post(seen(0)), post(seen(0))], kept)
    assert found.problems == []
    assert found.copies == 1


def test_an_event_that_was_acked_and_is_nowhere_is_lost() -> None:
    found = judged(acked(), [post(seen(0)), post(seen(1), taken=False)])
    assert found.lost == {1}
    assert found.problems == [
        "1 events acked, and neither delivered nor kept: 1",
    ]


def test_an_event_that_nobody_submitted_is_seen() -> None:
    found = judged(acked(), [post(seen(0), seen(1), seen(2))])
    assert found.problems == ["1 events never submitted: 2"]


@pytest.mark.parametrize(
    "other", [seen(1, digest="other"), seen(1, event_id="again-1")]
)
def test_a_second_payload_or_id_is_seen(other: Seen) -> None:
    found = judged(acked(), [post(seen(0), seen(1)), post(other, taken=False)])
    assert found.changed == {1}


def test_an_id_other_than_the_event_came_with_is_seen_at_its_first_sight() -> None:
    found = judged(acked(), [post(seen(0)), post(seen(1, event_id="again-1"))])
    assert found.changed == {1}


def test_one_id_for_two_events_is_seen() -> None:
    calls: list[Call] = [Invoke(1, 1, 3, 1), Invoke(1, 2, 7, 1)]
    found = judged(calls, [post(seen(3, event_id="h1_x"), seen(7, event_id="h1_x"))])
    assert found.changed == {7}


@pytest.mark.parametrize(("hours", "twice"), [(47.9, set()), (48.0, {"message-1"})])
def test_a_copy_counts_again_after_48_hours(hours: float, twice: set[str]) -> None:
    assert WINDOW_S == 48 * 3600
    posts = [post(seen(0), seen(1), at=5.0), post(seen(1), at=5.0 + hours * 3600)]
    assert judged(acked(), posts).counted_twice == twice


def test_sums_that_do_not_match_the_results_are_seen() -> None:
    invoke, _ = acked()
    wrong = Ok(1, 1, answered(0, 1), {"received": 2, "accepted": 1})
    found = judged([invoke, wrong], [post(seen(0), seen(1))])
    assert len(found.problems) == 1
    assert "totals" in found.problems[0]


def test_a_result_for_each_event_is_asked_for() -> None:
    invoke, _ = acked()
    short = Ok(1, 1, answered(0), {"received": 1, "accepted": 1})
    assert judged([invoke, short], []).problems == [
        "chunk 1 of stream 1: 1 for 2 events"
    ]


def test_a_chunk_that_is_answered_twice_is_seen() -> None:
    calls = acked()
    found = judged([*calls, calls[1]], [post(seen(0), seen(1))])
    assert found.problems == ["chunk 1 of stream 1 was answered twice, or never sent"]


def test_the_sums_of_a_stream_must_be_those_of_its_replies() -> None:
    posts = [post(seen(0), seen(1))]
    wrong = {"received": 3, "accepted": 3}
    assert judged([*acked(), End(1, 1, ALL_OK)], posts).problems == []
    assert len(judged([*acked(), End(1, 1, wrong)], posts).problems) == 1


def test_a_refused_chunk_promises_nothing() -> None:
    calls: list[Call] = [Invoke(1, 1, 0, 2), Fail(1, 1, "RESOURCE_EXHAUSTED")]
    assert judged(calls, []).problems == []


def test_a_duplicate_of_a_dead_letter_must_be_kept() -> None:
    rejected = Answered(Outcome.OUTCOME_REJECTED, "message-0", duplicate=True)
    totals = {"received": 1, "rejected": 1}
    calls: list[Call] = [Invoke(1, 1, 0, 1), Ok(1, 1, [rejected], totals)]
    assert judged(calls, []).lost == {0}
    assert judged(calls, [], Kept(pending=[], dead=[seen(0)])).problems == []
