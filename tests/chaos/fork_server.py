"""Runs scripts in processes that need not import the world anew, each time it is asked.

``python fork_server.py SOCKET``: each connection to the socket brings one line of JSON,
and gets back the id of the process, its output and, at last, its exit status. Nothing
outlives whoever asked for it.
"""

import contextlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
Failpoint = Callable[[], None]


def preload() -> None:
    """Import what takes long."""
    from tokferry_server.delivery import failpoints

    vars(failpoints)["failpoint"] = late(failpoints.failpoint)
    import tokferry_server.assembly
    import tokferry_server.cli.serve

    del tokferry_server


def late(failpoint: Callable[[str], Failpoint]) -> Callable[[str], Failpoint]:
    """Look into the environment at the first pass, not when a module is imported."""

    def choose(name: str) -> Failpoint:
        chosen: list[Failpoint] = []

        def point() -> None:
            if not chosen:
                chosen.append(failpoint(name))
            chosen[0]()

        return point

    return choose


def next_task(path: str) -> dict[str, Any]:
    """Serve until a process comes out of it that has a script to run."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("listening", flush=True)
        while True:
            ready, _, _ = select.select([listener.fileno(), 0], [], [])
            if 0 in ready:  # whoever started it is gone
                os._exit(0)
            connection, _ = listener.accept()
            if os.fork() == 0:
                break
            connection.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
    return watched(connection)


def watched(connection: socket.socket) -> dict[str, Any]:
    """Fork once more: the parent tells how the child ends."""
    with connection.makefile("rb") as lines:
        task: dict[str, Any] = json.loads(lines.readline())
    child = os.fork()
    if child:
        connection.sendall(f"{child}\n".encode())
        ended = os.pidfd_open(child)
        ready, _, _ = select.select([connection.fileno(), ended], [], [])
        if ended not in ready:  # whoever asked is gone
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        with contextlib.suppress(OSError):
            text = f"status {os.waitstatus_to_exitcode(status)}\n"
            connection.sendall(text.encode())
        os._exit(0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    errors = os.open(task["errors"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(connection.fileno(), 1)
    os.dup2(errors, 2)
    connection.close()
    return task


def main() -> None:
    """Serve; in a child, run its script as if it had been started alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    preload()
    task = next_task(sys.argv[1])
    os.environ.clear()
    os.environ.update(task["environment"])
    sys.argv = [task["script"], *task["arguments"]]
    runpy.run_path(task["script"], run_name="__main__")


if __name__ == "__main__":
    main()
