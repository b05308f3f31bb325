"""The admin service's own listener: a unix socket that only its owner can open."""

import asyncio
import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

import grpc

from tokferry.v1.admin_service_pb2_grpc import add_AdminServiceServicer_to_server
from tokferry_server.rpc.admin import AdminService
from tokferry_server.rpc.admission import Admission
from tokferry_server.rpc.body_memory import BodyMemory
from tokferry_server.rpc.guard import Guard
from tokferry_server.rpc.limits import MAX_MESSAGE_BYTES
from tokferry_server.rpc.listener import listener
from tokferry_server.rpc.turns import Turns
from tokferry_server.settings.seat import found
from tokferry_server.telemetry.telemetry import Telemetry

LONGEST_PATH: Final = 103
"""Bytes that a socket's path may have: 107 on Linux, 103 on macOS (``sun_path``)."""

_GRACE_S: Final = 1.0
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_allowed_incoming_connections", 16),
)


def admin_socket(state_dir: Path) -> Path:
    """Give the path of the socket of a state folder, for the first worker."""
    return Path(os.path.abspath(state_dir)) / "admin.sock"  # noqa: PTH100 - asks no disk


class AdminServer:
    """Serves one ``AdminService``; whoever can open the socket may call everything."""

    def __init__(
        self,
        service: AdminService,
        *,
        path: Path,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.path = path
        self._service = service
        self._telemetry = telemetry or Telemetry()
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Make the socket and listen.

        Raises:
            OSError: the socket cannot be made, or another service listens there; the
                text says what to do.
        """
        _prepare(self.path)
        turns = Turns()
        server = listener(
            self._telemetry.watch(),
            # It goes on while the service drains: that is when one wants to look.
            Guard(asyncio.Event(), turns),
            Admission(None, BodyMemory()),
            options=_OPTIONS,
            turns=turns,
        )
        add_AdminServiceServicer_to_server(self._service, server)
        before = os.umask(0o177)
        try:
            server.add_insecure_port(f"unix:{self.path}")
        except RuntimeError:
            raise OSError(f"cannot listen on {self.path}") from None
        finally:
            os.umask(before)
        self.path.chmod(0o600)
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Finish what is under way, for a second, and remove the socket."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop(_GRACE_S)
            with suppress(OSError):  # a broken disk: the next start removes it
                self.path.unlink()


def answers(path: Path) -> bool:
    """Say whether somebody listens on a socket.

    Raises:
        OSError: it may not be opened.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(os.fspath(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except BlockingIOError:  # its queue is full
            return True
    return True


def forget_sockets(state_dir: Path, workers: int) -> None:
    """Remove the sockets of workers that there are no more; one in use stays."""
    for number, path in found(admin_socket(state_dir)).items():
        if number >= workers and path.is_socket():
            with suppress(OSError):
                if not answers(path):
                    path.unlink()


def check_length(path: Path) -> None:
    """Refuse a path that no socket can have.

    Raises:
        OSError: it is too long.
    """
    size = len(os.fsencode(path))
    if size > LONGEST_PATH:
        raise OSError(
            errno.ENAMETOOLONG,
            f"{path} is {size} bytes long and a socket's path may have {LONGEST_PATH}: "
            "choose a shorter server.state_dir",
        )


def _prepare(path: Path) -> None:
    check_length(path)
    folder = path.parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = stat.S_IMODE(folder.stat().st_mode)
    except OSError as error:
        raise OSError(
            f"the folder {folder} (server.state_dir) cannot be used: {error.strerror}"
        ) from None
    if mode & 0o077:
        raise OSError(
            f"the folder {folder} (server.state_dir) is open to other users (mode "
            f"{mode:04o}): run chmod 700 on it, or name a folder that does not exist"
        )
    if not os.path.lexists(path):
        return
    if not path.is_socket():
        raise OSError(f"{path} is in the way of the admin socket: remove it")
    if answers(path):
        raise OSError(
            f"another service listens on {path}: stop it, or give this one a "
            "server.state_dir of its own"
        )
    path.unlink()
