import asyncio
from typing import Any

import pytest

from tokferry_server.sandbox.strict import TRACK_2


async def test_a_good_request_is_answered_in_tiktoks_form(
    start: Any, make_event: Any
) -> None:
    caller = await start()
    response = await caller.post(make_event("a"))
    assert response.status_code == 200
    answer = response.json()
    assert set(answer) == {"code", "message", "request_id", "data"}
    assert (answer["code"], answer["message"], answer["data"]) == (0, "OK", {})


async def test_one_bad_event_refuses_the_whole_request(
    start: Any, make_event: Any
) -> None:
    caller = await start()
    bad = make_event("b", properties={"value": "ten"})
    answer = (await caller.post(make_event("a"), bad)).json()
    assert answer["code"] == 40002
    assert answer["message"] == (
        "Batch.1.properties.value: Not a valid number. Got 'ten'"
    )
    assert caller.sandbox.events == []


@pytest.mark.parametrize(
    ("token", "code"), [(None, 40104), ("", 40104), ("another", 40105)]
)
async def test_a_wrong_token_is_refused_under_401(
    start: Any, make_event: Any, token: str | None, code: int
) -> None:
    caller = await start()
    caller.headers = {} if token is None else {"Access-Token": token}
    response = await caller.post(make_event("a"))
    assert (response.status_code, response.json()["code"]) == (401, code)


async def test_only_listed_pixels_are_taken(start: Any, make_event: Any) -> None:
    caller = await start(pixels=["C4MADEUP"])
    assert await caller.code(make_event("a")) == 0
    assert await caller.code(make_event("a"), event_source_id="C4OTHER") == 40001
    assert caller.sandbox.counts.taken == 1


async def test_other_content_types_are_refused(start: Any) -> None:
    caller = await start()
    headers = {**caller.headers, "Content-Type": "text/plain"}
    response = await caller.http.post(TRACK_2, content=b"{}", headers=headers)
    assert response.json()["code"] == 40002


async def test_a_long_batch_is_too_large_but_a_long_event_is_not(
    start: Any, make_event: Any
) -> None:
    caller = await start(max_bytes=2000)
    long = make_event("a", properties={"description": "x" * 2500})
    assert await caller.code(long) == 0
    response = await caller.post(long, make_event("b"))
    assert (response.status_code, response.json()["code"]) == (413, 40061)


async def test_copies_count_once_for_48_hours(start: Any, make_event: Any) -> None:
    now = [1795000000.0]
    caller = await start(clock=lambda: now[0])
    await caller.post(make_event("a"), make_event("b"))
    now[0] += 48 * 3600 - 1
    await caller.post(make_event("a"))
    await caller.post(make_event("b", event_time=1795000001))
    counts = caller.sandbox.counts
    assert (counts.taken, counts.duplicates, counts.changed) == (2, 2, 1)
    now[0] += 1
    await caller.post(make_event("a"))
    assert (counts.taken, counts.counted_twice) == (3, 1)


async def test_the_name_and_the_source_id_are_part_of_the_key(
    start: Any, make_event: Any
) -> None:
    caller = await start()
    await caller.post(make_event("a"), make_event("a", event="Search"))
    await caller.post(make_event("a"), event_source_id="C4OTHER")
    assert caller.sandbox.counts.taken == 3


async def test_events_without_an_id_are_never_copies(start: Any) -> None:
    caller = await start()
    app = {
        "event": "Login",
        "event_time": 1795000000,
        "user": {"idfv": "x"},
        "app": {"app_id": "com.example"},
    }
    await caller.post(app, app, event_source="app")
    assert caller.sandbox.counts.taken == 2


async def test_what_it_took_can_be_asked_and_forgotten(
    start: Any, make_event: Any
) -> None:
    caller = await start()
    await caller.post(make_event("a"))
    await caller.post(make_event("a"))
    answer = (await caller.http.get("/sandbox/events")).json()
    assert answer["counts"]["requests"] == 2
    [taken] = answer["events"]
    assert (taken["event_id"], taken["copies"]) == ("a", 2)
    assert taken["body"] == make_event("a")
    await caller.http.delete("/sandbox/events")
    counts = (await caller.http.get("/sandbox/requests")).json()
    assert set(counts.values()) == {0}


async def test_without_validation_it_only_counts(start: Any, make_event: Any) -> None:
    caller = await start(validate=False)
    assert await caller.code(make_event("a"), make_event("a", user={})) == 0
    counts = caller.sandbox.counts
    assert (counts.requests, counts.taken, counts.duplicates) == (1, 2, 0)
    assert caller.sandbox.events == []


async def test_unknown_addresses_and_methods_are_told_so(start: Any) -> None:
    caller = await start()
    assert (await caller.http.post("/open_api/v2.0/event/track/")).status_code == 404
    assert (await caller.http.get(TRACK_2)).status_code == 405


async def test_garbage_closes_only_its_own_connection(
    start: Any, make_event: Any
) -> None:
    caller = await start()
    host, port = caller.sandbox.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"\x16\x03\x01 no HTTP\r\n\r\n")
    assert await asyncio.wait_for(reader.read(), 2) == b""
    writer.close()
    assert await caller.code(make_event("a")) == 0
