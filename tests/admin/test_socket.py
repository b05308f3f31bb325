"""The admin socket: for its owner only, never twice, never on the TCP port."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import sys
from pathlib import Path

import grpc
import pytest

from admin.conftest import Shop, refused
from tokferry.v1 import GetOutboxStatsRequest, ListConnectionStatusesRequest
from tokferry.v1.admin_service_pb2_grpc import AdminServiceStub
from tokferry_server.assembly import assembled
from tokferry_server.rpc.admin_server import LONGEST_PATH, admin_socket
from tokferry_server.settings import Settings, settings_from_mapping


def settings_of(folder: Path) -> Settings:
    given = {
        "server": {"state_dir": str(folder)},
        "connections": {"shop": {"pixel_id": "C4MADEUPPIXEL0000001"}},
    }
    return settings_from_mapping(given, folder=folder.parent)


async def test_only_its_owner_may_open_it(shop: Shop) -> None:
    path = shop.state / "admin.sock"

    assert stat.S_ISSOCK(path.stat().st_mode)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(shop.state.stat().st_mode) == 0o700
    await shop.stop()
    assert not path.exists()


async def test_the_port_does_not_serve_it(shop: Shop) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{shop.port}") as channel:
        call = AdminServiceStub(channel).GetOutboxStats(GetOutboxStatsRequest())

        assert (await refused(call))[0] == "UNIMPLEMENTED"


async def test_a_service_without_an_outbox_says_so(tmp_path: Path) -> None:
    async with assembled(settings_of(tmp_path / "state")) as service:
        await service.admin.start()
        target = f"unix:{service.admin.path}"
        async with grpc.aio.insecure_channel(target) as channel:
            admin = AdminServiceStub(channel)
            status, text = await refused(admin.GetOutboxStats(GetOutboxStatsRequest()))
            statuses = await admin.ListConnectionStatuses(
                ListConnectionStatusesRequest()
            )

    assert (status, "add [outbox]" in text) == ("FAILED_PRECONDITION", True)
    assert [one.connection for one in statuses.statuses] == ["shop"]


async def test_a_socket_that_a_crash_left_behind_is_replaced(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(state / "admin.sock"))

    async with assembled(settings_of(state)) as service:
        await service.admin.start()
        reader, writer = await asyncio.open_unix_connection(service.admin.path)
        writer.close()
        assert not reader.at_eof()


async def test_a_second_service_is_refused_the_folder_of_the_first(shop: Shop) -> None:
    async with assembled(settings_of(shop.state)) as second:
        with pytest.raises(OSError, match="another service listens"):
            await second.admin.start()

    assert (await shop.letters()) == []


@pytest.mark.parametrize(
    ("name", "mode", "text"),
    [
        ("x" * 100, 0o700, "choose a shorter server.state_dir"),
        ("open", 0o755, "run chmod 700"),
        ("file", 0o700, "is in the way"),
    ],
)
async def test_a_folder_that_cannot_hold_it_is_named(
    tmp_path: Path, name: str, mode: int, text: str
) -> None:
    state = tmp_path / name
    state.mkdir()
    state.chmod(mode)
    if name == "file":
        (state / "admin.sock").write_text("")

    async with assembled(settings_of(state)) as service:
        with pytest.raises(OSError, match=text):
            await service.admin.start()


async def test_the_longest_path_can_be_bound(tmp_path: Path) -> None:
    size = LONGEST_PATH - len(os.fsencode(admin_socket(tmp_path))) - 1
    state = tmp_path / ("x" * size)

    async with assembled(settings_of(state)) as service:
        await service.admin.start()

        assert service.admin.path.is_socket()
        assert len(os.fsencode(service.admin.path)) == LONGEST_PATH


async def test_without_an_outbox_the_service_is_served_all_the_same(
    tmp_path: Path,
) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    file = tmp_path / "tokferry.toml"
    file.write_text('[connections.shop]\npixel_id = "C4MADEUPPIXEL0000001"\n')

    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "tokferry",
        *("serve", "--settings", str(file), "--listen", "127.0.0.1:0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 30)
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 40)

    assert line.startswith(b"listening on 127.0.0.1:")
    lines = [json.loads(line) for line in err.splitlines()]
    assert lines[1]["message"] == "no admin service"
    assert "server.state_dir" in lines[1]["error"]
    assert process.returncode == 0
