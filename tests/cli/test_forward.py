"""`tokferry forward` as its own process: outcomes, failures, resuming, interruption."""

import asyncio
import gzip
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable

import pytest

from cli.shop import (
    TOKEN,
    Shop,
    batches,
    batches_done,
    finished,
    state_of,
    until_done,
)
from command import COMMAND
from made_up import batch, purchase
from tokferry_server.sandbox.faults import Fault
from tokferry_server.sandbox.server import Sandbox

pytestmark = pytest.mark.timeout(180)
Serve = Callable[[], Awaitable[tuple[asyncio.subprocess.Process, str]]]


async def test_every_event_is_delivered_and_counted(
    shop: Shop, sandbox: Sandbox
) -> None:
    shop.write("a.ndjson", batches(100))
    packed = shop.folder / "b.json.gz"
    packed.write_bytes(gzip.compress(json.dumps([batch(purchase(5_000))]).encode()))

    done = await shop.local("a.ndjson", "b.json.gz", "-", given=b'{"events": []}')

    assert done.code == 0
    assert done.outcomes == {"DELIVERED": 1001}
    assert done.summary["mode"] == "SYNC"
    assert sandbox.counts.taken == 1001


async def test_a_running_server_is_used_by_its_address(
    shop: Shop, sandbox: Sandbox, serve: Serve
) -> None:
    _, target = await serve()
    shop.write("a.ndjson", batches(10))

    done = await shop.forward("a.ndjson", "--target", target, "--connection", "shop")

    assert (done.code, sandbox.counts.taken) == (0, 100)


async def test_durable_events_wait_in_the_outbox_for_a_server(
    shop: Shop, sandbox: Sandbox, serve: Serve
) -> None:
    with (shop.folder / "settings.toml").open("a") as file:
        file.write('[outbox]\npath = "outbox.db"\n')
    sandbox.script([Fault(reply="reset_unread", times=None)])
    shop.write("a.ndjson", batches(10))

    done = await shop.local("a.ndjson", "--mode", "durable", "--label", "import-7")
    assert (done.code, done.outcomes) == (0, {"ACCEPTED": 100})
    assert "waits in the outbox" in done.err
    assert sandbox.counts.taken == 0

    sandbox.reset()
    await serve()
    async with asyncio.timeout(60):
        while sandbox.counts.taken < 100:  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(0.1)


async def test_people_get_a_table_and_a_rate(shop: Shop) -> None:
    shop.write(
        "a.ndjson", [*batches(1), batch(purchase(99), environment="development")]
    )
    options = ("--local", "--settings", "settings.toml")

    done = await finished(await shop.start("forward", "a.ndjson", *options))

    assert done.code == 0
    heading, *rows = [line.split("\t") for line in done.out.splitlines()]
    assert heading == ["outcome", "reason", "events", "first one, and what to do"]
    assert [row[:3] for row in rows] == [
        ["DELIVERED", "", "10"],
        ["DROPPED", "ENVIRONMENT", "1"],
    ]
    assert rows[1][3].startswith("a.ndjson, batch 1, event 0: batch.environment. ")
    assert "11 events in " in done.err
    assert "a second, mode SYNC" in done.err


async def test_what_is_not_delivered_is_kept_and_can_be_forwarded(
    shop: Shop, sandbox: Sandbox
) -> None:
    refuse = Fault(reply="refuse", event_ids=frozenset({"message-13"}), times=None)
    sandbox.script([refuse])
    no_page = purchase(50, custom_flags={})
    shop.write(
        "a.ndjson",
        [
            *batches(2),
            batch(purchase(40), no_page, purchase(41)),
            "{broken}",
            batch(purchase(60), environment="development"),
        ],
    )

    done = await shop.local("a.ndjson", "--failed", "failed.ndjson")

    assert done.code == 1
    assert done.outcomes == {"DELIVERED": 21, "DROPPED": 3, "REJECTED": 1}
    kept = (shop.folder / "failed.ndjson").read_text().splitlines()
    assert kept[2] == "{broken}"
    first, second = (json.loads(line) for line in kept[:2])
    assert first == batch(purchase(13))
    assert second == batch(no_page)
    assert (shop.folder / "failed.ndjson").stat().st_mode & 0o777 == 0o600

    sandbox.reset()
    again = await shop.local("failed.ndjson", "--failed", "still.ndjson")
    assert again.outcomes == {"DELIVERED": 1, "DROPPED": 2}
    assert [one.event_id for one in sandbox.events] == ["message-13"]


