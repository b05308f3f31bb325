"""The commands that look after a service, while it runs and while it is down."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shlex
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from admin.conftest import Shop
from tokferry_server.cli.dlq_filter import parse_time
from tokferry_server.delivery.outbox.interface import DeadFilter

DIGEST = hashlib.sha256(b"jane.doe@example.com").hexdigest()


@pytest.fixture(params=["running", "down"])
async def state(request: pytest.FixtureRequest, shop: Shop) -> str:
    """Leave two dead letters behind, in a service that runs or is down."""
    await shop.refuse(1, 2, label="nightly")
    if request.param == "down":
        await shop.stop()
    return str(request.param)


async def test_the_outbox_is_counted(shop: Shop, state: str) -> None:
    done = await shop.run("outbox", "stats", "--json", "--label", "nightly")

    assert (done.code, done.err) == (0, ""), state
    found = json.loads(done.out)
    (one,) = found["connections"]
    assert (one["connection"], one["accepted"]) == ("shop", 4)
    assert (one["delivered"], one["dead"], one["pending"]) == (2, 2, 0)
    assert found["total"]["accepted"] == 4
    assert found["disk_free_bytes"] > 0
    table = await shop.run("outbox", "stats")
    assert "shop\t4\t2\t2\t0\t0\t0\t-" in table.out
    assert "room: 5,000,000 events" in table.out


@pytest.mark.parametrize("is_running", [True, False])
async def test_dead_letters_of_a_sealed_outbox_are_opened_for_those_who_export(
    shop: Shop, is_running: bool
) -> None:
    await shop.stop()
    (shop.settings.parent / "keys").write_text("5e" * 32)
    settings = shop.settings.read_text()
    shop.settings.write_text(
        settings.replace("[outbox]", '[outbox]\nkey_file = "keys"')
    )
    await shop.start()
    await shop.refuse(1)
    if not is_running:
        await shop.stop()

    counted = await shop.run("outbox", "stats", "--json")
    exported = await shop.run("dlq", "export", "--jsonl")

    assert (counted.code, counted.err) == (0, "")
    assert json.loads(counted.out)["total"]["dead"] == 1
    assert exported.code == 0
    assert '"sku-1"' in exported.out


async def test_dead_letters_are_counted_listed_and_shown(
    shop: Shop, state: str
) -> None:
    stats = await shop.run("dlq", "stats", "--json", "--since", "1h")
    listed = await shop.run("dlq", "list", "--reason", "invalid_event", "--limit", "1")
    ids = [row.split("\t")[0] for row in listed.out.splitlines()[1:]]
    shown = await shop.run("dlq", "show", ids[0])

    assert stats.code == listed.code == shown.code == 0, state
    (group,) = json.loads(stats.out)["groups"]
    assert (group["reason"], group["code"], group["count"]) == (
        "INVALID_EVENT",
        40002,
        2,
    )
    assert len(ids) == 1
    assert "\tmessage-1\tINVALID_EVENT\t40002\t" in listed.out
    assert "raise --limit" in listed.err
    assert "(masked)" in shown.out
    assert "event_id: message-1" in shown.out
    for secret in (DIGEST, "203.0.113.7", "example.com"):
        assert secret not in shown.out + listed.out


async def test_what_is_revealed_is_said_in_the_audit_log(
    shop: Shop, state: str
) -> None:
    listed = await shop.run("dlq", "list", "--json")
    number = json.loads(listed.out)[0]["id"]

    shown = await shop.run("dlq", "show", number, "--reveal", "--json")

    assert json.loads(shown.out)["json"]["user"]["email"] == DIGEST
    if state == "down":
        assert json.loads(shown.err)["audit"] == "reveal_dead_letter"


async def test_an_export_is_a_file_for_its_owner_only(shop: Shop, state: str) -> None:
    out = shop.state.parent / "dead.jsonl"

    done = await shop.run("dlq", "export", "--jsonl", "--out", str(out))
    again = await shop.run("dlq", "export", "--out", str(out))
    piped = await shop.run("dlq", "export", "--identity", DIGEST, "--max", "1")

    assert (done.code, done.out) == (0, ""), state
    lines = out.read_text().splitlines()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert [json.loads(line)["event_id"] for line in lines] == [
        "message-1",
        "message-2",
    ]
    assert DIGEST in lines[0]
    assert (again.code, "cannot be written" in again.err) == (2, True)
    assert piped.out.splitlines() == lines[:1]


async def test_a_replay_is_delivered_once_the_service_runs(
    shop: Shop, state: str
) -> None:
    counted = await shop.run("dlq", "replay", "--dry-run")
    done = await shop.run("dlq", "replay", "--label", "nightly", "--json")
    if state == "down":
        assert "they are sent once it is" in done.err
        await shop.start()

    assert (counted.code, counted.out) == (0, "2 of 2 would be put back\n")
    assert json.loads(done.out)["replayed"] == 2
    assert await shop.eventually(0) == []
    assert shop.sandbox.counts.taken == 4


async def test_a_purge_asks_for_the_number(shop: Shop, state: str) -> None:
    wrong = await shop.run("dlq", "purge", given="3\n")
    counted = await shop.run("dlq", "purge", "--dry-run")
    nobody = await shop.run("dlq", "purge")
    done = await shop.run("dlq", "purge", "--identity", DIGEST, given="2\n")
    none = await shop.run("dlq", "purge", "--yes", "0")

    assert (wrong.code, "are chosen, not 3" in wrong.err) == (1, True), state
    assert counted.out == "2 would be deleted\n"
    assert (nobody.code, "nothing was deleted" in nobody.err) == (1, True)
    assert (done.code, done.out) == (0, "2 of 2 deleted\n")
    assert "Their number" in done.err
    assert (none.code, none.out) == (0, "0 of 0 deleted\n")


async def test_a_pause_holds_until_it_is_ended(shop: Shop, state: str) -> None:
    paused = await shop.run("pause", "shop", "--note", "a long story")
    if state == "down":
        assert "it holds from its start on" in paused.err
        await shop.start()
    await shop.send(5)
    seen = await shop.run("status")
    held = (await shop.durable.outbox.stats())["shop"].pending
    resumed = await shop.run("resume", "shop")
    await shop.taken(3)

    assert (paused.code, paused.out) == (0, "shop: PAUSED_BY_OPERATOR\n")
    assert seen.code == 1
    assert "shop\tPAUSED_BY_OPERATOR\ta long story\t" in seen.out
    assert "bare\tNO_ACCESS_TOKEN\t" in seen.out
    assert held == 1
    assert (resumed.code, resumed.out) == (0, "shop: ACTIVE\n")


async def test_the_status_says_who_sends_and_whether_anybody_does(shop: Shop) -> None:
    await shop.send(1)
    await shop.taken(1)

    done = await shop.run("status", "--connection", "shop", "--json")
    await shop.stop()
    down = await shop.run("status")

    found = json.loads(done.out)
    (one,) = found["connections"]
    assert (done.code, found["running"], one["state"]) == (0, True, "ACTIVE")
    assert one["has_access_token"]
    assert one["last_delivered_time"].startswith("20")
    assert (down.code, "the service is not running" in down.err) == (1, True)
    assert "shop\tNOT_RUNNING\t" in down.out


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("dlq", "show", "999"), 1, "no dead letter has this id"),
        (("dlq", "list", "--connection", "shpo"), 2, "no such connection"),
        (("pause", "shpo"), 2, "no such connection"),
        (("pause", "shop", "--note", "x" * 257), 2, "at most 256"),
        (("dlq", "list", "--identity", "jane.doe@example.com"), 2, "64 lower-case"),
        (("dlq", "list", "--since", "yesterday"), 2, "must be a duration"),
        (("dlq", "list", "--reason", "BAD"), 2, "INVALID_EVENT"),
        (("dlq", "replay", "--retransform"), 1, "not kept"),
    ],
)
async def test_what_cannot_be_done_is_said(
    shop: Shop, arguments: tuple[str, ...], code: int, text: str
) -> None:
    await shop.refuse(1)

    done = await shop.run(*arguments)

    assert (done.code, done.out) == (code, "")
    assert text in done.err
    assert "jane.doe" not in done.err
    assert "Traceback" not in done.err


async def test_a_service_that_does_not_listen_but_has_the_outbox_is_named(
    shop: Shop,
) -> None:
    (shop.state / "admin.sock").unlink()

    done = await shop.run("dlq", "stats")

    assert done.code == 2
    assert "the service does not answer, and another process owns" in done.err


async def test_there_is_no_outbox_before_the_service_was_ever_started(
    shop: Shop,
) -> None:
    await shop.stop()
    (shop.state / "outbox.db").unlink()

    done = await shop.run("dlq", "stats")

    assert (done.code, "nothing was ever accepted there" in done.err) == (2, True)
    assert not (shop.state / "outbox.db").exists()


async def test_the_installed_command_asks_the_running_service(shop: Shop) -> None:
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "tokferry",
        *("status", "--connection", "shop", "--settings", str(shop.settings)),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == 0
    assert b"shop\tACTIVE\t" in out


async def test_what_the_page_of_operations_shows_runs(shop: Shop) -> None:
    page = Path(__file__).parents[2] / "server" / "docs" / "operations.md"
    blocks = re.findall(
        r"^```sh\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE
    )
    lines = [line for block in blocks for line in block.splitlines()]
    await shop.refuse(1)

    for line in lines:
        program, *arguments = shlex.split(line.replace("--settings settings.toml", ""))
        done = await shop.run(*arguments)
        # One of the two connections has no token, which `status` reports.
        assert (program, done.code) == ("tokferry", arguments == ["status"]), line
        assert done.out, line
    assert len(lines) >= 7


async def test_settings_that_are_wrong_are_said(shop: Shop) -> None:
    shop.settings.write_text("[connections.shop]\n")

    done = await shop.run("outbox", "stats")

    assert (done.code, "pixel_id" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("90s", datetime(2026, 11, 23, 11, 58, 30, tzinfo=UTC)),
        ("30m", datetime(2026, 11, 23, 11, 30, tzinfo=UTC)),
        ("2h", datetime(2026, 11, 23, 10, 0, tzinfo=UTC)),
        ("7d", datetime(2026, 11, 16, 12, 0, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T08:00:00+02:00", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ],
)
def test_a_time_may_be_an_age(text: str, time: datetime) -> None:
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    assert parse_time(text, "since", now=now) == time


@pytest.mark.parametrize("text", ["yesterday", "2 h", "h", "99999999999d", "-2h"])
def test_another_text_is_no_time(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="duration"):
        parse_time(text, "since")


async def test_dead_letters_survive_the_commands_that_only_look(
    shop: Shop, state: str
) -> None:
    for arguments in (("stats",), ("list",), ("replay", "--dry-run")):
        assert (await shop.run("dlq", *arguments)).code == 0, state
    if state == "down":
        await shop.start()

    rows = await shop.durable.outbox.dead(DeadFilter(), limit=9)

    assert [row.replays for row in rows] == [0, 0]
