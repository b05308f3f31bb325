"""Whatever comes in is counted at each place where it comes by, and all agree."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest

from durable.conservation.play import Sums, play
from tokferry_server.delivery import isolate
from tokferry_server.delivery.shipment import Shipment
from tokferry_server.rpc.dispatch import Dispatch
from tokferry_server.tiktok.answer import Answer
from tokferry_server.tiktok.reasons import Outcome
from tokferry_server.tiktok.verdict import Verdict
from tokferry_server.tiktok.verdicts import TABLE, classify


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADE_UP", "a-made-up-token")


def _check(sums: Sums) -> None:
    assert sums.problems == ()
    assert len(sums.replies) == 7
    assert min(sums.replies.values()) > 50
    reasons = {str(row.verdict.reason or row.verdict.outcome) for row in TABLE}
    refusing = {"IDENTIFIER_NOT_HASHED", "TOO_LARGE"}
    assert set(sums.answers) >= reasons - refusing
    assert sums.refused > 0


def test_all_counts_agree_after_four_thousand_requests() -> None:
    _check(play(1, 4_000))


@pytest.mark.gate
@pytest.mark.timeout(600)
def test_all_counts_agree_after_a_hundred_thousand_requests() -> None:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for sums in pool.map(play, range(2, 12), [10_000] * 10):
            _check(sums)


def test_a_reply_that_miscounts_is_noticed() -> None:
    run = Dispatch.run

    async def miscounted(self: Dispatch, *given: Any, **named: Any) -> None:
        await run(self, *given, **named)
        given[2].totals.delivered += given[2].totals.rejected

    with mock.patch.object(Dispatch, "run", miscounted):
        assert play(1, 500).problems


def test_an_answer_taken_for_success_is_noticed() -> None:
    def gullible(answer: Answer) -> Verdict:
        return classify(Answer(http_status=200, code=0) if answer.code else answer)

    with mock.patch.object(isolate, "classify", gullible):
        assert any("delivered" in one for one in play(1, 500).problems)


def test_doubt_taken_for_certainty_is_noticed() -> None:
    postpone = Shipment.postpone

    def certain(self: Shipment, items: Any, answer: Answer, verdict: Verdict) -> None:
        postpone(self, items, answer, replace(verdict, outcome=Outcome.RETRYABLE))

    with mock.patch.object(Shipment, "postpone", certain):
        assert any("certainly not taken" in one for one in play(1, 1000).problems)
