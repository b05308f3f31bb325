import time
from typing import Any

import httpx
import pytest

from tokferry_server.sandbox import Fault


async def test_faults_come_in_order_and_once(start: Any, make_event: Any) -> None:
    caller = await start(faults=[Fault(code=40100), Fault(code=50000)])
    codes = [await caller.code(make_event(name)) for name in "abc"]
    assert codes == [40100, 50000, 0]
    assert [taken.event_id for taken in caller.sandbox.events] == ["c"]


async def test_a_code_comes_under_the_status_and_header_asked_for(
    start: Any, make_event: Any
) -> None:
    caller = await start(faults=[Fault(code=40100, status=429, retry_after=7)])
    response = await caller.post(make_event("a"))
    assert (response.status_code, response.json()["code"]) == (429, 40100)
    assert response.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("fault", "content_type", "body"),
    [
        (Fault(reply="html", status=502), "text/html", b"<html>"),
        (Fault(reply="text"), "text/plain", b""),
    ],
)
async def test_answers_without_json(
    start: Any, make_event: Any, fault: Fault, content_type: str, body: bytes
) -> None:
    caller = await start(faults=[fault])
    response = await caller.post(make_event("a"))
    assert response.status_code == fault.status
    assert response.headers["content-type"] == content_type
    assert response.content.startswith(body)


@pytest.mark.parametrize("reply", ["reset", "reset_unread", "truncated"])
@pytest.mark.parametrize("taken", [False, True])
async def test_broken_answers_with_and_without_taking(
    start: Any, make_event: Any, reply: Any, taken: bool
) -> None:
    caller = await start(faults=[Fault(reply=reply, taken=taken)])
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await caller.post(make_event("a"))
    taken_indeed = taken and reply != "reset_unread"
    assert caller.sandbox.counts.taken == taken_indeed
    assert await caller.code(make_event("a")) == 0
    assert caller.sandbox.counts.duplicates == taken_indeed


async def test_a_late_answer_to_events_that_were_taken(
    start: Any, make_event: Any
) -> None:
    caller = await start(faults=[Fault(reply="handle", taken=True, delay=0.2)])
    begun = time.monotonic()
    assert await caller.code(make_event("a")) == 0
    assert time.monotonic() - begun >= 0.2
    assert caller.sandbox.counts.taken == 1


async def test_every_nth_request_that_holds_an_event(
    start: Any, make_event: Any
) -> None:
    fault = Fault(code=50000, every=2, event_id="a", times=None)
    caller = await start(faults=[fault])
    codes = [await caller.code(make_event(name)) for name in "abaaaba"]
    assert codes == [0, 0, 50000, 0, 50000, 0, 0]


@pytest.mark.parametrize("named", [True, False])
async def test_chosen_events_are_refused_wherever_they_stand(
    start: Any, make_event: Any, named: bool
) -> None:
    refuse = Fault(reply="refuse", event_ids=frozenset("bd"), named=named, times=None)
    caller = await start(faults=[refuse])
    response = await caller.post(*[make_event(name) for name in "abcd"])
    assert response.json()["code"] == 40002
    assert response.json()["message"].startswith("Batch.1." if named else "Invalid")
    assert await caller.code(make_event("a"), make_event("c")) == 0


async def test_an_unread_reset_waits_for_the_faults_before_it(
    start: Any, make_event: Any
) -> None:
    caller = await start(faults=[Fault(code=50000), Fault(reply="reset_unread")])
    assert await caller.code(make_event("a")) == 50000
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await caller.post(make_event("a"))
    assert await caller.code(make_event("a")) == 0


async def test_faults_are_scripted_over_http(start: Any, make_event: Any) -> None:
    caller = await start()
    faults = [{"reply": "code", "code": 60001, "times": None}]
    response = await caller.http.post("/sandbox/faults", json=faults)
    assert response.json() == {"added": 1}
    assert await caller.code(make_event("a")) == 60001
    await caller.http.delete("/sandbox/faults")
    assert await caller.code(make_event("a")) == 0


async def test_a_mistyped_fault_is_refused(start: Any) -> None:
    caller = await start()
    response = await caller.http.post("/sandbox/faults", json=[{"replay": "html"}])
    assert response.status_code == 400
    assert "replay" in response.json()["error"]


async def test_reset_forgets_events_counts_and_faults(
    start: Any, make_event: Any
) -> None:
    caller = await start(faults=[Fault(code=50000, times=None)])
    await caller.post(make_event("a"))
    caller.sandbox.reset()
    assert caller.sandbox.counts.requests == 0
    assert await caller.code(make_event("a")) == 0