async def test_events_that_owe_their_id_to_their_place_keep_it(
    shop: Shop, sandbox: Sandbox
) -> None:
    refuse = Fault(reply="refuse", event_ids=frozenset({"m-7.1"}), times=None)
    sandbox.script([refuse])
    events = [purchase(n, source_message_id=None) for n in range(3)]
    events[2]["data"]["custom_flags"] = {}
    shop.write("a.ndjson", [batch(*events, message_id="m-7")])
    await shop.local("a.ndjson", "--failed", "failed.ndjson")
    assert [one.event_id for one in sandbox.events] == ["m-7.0"]

    (line,) = (shop.folder / "failed.ndjson").read_text().splitlines()
    kept = json.loads(line)
    for event in kept["events"]:
        event["data"]["custom_flags"]["TikTok.URL"] = "https://shop.example.com/"
    shop.write("mended.ndjson", [kept])
    sandbox.reset()
    again = await shop.local("mended.ndjson")

    assert again.outcomes == {"DELIVERED": 2}
    assert [one.event_id for one in sandbox.events] == ["m-7.1", "m-7.2"]


async def test_a_batch_too_large_for_any_chunk_costs_only_itself(
    shop: Shop, sandbox: Sandbox
) -> None:
    many = batch(*(purchase(n) for n in range(1_001)))
    long = batch(purchase(2_000, big="x" * 1_100_000))
    shop.write("a.ndjson", [many, *batches(2), long])

    done = await shop.local("a.ndjson", "--failed", "failed.ndjson")

    assert done.code == 1
    assert done.outcomes == {"DELIVERED": 20, "NOT_SENT": 2}
    assert "1,001 events" in done.out
    kept = (shop.folder / "failed.ndjson").read_text().splitlines()
    assert [json.loads(line) for line in kept] == [many, long]
    assert sandbox.counts.taken == 20


async def test_single_events_are_wrapped_on_demand(shop: Shop) -> None:
    shop.write("a.ndjson", [purchase(1)])

    plain = await shop.local("a.ndjson")
    wrapped = await shop.local("a.ndjson", "--wrap-events")

    assert plain.code == 2
    assert "holds no mParticle batch" in plain.err
    # A lone event says nothing of who it was.
    assert wrapped.summary["rows"][0]["reason"] == "NO_IDENTITY"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("missing.ndjson",), "missing.ndjson: No such file"),
        (("a.ndjson", "a.ndjson"), "given twice"),
        (("a.ndjson", "--connection", "other"), 'no connection "other"'),
        (("a.ndjson", "--test"), "has no test event code"),
        (("-", "--state", "s.json"), "cannot be resumed"),
        (("a.ndjson", "--state", "a.ndjson"), "is no state"),
        (("a.ndjson", "--failed", "a.ndjson"), "exists already"),
        (("a.ndjson", "--mode", "durable"), "NO_OUTBOX"),
        (("a.ndjson", "--label", "x" * 65), "label"),
        (("a.ndjson", "--target", "127.0.0.1:1"), "no --target"),
        (("empty.ndjson",), "is empty"),
    ],
)
async def test_what_cannot_be_begun_is_said_and_nothing_sent(
    shop: Shop, sandbox: Sandbox, arguments: tuple[str, ...], text: str
) -> None:
    shop.write("a.ndjson", batches(1))
    shop.write("empty.ndjson", [])

    done = await shop.local(*arguments)

    assert done.code == 2
    assert text in done.err
    assert sandbox.counts.requests == 0
    assert len((shop.folder / "a.ndjson").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "name the connection"),
        (("--connection", "shop", "--target", "127.0.0.1:1"), "no server answers"),
        (("--connection", "shop", "--target", "192.0.2.1:443"), "add --tls"),
        (("--local",), "needs --settings"),
    ],
)
async def test_a_target_that_is_of_no_use_is_said(
    shop: Shop, arguments: tuple[str, ...], text: str
) -> None:
    shop.write("a.ndjson", batches(1))

    done = await shop.forward("a.ndjson", *arguments)

    assert done.code == 2
    assert text in done.err


