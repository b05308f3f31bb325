"""Dead letters through the admin service: seen, given out, replayed, purged."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from admin.conftest import PIXEL, TOKEN, Shop, refused
from tokferry.v1 import (
    DeadLetter,
    DeadLetterFilter,
    DeliveryReason,
    EventSource,
    ExportDeadLettersRequest,
    GetDeadLetterRequest,
    GetDeadLetterStatsRequest,
    ListDeadLettersRequest,
    PurgeDeadLettersRequest,
    ReplayDeadLettersRequest,
    ReplayDeadLettersResponse,
    WireFormat,
)
from tokferry_server.delivery.outbox.interface import DeadFilter, DeadGroup, Death
from tokferry_server.sandbox.faults import Fault

DIGEST = hashlib.sha256(b"jane.doe@example.com").hexdigest()
INVALID = DeliveryReason.DELIVERY_REASON_INVALID_EVENT


def bodies(shop: Shop) -> dict[str, bytes]:
    return {one.event_id or "": bytes(one.body) for one in shop.sandbox.events}


async def test_a_list_says_all_but_the_content(shop: Shop) -> None:
    before = time.time()
    (letter,) = await shop.refuse(1, label="nightly")

    assert letter.dead_time.ToSeconds() >= int(before)
    assert letter.create_time.ToSeconds() >= int(before)
    assert letter.request_id
    assert letter.bytes > 100
    for name in ("dead_time", "create_time", "request_id", "bytes", "field"):
        letter.ClearField(name)
    assert letter == DeadLetter(
        id=letter.id,
        connection="shop",
        label="nightly",
        event_index=1,
        event="PlaceAnOrder",
        event_id="message-1",
        wire_format=WireFormat.WIRE_FORMAT_EVENTS_2,
        event_source=EventSource.EVENT_SOURCE_WEB,
        pixel_id=PIXEL,
        reason=INVALID,
        code=40002,
        http_status=200,
        message=letter.message,
        attempts=1,
    )
    assert 0 < len(letter.message) <= 256


async def test_pages_follow_each_other_to_the_end(shop: Shop) -> None:
    letters = await shop.refuse(1, 2, 3)
    found: list[str] = []
    token = ""
    for _ in range(2):
        page = await shop.admin.ListDeadLetters(
            ListDeadLettersRequest(page_size=2, page_token=token)
        )
        token = page.next_page_token
        found += [one.id for one in page.dead_letters]

    assert token == ""
    assert found == [one.id for one in letters]


async def test_they_are_counted_by_connection_reason_and_code(shop: Shop) -> None:
    letters = await shop.refuse(1, 2)

    stats = await shop.admin.GetDeadLetterStats(GetDeadLetterStatsRequest())

    (group,) = stats.groups
    assert (group.connection, group.reason, group.code) == ("shop", INVALID, 40002)
    assert (group.count, stats.total) == (2, 2)
    assert stats.bytes == sum(one.bytes for one in letters)
    assert (stats.max_rows, stats.max_bytes) == (1_000_000, 2**30)
    assert group.oldest_time.ToSeconds() > 0


@pytest.mark.parametrize(
    ("chosen", "count"),
    [
        (DeadLetterFilter(connection="shop"), 2),
        (DeadLetterFilter(connection="bare"), 0),
        (DeadLetterFilter(label="nightly"), 2),
        (DeadLetterFilter(label="daily"), 0),
        (DeadLetterFilter(reasons=[INVALID]), 2),
        (DeadLetterFilter(codes=[40051]), 0),
        (DeadLetterFilter(ambiguous=True), 0),
        (DeadLetterFilter(ambiguous=False), 2),
        (DeadLetterFilter(hashed_identity=DIGEST), 2),
        (DeadLetterFilter(hashed_identity="0" * 64), 0),
    ],
)
async def test_a_filter_chooses(
    shop: Shop, chosen: DeadLetterFilter, count: int
) -> None:
    await shop.refuse(1, 2, label="nightly")

    stats = await shop.admin.GetDeadLetterStats(
        GetDeadLetterStatsRequest(filter=chosen)
    )

    assert stats.total == count


async def test_a_filter_chooses_by_time_and_by_id(shop: Shop) -> None:
    first, second = await shop.refuse(1, 2)
    soon = DeadLetterFilter(ids=[second.id])
    soon.until.FromSeconds(int(time.time()) + 60)
    late = DeadLetterFilter(since=soon.until)

    for chosen, ids in ((soon, [second.id]), (late, [])):
        page = await shop.admin.ListDeadLetters(ListDeadLettersRequest(filter=chosen))
        assert [one.id for one in page.dead_letters] == ids
    assert first.id not in soon.ids


async def test_the_view_is_masked_and_keeps_its_structure(shop: Shop) -> None:
    (letter,) = await shop.refuse(1)

    shown = await shop.admin.GetDeadLetter(GetDeadLetterRequest(id=letter.id))

    text = shown.dead_letter.json.decode()
    for secret in (DIGEST, "203.0.113.7", "example.com", "ExampleBrowser", TOKEN):
        assert secret not in text
    event = json.loads(text)
    assert event["user"] == {
        "email": "(masked)",
        "ip": "(masked)",
        "user_agent": "(masked)",
    }
    assert event["page"] == {"url": "(masked)"}
    assert event["properties"]["contents"][0]["price"] == 9.75
    assert (event["event"], event["event_id"]) == ("PlaceAnOrder", "message-1")


async def test_what_is_revealed_is_what_was_posted_and_is_audited(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    (letter,) = await shop.refuse(1)

    shown = await shop.admin.GetDeadLetter(
        GetDeadLetterRequest(id=letter.id, reveal=True)
    )

    event = json.loads(shown.dead_letter.json)
    assert event["user"]["email"] == DIGEST
    assert len(shown.dead_letter.json) == letter.bytes
    assert audits(caplog) == [
        {"audit": "reveal_dead_letter", "id": int(letter.id), "connection": "shop"}
    ]


def audits(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [
        json.loads(record.getMessage())
        for record in caplog.records
        if record.name == "tokferry_server.audit"
    ]


async def test_an_export_gives_all_out_in_full(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    letters = await shop.refuse(1, 2, 3)
    request = ExportDeadLettersRequest(
        filter=DeadLetterFilter(hashed_identity=DIGEST), max=2
    )

    found = [
        one
        async for response in shop.admin.ExportDeadLetters(request)
        for one in response.dead_letters
    ]

    assert [one.id for one in found] == [one.id for one in letters[:2]]
    assert all(json.loads(one.json)["user"]["email"] == DIGEST for one in found)
    assert audits(caplog) == [
        {
            "audit": "export_dead_letters",
            "exported": 2,
            "filter": {"hashed_identity": "given"},
        }
    ]


async def test_a_replay_delivers_the_same_id_and_bytes(shop: Shop) -> None:
    letters = await shop.refuse(1, 2)
    rows = await shop.durable.outbox.dead(DeadFilter(), limit=9)

    done = await shop.admin.ReplayDeadLetters(ReplayDeadLettersRequest())

    assert done == ReplayDeadLettersResponse(matched=2, replayed=2)
    assert await shop.eventually(0) == []
    taken = bodies(shop)
    assert {row.event_id: row.body for row in rows}.items() <= taken.items()
    assert len(letters) == 2


async def test_the_fourth_replay_needs_force(shop: Shop) -> None:
    await shop.refuse(1)
    await hold(shop, 1)
    request = ReplayDeadLettersRequest()
    for replays in range(1, 4):
        done = await shop.admin.ReplayDeadLetters(request)
        assert done.replayed == 1
        (letter,) = await again(shop, replays)
    assert letter.event_id == "message-1"

    done = await shop.admin.ReplayDeadLetters(request)

    assert done == ReplayDeadLettersResponse(matched=1, refused_replays=1)
    shop.heal()
    request.force = True
    assert (await shop.admin.ReplayDeadLetters(request)).replayed == 1
    assert await shop.eventually(0) == []


async def hold(shop: Shop, number: int) -> None:
    ids = frozenset({f"message-{number}"})
    shop.sandbox.script([Fault(reply="refuse", event_ids=ids, times=None)])


async def again(shop: Shop, replays: int) -> list[DeadLetter]:
    """Wait until the one dead letter is one again."""
    for _ in range(100):
        letters = await shop.eventually(1)
        if letters[0].replays == replays:
            return letters
    raise AssertionError(letters)


async def test_what_tiktok_perhaps_took_long_ago_is_replayed_only_on_demand(
    shop: Shop,
) -> None:
    await perhaps_taken(shop)
    request = ReplayDeadLettersRequest()

    done = await shop.admin.ReplayDeadLetters(request)

    assert done == ReplayDeadLettersResponse(matched=1, refused_ambiguous=1)
    request.accept_double_count = True
    request.dry_run = True
    assert (await shop.admin.ReplayDeadLetters(request)).replayed == 1
    assert shop.sandbox.counts.taken == 0
    request.dry_run = False
    assert (await shop.admin.ReplayDeadLetters(request)).replayed == 1
    await shop.taken(1)


async def perhaps_taken(shop: Shop) -> None:
    """Make a dead letter of an event that was perhaps taken 49 hours ago."""
    shop.durable.pauses.pause("shop", "")
    await shop.durable.worker.look()
    await shop.send(1)
    outbox = shop.durable.outbox
    (row,) = await outbox.claim("shop", 1, time.time())
    ago = time.time() - 49 * 3600
    death = Death(id=row.id, reason="AMBIGUOUS_EXPIRED", first_ambiguous_at=ago)
    await outbox.kill([death], time.time())
    shop.durable.pauses.resume("shop")
    await shop.durable.worker.look()


async def test_a_replay_keeps_to_its_maximum_and_its_rate(shop: Shop) -> None:
    await shop.refuse(1, 2, 3, 4)
    request = ReplayDeadLettersRequest(max=3, rate=5)
    began = time.monotonic()

    done = await shop.admin.ReplayDeadLetters(request)

    assert time.monotonic() - began > 0.35
    assert done == ReplayDeadLettersResponse(matched=4, replayed=3)
    (left,) = await shop.eventually(1)
    assert left.event_id == "message-4"


async def test_nothing_is_made_anew_as_no_source_is_kept(shop: Shop) -> None:
    await shop.refuse(1)
    request = ReplayDeadLettersRequest(retransform=True, dry_run=True)

    done = await shop.admin.ReplayDeadLetters(request)

    assert done == ReplayDeadLettersResponse(matched=1, refused_no_source=1)
    request.dry_run = False
    status, text = await refused(shop.admin.ReplayDeadLetters(request))
    assert (status, "not kept" in text) == ("FAILED_PRECONDITION", True)


async def test_a_purge_deletes_only_the_number_that_is_expected(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    await shop.refuse(1, 2)
    chosen = DeadLetterFilter(hashed_identity=DIGEST)

    counted = await shop.admin.PurgeDeadLetters(
        PurgeDeadLettersRequest(filter=chosen, dry_run=True)
    )
    assert (counted.matched, counted.purged) == (2, 0)
    status, text = await refused(
        shop.admin.PurgeDeadLetters(
            PurgeDeadLettersRequest(filter=chosen, expected_count=3)
        )
    )
    assert status == "FAILED_PRECONDITION"
    assert "2 dead letters are chosen, not 3" in text
    assert len(await shop.letters()) == 2
    done = await shop.admin.PurgeDeadLetters(
        PurgeDeadLettersRequest(filter=chosen, expected_count=2)
    )

    assert (done.matched, done.purged) == (2, 2)
    assert await shop.letters() == []
    assert [one["audit"] for one in audits(caplog)] == ["purge_dead_letters"]
    assert DIGEST not in caplog.text


@pytest.mark.parametrize(
    ("call", "request_", "field"),
    [
        ("PurgeDeadLetters", PurgeDeadLettersRequest(), "expected_count"),
        ("ListDeadLetters", ListDeadLettersRequest(page_size=-1), "page_size"),
        ("ListDeadLetters", ListDeadLettersRequest(page_token="x"), "page_token"),
        ("ReplayDeadLetters", ReplayDeadLettersRequest(rate=-1), "rate"),
        (
            "ReplayDeadLetters",
            ReplayDeadLettersRequest(rate=float("nan")),
            "rate",
        ),
        (
            "ReplayDeadLetters",
            ReplayDeadLettersRequest(filter=DeadLetterFilter(ids=["1", "two"])),
            "filter.ids[1]",
        ),
        (
            "GetDeadLetterStats",
            GetDeadLetterStatsRequest(
                filter=DeadLetterFilter(hashed_identity="jane.doe@example.com")
            ),
            "filter.hashed_identity",
        ),
        (
            "GetDeadLetterStats",
            GetDeadLetterStatsRequest(
                filter=DeadLetterFilter(
                    reasons=[DeliveryReason.DELIVERY_REASON_UNSPECIFIED]
                )
            ),
            "filter.reasons[0]",
        ),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_and_named(
    shop: Shop, call: str, request_: Any, field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(shop.admin, call)(request_)

    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "jane.doe" not in str(caught.value)
    status = rpc_status.from_call(caught.value)
    bad = error_details_pb2.BadRequest()
    assert any(detail.Unpack(bad) for detail in status.details)
    assert [one.field for one in bad.field_violations] == [field]


async def test_an_export_of_nothing_sensible_is_refused_like_any_call(
    shop: Shop,
) -> None:
    request = ExportDeadLettersRequest(filter=DeadLetterFilter(ids=["two"]))

    status, text = await refused(shop.admin.ExportDeadLetters(request).read())

    assert (status, text) == (
        "INVALID_ARGUMENT",
        "filter.ids[0]: is not the id of a dead letter",
    )


async def test_what_dies_while_others_are_purged_stays(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.refuse(1)
    outbox = shop.durable.outbox
    count = outbox.dead_groups

    async def count_then_die(chosen: DeadFilter) -> list[DeadGroup]:
        groups = await count(chosen)
        await shop.refuse(5)
        return groups

    monkeypatch.setattr(outbox, "dead_groups", count_then_die)
    done = await shop.admin.PurgeDeadLetters(PurgeDeadLettersRequest(expected_count=1))

    assert done.purged == 1
    assert [one.event_id for one in await shop.letters()] == ["message-5"]


@pytest.mark.parametrize("text", ["12345", "none", "-1", ""])
async def test_an_id_that_there_is_not_is_not_found(shop: Shop, text: str) -> None:
    status, _ = await refused(shop.admin.GetDeadLetter(GetDeadLetterRequest(id=text)))

    assert status == "NOT_FOUND"


async def test_a_connection_that_nobody_knows_is_named_before_it_is_purged(
    shop: Shop,
) -> None:
    request = PurgeDeadLettersRequest(
        filter=DeadLetterFilter(connection="shpo"), dry_run=True
    )

    status, text = await refused(shop.admin.PurgeDeadLetters(request))

    assert (status, "no such connection" in text) == ("FAILED_PRECONDITION", True)
