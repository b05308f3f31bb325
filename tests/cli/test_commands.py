"""The installed command: what it prints, and its exit codes."""

import contextlib
import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tokferry_server.samples import read_sample

COMMAND = Path(sys.executable).parent / "tokferry"
MANY_MISTAKES = Path(__file__).parents[1] / "settings" / "many_mistakes.toml"
RIGHT = """
[connections.shop]
pixel_id = "C4EXAMPLE"
access_token = { env = "TIKTOK_TOKEN" }
[connections.stores]
pixel_id = "700000000000"
event_source = "offline"
"""


def run(
    *arguments: str, given: bytes = b"", token: str | None = None
) -> subprocess.CompletedProcess[bytes]:
    environ = {
        name: value for name, value in os.environ.items() if name != "TIKTOK_TOKEN"
    }
    if token is not None:
        environ["TIKTOK_TOKEN"] = token
    return subprocess.run(
        [COMMAND, *arguments],
        input=given,
        capture_output=True,
        check=False,
        timeout=60,
        env=environ,
    )


@pytest.fixture
def right(tmp_path: Path) -> str:
    path = tmp_path / "settings.toml"
    path.write_text(RIGHT)
    return str(path)


def test_help_lists_the_commands_without_loading_the_program() -> None:
    code = (
        "import sys; from tokferry_server.cli import main; sys.argv = ['tokferry', "
        "'--help']\ntry: main()\nexcept SystemExit as end: assert not end.code\n"
        "slow = {'grpc', 'pydantic', 'httpx', 'msgspec', 'rich', 'phonenumbers', "
        "'opentelemetry'} & set(sys.modules)\nassert not slow, slow"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    for name in ("check", "transform", "sample", "fields", "reasons", "sandbox"):
        assert name in done.stdout.decode()


def test_check_names_twenty_mistakes_and_ends_with_2() -> None:
    done = run("check", str(MANY_MISTAKES))
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 2
    assert done.stdout == b""
    assert len(lines) == 20
    assert all(line.startswith(f"{MANY_MISTAKES}: ") for line in lines)
    assert b"s3cr3t" not in done.stderr
    assert b"Traceback" not in done.stderr


def test_check_of_right_settings_sums_up_and_warns(right: str) -> None:
    done = run("check", right)
    assert done.returncode == 0
    assert b"shop: web C4EXAMPLE; events_2" in done.stdout
    assert b"stores: offline 700000000000" in done.stdout
    warnings = done.stderr.decode().splitlines()
    assert [line.split(": ")[2] for line in warnings] == [
        "connections.shop.access_token",
        "connections.shop.event_names",
        "connections.stores.access_token",
    ]


def test_check_prints_the_merged_settings_without_the_token(right: str) -> None:
    done = run("check", right, "--print", token="s3cr3t-token")
    assert done.returncode == 0
    assert b'access_token = { env = "TIKTOK_TOKEN" }' in done.stdout
    assert b'max_event_age = "28d"' in done.stdout
    assert b"s3cr3t" not in done.stdout + done.stderr


def test_transform_prints_a_line_for_each_event_in_input_order(
    tmp_path: Path, right: str
) -> None:
    path = tmp_path / "mixed.json.gz"
    path.write_bytes(gzip.compress(read_sample("mixed")))
    done = run(
        "transform",
        str(path),
        "-",
        "--settings",
        right,
        "--connection",
        "shop",
        given=read_sample("purchase"),
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [
        (Path(line["file"]).name, line["batch"], line["event"]) for line in lines
    ] == [
        *(("mixed.json.gz", 0, number) for number in range(5)),
        *(("mixed.json.gz", number, 0) for number in (1, 2, 3)),
        ("-", 0, 0),
    ]
    assert {tuple(line) for line in lines} == {
        (
            "file",
            "batch",
            "event",
            "outcome",
            "events",
            "warnings",
            "reason",
            "field",
            "intended",
            "message",
        )
    }


def test_transform_prints_requests_as_they_would_be_posted() -> None:
    done = run("transform", "-", "--format", "request", given=read_sample("mixed"))
    (body,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (body["event_source"], body["event_source_id"]) == ("web", "PREVIEW")
    assert len(body["data"]) == 3
    assert b"MALFORMED_EVENT 1" in done.stderr


def test_transform_sums_up_in_a_table() -> None:
    done = run("transform", "-", "--format", "table", given=read_sample("mixed"))
    text = done.stdout.decode()
    assert done.returncode == 1
    assert "8 events read: 3 TikTok events, 2 dropped as intended, 3 dropped" in text
    assert "batch 0, event 2: event.custom_flags['TikTok.URL']" in text
    assert "100 %" in text


def test_events_dropped_as_intended_are_no_failure() -> None:
    batch = json.loads(read_sample("purchase"))
    batch["environment"] = "development"
    done = run("transform", "-", given=json.dumps(batch).encode())
    assert json.loads(done.stdout)["reason"] == "ENVIRONMENT"
    assert done.returncode == 0


def test_single_events_are_taken_when_asked() -> None:
    event = json.dumps({"event_type": "custom_event", "data": {}}).encode()
    refused = run("transform", "-", given=event)
    assert refused.returncode == 2
    assert b"wrap it" in refused.stderr
    taken = run("transform", "-", "--wrap-events", given=event)
    assert json.loads(taken.stdout)["reason"] == "UNSUPPORTED_EVENT"
    assert taken.returncode == 0


def test_unusable_input_is_named_and_its_neighbours_are_still_read(
    tmp_path: Path,
) -> None:
    good, text, packed = (tmp_path / name for name in ("good", "text", "packed.gz"))
    good.write_bytes(read_sample("purchase"))
    text.write_text("not JSON at all\nnor is this\n")
    packed.write_bytes(gzip.compress(read_sample("mixed"))[:-20])
    done = run("transform", "missing", str(text), str(packed), str(good))
    errors = done.stderr.decode()
    assert done.returncode == 2
    assert "missing: No such file" in errors
    assert f"{text}: holds no mParticle batch" in errors
    assert f"{packed}: is damaged gzip" in errors
    assert json.loads(done.stdout.splitlines()[-1])["file"] == str(good)
    assert "Traceback" not in errors


def test_settings_with_several_connections_want_a_name(right: str) -> None:
    done = run("transform", "-", "--settings", right, given=read_sample("purchase"))
    assert done.returncode == 2
    assert b"choose one with --connection: shop, stores" in done.stderr
    done = run("transform", "-", "--settings", right, "--connection", "nope")
    assert done.returncode == 2
    assert b'no connection "nope"' in done.stderr


def test_a_reader_that_goes_away_ends_the_command_quietly(tmp_path: Path) -> None:
    path = tmp_path / "many.ndjson"
    line = json.dumps(json.loads(read_sample("purchase"))).encode() + b"\n"
    path.write_bytes(line * 5000)
    with subprocess.Popen(
        [COMMAND, "transform", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline().startswith(b'{"file"')
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(30) == 141


def test_a_person_sees_how_far_a_long_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "long.ndjson"
    line = json.dumps(json.loads(read_sample("purchase"))).encode() + b"\n"
    path.write_bytes(line * (10_000_000 // len(line)))
    terminal, end = os.openpty()
    printed = tmp_path / "printed.ndjson"
    with (
        printed.open("wb") as output,
        subprocess.Popen(
            [COMMAND, "transform", str(path)],
            stdout=output,
            stderr=end,
            env={**os.environ, "TERM": "xterm"},
        ) as running,
    ):
        os.close(end)
        shown = read_terminal(terminal)
        assert running.wait(60) == 0, shown
    assert "/9.5 MiB" in shown
    assert printed.read_bytes().count(b"\n") == 10_000_000 // len(line)


def read_terminal(descriptor: int) -> str:
    """All that is shown until the other end is closed, which Linux calls an error."""
    parts: list[bytes] = []
    with contextlib.suppress(OSError):
        while part := os.read(descriptor, 4096):
            parts.append(part)
    os.close(descriptor)
    return b"".join(parts).decode()


def test_an_interrupt_ends_the_command_without_a_traceback() -> None:
    with subprocess.Popen(
        [COMMAND, "sandbox", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline().startswith(b"TikTok sandbox at http://127.")
        running.send_signal(signal.SIGINT)
        assert running.stderr.read() == b""
        assert running.wait(30) == 130


def test_fields_and_reasons_print_for_programs() -> None:
    fields = json.loads(run("fields", "--json").stdout)
    assert {"mParticle event": "view_detail", "web": "ViewContent"}.items() <= (
        fields["events"][4].items()
    )
    rows = run("fields").stdout.decode().splitlines()
    assert rows[0].startswith("mParticle field\tTikTok field (events_2)\t")
    assert any(row.startswith("batch.ip\tuser.ip\tcontext.ip\t") for row in rows)
    reasons = json.loads(run("reasons", "--json").stdout)
    assert reasons["reasons"][1]["reason"] == "ENVIRONMENT"
    assert reasons["reasons"][1]["intended"] is True


def test_sample_lists_and_prints() -> None:
    assert b"webhook_purchase\t" in run("sample").stdout
    assert run("sample", "purchase").stdout == read_sample("purchase")
    unknown = run("sample", "nope")
    assert unknown.returncode == 2
    assert b"there are: purchase, " in unknown.stderr