async def test_a_test_with_a_code_is_sent_with_it(shop: Shop, sandbox: Sandbox) -> None:
    shop.write("a.ndjson", [batch(purchase(1), environment="development")])

    done = await shop.local("a.ndjson", "--test", "--test-event-code", "TEST1")

    assert (done.code, sandbox.counts.taken) == (0, 1)


async def test_a_connection_that_takes_nothing_is_not_tried_to_the_end(
    shop: Shop, sandbox: Sandbox
) -> None:
    sandbox.script([Fault(reply="code", code=40105, times=None)])
    shop.write("a.ndjson", batches(1_500))

    done = await shop.local("a.ndjson", "--state", "s.json")

    assert done.code == 1
    assert done.summary["end"] == "hopeless"
    tried = done.outcomes["RETRYABLE"]
    assert 500 <= tried <= 10_000
    kept = (shop.folder / "s.json.failed.ndjson").read_text().splitlines()
    assert sum(len(json.loads(line)["events"]) for line in kept) == tried

    sandbox.reset()
    rest = await shop.local("a.ndjson", "--state", "s.json")
    back = await shop.local("s.json.failed.ndjson")
    assert rest.summary["this_run"]["events"] == 15_000 - tried
    assert back.outcomes == {"DELIVERED": tried}
    assert sandbox.counts.taken == 15_000


@pytest.mark.parametrize(
    "where", ["local", pytest.param("target", marks=pytest.mark.gate)]
)
async def test_a_killed_run_is_resumed_without_a_gap_or_a_double(
    shop: Shop, sandbox: Sandbox, serve: Serve, where: str
) -> None:
    bad = frozenset(f"message-{number}" for number in range(7, 20_000, 2_500))
    sandbox.script([Fault(reply="refuse", event_ids=bad, times=None)])
    shop.write("a.ndjson", batches(2_000))
    options = ["--local", "--settings", "settings.toml"]
    if where == "target":
        options = ["--target", (await serve())[1], "--connection", "shop"]
    command = ("forward", "a.ndjson", "--state", "s.json", "--json", *options)

    for number in (200, 700, 1_200):
        process = await shop.start(*command)
        await until_done(shop, number)
        process.kill()
        await process.communicate()
        state = state_of(shop)
        # What is counted is what is marked as done, at every moment.
        assert sum(row["events"] for row in state["rows"]) == 10 * batches_done(state)
    done = await finished(await shop.start(*command))

    assert done.code == 1
    assert "resuming: " in done.err
    assert done.outcomes == {"DELIVERED": 20_000 - len(bad), "REJECTED": len(bad)}
    assert done.summary["this_run"]["events"] < 10_000
    kept = (shop.folder / "s.json.failed.ndjson").read_text().splitlines()
    assert len(kept) == len(set(kept)) == len(bad)
    ids = [one.event_id for one in sandbox.events]
    assert len(ids) == len(set(ids)) == sandbox.counts.taken == 20_000 - len(bad)
    assert (sandbox.counts.changed, sandbox.counts.counted_twice) == (0, 0)

    again = await finished(await shop.start(*command))
    assert again.summary["this_run"]["events"] == 0
    assert again.outcomes == done.outcomes


