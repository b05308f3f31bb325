"""`tokferry forward --wait`: until the outbox has delivered what was accepted."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.shop import TOKEN, Done, Shop, batches, finished
from tokferry_server.cli.app import app
from tokferry_server.sandbox.faults import Fault
from tokferry_server.sandbox.server import Sandbox

pytestmark = pytest.mark.timeout(180)
Serve = Callable[[], Awaitable[tuple[asyncio.subprocess.Process, str]]]
LABEL = ("--label", "import-7")
WAIT = ("--wait", *LABEL, "--mode", "durable")


@pytest.fixture
def shop(shop: Shop) -> Shop:
    with (shop.folder / "settings.toml").open("a") as file:
        file.write('[server]\nstate_dir = "s"\n[outbox]\npath = "outbox.db"\n')
    shop.write("a.ndjson", batches(20))
    return shop


async def _start(
    shop: Shop, target: str, *more: str, files: tuple[str, ...] = ("a.ndjson",)
) -> asyncio.subprocess.Process:
    return await shop.start(
        *("forward", *files, "--settings", "settings.toml", "--json"),
        *("--target", target, *WAIT, *more),
    )


async def _told(process: asyncio.subprocess.Process, text: str) -> None:
    """Wait until the command says this on its error output."""
    assert process.stderr is not None
    async with asyncio.timeout(60):
        while text not in (line := (await process.stderr.readline()).decode()):
            assert line, f"it ended and did not say {text!r}"


def _label(done: Done) -> dict[str, Any]:
    found: dict[str, Any] = done.summary["label"]
    return found


async def test_it_ends_when_all_is_delivered(
    shop: Shop, sandbox: Sandbox, serve: Serve
) -> None:
    sandbox.script([Fault(reply="code", code=50000, times=3)])
    _, target = await serve()

    done = await finished(await _start(shop, target))

    assert (done.code, done.summary["end"]) == (0, "complete")
    assert done.outcomes == {"ACCEPTED": 200}
    want = {"name": "import-7", "delivered": 200, "dead": 0, "pending": 0}
    assert _label(done) == want
    assert sandbox.counts.taken == 200


async def test_dead_letters_are_counted_and_fail_it(
    shop: Shop, sandbox: Sandbox, serve: Serve
) -> None:
    bad = frozenset({"message-3", "message-150"})
    sandbox.script([Fault(reply="refuse", event_ids=bad, times=None)])
    _, target = await serve()

    done = await finished(await _start(shop, target))

    assert done.code == 1
    want = {"name": "import-7", "delivered": 198, "dead": 2, "pending": 0}
    assert _label(done) == want
    assert "tokferry dlq list" in done.err


@pytest.mark.gate
async def test_people_are_told_what_became_of_the_label(
    shop: Shop, serve: Serve
) -> None:
    _, target = await serve()
    process = await shop.start(
        *("forward", "a.ndjson", "--settings", "settings.toml"),
        *("--target", target, *WAIT),
    )

    done = await finished(process)

    assert done.code == 0
    assert 'with the label "import-7": 200 delivered, 0 dead letters\n' in done.err


@pytest.mark.gate
async def test_other_labels_are_not_waited_for(
    shop: Shop, sandbox: Sandbox, serve: Serve
) -> None:
    shop.write("b.ndjson", batches(1))
    sandbox.script([Fault(reply="reset_unread", times=None)])
    _, target = await serve()
    other = await shop.forward(
        *("a.ndjson", "--settings", "settings.toml", "--target", target),
        *("--mode", "durable", "--label", "other"),
    )
    assert other.outcomes == {"ACCEPTED": 200}

    # Ten of them are the same events: accepted before, under the other label.
    done = await finished(await _start(shop, target, files=("b.ndjson",)))

    assert done.code == 0
    assert _label(done)["pending"] == 0


async def test_an_interruption_leaves_the_rest_to_the_service(
    shop: Shop, sandbox: Sandbox, serve: Serve
) -> None:
    sandbox.script([Fault(reply="reset_unread", times=None)])
    _, target = await serve()
    process = await _start(shop, target, "--state", "s.json")
    await _told(process, "waiting until it is delivered")

    process.send_signal(signal.SIGINT)
    done = await finished(process)

    assert (done.code, done.summary["end"]) == (130, "waiting")
    assert _label(done)["pending"] == 200
    assert "To go on: tokferry forward a.ndjson" in done.err

    sandbox.reset()
    again = await finished(await _start(shop, target, "--state", "s.json"))
    assert again.code == 0
    assert again.summary["this_run"]["events"] == 0
    assert _label(again)["delivered"] == 200
    assert (sandbox.counts.taken, sandbox.counts.duplicates) == (200, 0)


@pytest.mark.gate
async def test_without_a_state_it_says_how_to_ask_again(
    shop: Shop, sandbox: Sandbox, serve: Serve
) -> None:
    sandbox.script([Fault(reply="reset_unread", times=None)])
    _, target = await serve()
    process = await _start(shop, target)
    await _told(process, "waiting until it is delivered")

    process.send_signal(signal.SIGTERM)
    done = await finished(process)

    assert done.code == 130
    assert "tokferry outbox stats --settings FILE --label import-7" in done.err


@pytest.mark.gate
async def test_a_service_that_restarts_is_waited_for(
    shop: Shop, sandbox: Sandbox, serve: Serve
) -> None:
    sandbox.script([Fault(reply="reset_unread", times=None)])
    server, target = await serve()
    process = await _start(shop, target)
    await _told(process, "waiting until it is delivered")
    server.kill()
    await server.wait()
    await _told(process, "the service does not answer; waiting for it")

    sandbox.reset()
    await serve()
    done = await finished(process)

    assert done.code == 0
    assert "the service answers" in done.err or _label(done)["pending"] == 0
    assert _label(done)["delivered"] == 200


async def test_a_connection_that_is_paused_is_named(shop: Shop, serve: Serve) -> None:
    _, target = await serve()
    paused = await finished(
        await shop.start("pause", "shop", "--settings", "settings.toml")
    )
    assert paused.code == 0
    process = await _start(shop, target)

    await _told(process, 'connection "shop": PAUSED_BY_OPERATOR')
    process.send_signal(signal.SIGINT)
    assert (await finished(process)).code == 130


async def test_a_server_of_its_own_delivers_before_it_ends(
    shop: Shop, sandbox: Sandbox
) -> None:
    done = await shop.local("a.ndjson", *WAIT)

    assert done.code == 0
    assert _label(done)["delivered"] == sandbox.counts.taken == 200
    assert "waits in the outbox" not in done.err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--settings", "settings.toml"), "--wait: needs --label"),
        ((*LABEL, "--settings", "settings.toml", "--mode", "sync"), "nothing waits"),
        ((*LABEL, "--settings", "settings.toml", "--local"), "nothing waits"),
        ((*LABEL, "--connection", "shop"), "on the machine of its service"),
        (
            (*LABEL, "--settings", "settings.toml", "--target", "192.0.2.1:443"),
            "tokferry outbox stats --settings FILE --label import-7",
        ),
    ],
)
def test_waiting_that_cannot_be_is_refused_at_once(
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    text: str,
) -> None:
    monkeypatch.chdir(shop.folder)
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    command = ["forward", "a.ndjson", "--wait", "--tls", *arguments]

    done = CliRunner().invoke(app, command)

    assert done.exit_code == 2
    assert text in done.stderr


@pytest.mark.gate
async def test_a_service_of_other_settings_is_noticed_before_anything_is_sent(
    shop: Shop, sandbox: Sandbox, serve: Serve
) -> None:
    _, target = await serve()
    text = (shop.folder / "settings.toml").read_text()
    other = text.replace('state_dir = "s"', 'state_dir = "elsewhere"')
    (shop.folder / "settings.toml").write_text(other)

    done = await finished(await _start(shop, target))

    assert done.code == 2
    assert "--wait: no service answers at" in done.err
    assert sandbox.counts.requests == 0
    stats = await finished(
        await shop.start("outbox", "stats", "--settings", "settings.toml", "--json")
    )
    assert stats.code == 2 or json.loads(stats.out)["total"]["accepted"] == 0


@pytest.mark.gate
async def test_a_service_without_an_outbox_has_nothing_to_wait_for(
    shop: Shop, sandbox: Sandbox, serve: Serve
) -> None:
    text = (shop.folder / "settings.toml").read_text()
    (shop.folder / "settings.toml").write_text(text.partition("[outbox]")[0])
    _, target = await serve()

    done = await finished(await _start(shop, target))

    assert done.code == 2
    assert "--wait: no outbox is configured" in done.err
    assert sandbox.counts.requests == 0