async def test_an_interrupted_run_finishes_what_is_under_way(
    shop: Shop, sandbox: Sandbox
) -> None:
    sandbox.script([Fault(reply="handle", delay=0.3, times=None)])
    shop.write("a.ndjson", batches(2_500))
    command = ("forward", "a.ndjson", "--state", "s.json", "--json", "--local")
    settings = ("--settings", "settings.toml")

    process = await shop.start(*command, *settings)
    await until_done(shop, 50)
    process.send_signal(signal.SIGINT)
    done = await finished(process)

    assert done.code == 130
    assert "finishing what is under way" in done.err
    assert "To go on: tokferry " in done.err
    assert done.outcomes["DELIVERED"] == sandbox.counts.taken < 25_000
    assert batches_done(state_of(shop)) * 10 == sandbox.counts.taken

    sandbox.script([])
    rest = await finished(await shop.start(*command, *settings))
    assert (rest.code, rest.outcomes) == (0, {"DELIVERED": 25_000})
    assert (sandbox.counts.taken, sandbox.counts.duplicates) == (25_000, 0)


async def test_a_second_interruption_ends_at_once(shop: Shop, sandbox: Sandbox) -> None:
    shop.write("a.ndjson", batches(1_000))
    sandbox.script([Fault(reply="handle", times=1), Fault(delay=8.0, times=None)])
    process = await shop.start(
        "forward", "a.ndjson", "--state", "s.json", "--settings", "settings.toml",
        "--local",
    )  # fmt: skip
    await until_done(shop, 10)
    assert process.stderr is not None
    process.send_signal(signal.SIGINT)
    await process.stderr.readline()
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    done = await finished(process)

    assert done.code == 130
    assert time.monotonic() - began < 3
    assert "stopped. To go on: " in done.err
    rows = state_of(shop)["rows"]
    assert sum(row["events"] for row in rows) == 10 * batches_done(state_of(shop))


async def test_a_pipe_that_gives_nothing_can_be_interrupted(shop: Shop) -> None:
    process = await shop.start("forward", "-", "--settings", "settings.toml", "--local")
    await asyncio.sleep(2)
    process.send_signal(signal.SIGINT)
    code = await asyncio.wait_for(process.wait(), 20)
    assert code == 130


async def test_a_server_that_restarts_is_waited_for(
    shop: Shop, sandbox: Sandbox, serve: Serve
) -> None:
    server, target = await serve()
    shop.write("a.ndjson", batches(1_000))
    process = await shop.start(
        "forward", "a.ndjson", "--state", "s.json", "--json",
        "--target", target, "--connection", "shop",
    )  # fmt: skip
    await until_done(shop, 200)
    server.kill()
    await server.communicate()
    await asyncio.sleep(1)
    await serve()
    done = await finished(process)

    assert (done.code, done.outcomes) == (0, {"DELIVERED": 10_000})
    assert (sandbox.counts.taken, sandbox.counts.changed) == (10_000, 0)


async def test_a_state_is_refused_for_other_files(shop: Shop) -> None:
    shop.write("a.ndjson", batches(3))
    await shop.local("a.ndjson", "--state", "s.json")
    shop.write("a.ndjson", batches(4))

    done = await shop.local("a.ndjson", "--state", "s.json")

    assert done.code == 2
    assert "other files, or they have changed" in done.err


async def test_a_terminal_shows_how_far_it_is(shop: Shop) -> None:
    ours, theirs = os.openpty()
    shop.write("a.ndjson", batches(500))
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "forward", "a.ndjson", "--settings", "settings.toml", "--local",
        cwd=shop.folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "SHOP_TOKEN": TOKEN, "TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""

    def read() -> bytes:
        try:
            return os.read(ours, 65_536)
        except OSError:  # the other end is closed
            return b""

    while part := await asyncio.to_thread(read):
        shown += part
    os.close(ours)
    assert await process.wait() == 0
    assert b" events, " in shown
    assert b"/s" in shown
