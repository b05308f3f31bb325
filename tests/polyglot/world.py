"""A sandbox and a server that the examples call, as processes of their own."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

from command import COMMAND
from rpc.authority import Authority

_SANDBOX_TOKEN: Final = "sandbox-token"  # the one it asks for by itself
TOKENS: Final = {
    "orders": "orders-" + "a1" * 16,
    "viewer": "viewer-" + "b2" * 16,
    "stranger": "stranger-" + "d4" * 16,
}
_SLOW: Final = {f"SLOW_{n}": f"slow-{n}-" + "c3" * 16 for n in range(9)}
"""Each may send one event, and the next long after: one for each time that is tried."""
_SETTINGS: Final = """\
[tiktok]
base_url = "{url}"
allow_loopback = true

[connections.shop]
pixel_id = "C4MADEUPPIXEL0000001"
access_token = {{ env = "TIKTOK_TOKEN" }}
rate = 2000

[server.tls]
certificate = "{certificate}"
key = "{key}"

[[server.principals]]
name = "orders"
tokens = [{{ env = "ORDERS" }}]
connections = ["shop"]
rights = ["transform", "forward"]

[[server.principals]]
name = "viewer"
tokens = [{{ env = "VIEWER" }}]
connections = ["shop"]
rights = ["transform"]
"""

_SLOW_PRINCIPAL: Final = """
[[server.principals]]
name = "{name}"
tokens = [{{ env = "{name}" }}]
connections = ["shop"]
rights = ["transform", "forward"]
events_per_second = 0.05
"""


class World:
    """The processes, and the certificates and tokens of their callers."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self._folder = folder
        pair = self.authority.pair("server")
        self._sandbox, line = self._start("sandbox", "--port", "0")
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, line
        self._url = found[0]
        self._settings = folder / "settings.toml"
        self._settings.write_text(
            _SETTINGS.format(url=self._url, certificate=pair.certificate, key=pair.key)
            + "".join(_SLOW_PRINCIPAL.format(name=name) for name in _SLOW)
        )
        self._rested = iter(_SLOW.values())
        self._listen = "localhost:0"
        self.start()

    def start(self) -> None:
        """Start the server, again on the port that it had."""
        self._server, line = self._start(
            "serve", f"--settings={self._settings}", f"--listen={self._listen}"
        )
        found = re.fullmatch(r"listening on \S+:(\d+)\n", line)
        assert found, line
        self._listen = self.target = f"localhost:{found[1]}"

    def stop(self, by: signal.Signals) -> None:
        """End the server by a signal, and wait for its end."""
        self._server.send_signal(by)
        self._server.wait(60)

    def end(self) -> None:
        """End both."""
        # Of the sandbox, a shell may have had SIGINT ignored.
        self._server.send_signal(signal.SIGINT)
        self._sandbox.send_signal(signal.SIGTERM)
        for process in (self._server, self._sandbox):
            process.communicate(timeout=40)

    def variables(self, caller: str = "orders") -> dict[str, str]:
        """Give what a caller is told by its environment."""
        return {
            "TOKFERRY_TARGET": self.target,
            "TOKFERRY_CA": str(self.authority.file),
            "TOKFERRY_TOKEN": next(self._rested)
            if caller == "slow"
            else TOKENS[caller],
        }

    def counts(self) -> dict[str, int]:
        """Give what the sandbox counted."""
        with urlopen(f"{self._url}/sandbox/requests") as answer:
            return dict(json.load(answer))

    def events(self) -> list[dict[str, Any]]:
        """Give the events that the sandbox took."""
        with urlopen(f"{self._url}/sandbox/events") as answer:
            return list(json.load(answer)["events"])

    def forget(self) -> None:
        """Let the sandbox forget everything."""
        url = f"{self._url}/sandbox/events"
        with urlopen(Request(url, method="DELETE")):
            pass

    def wait_for(self, events: int, seconds: float = 60.0) -> None:
        """Wait until the sandbox has taken so many."""
        end = time.monotonic() + seconds
        while self.counts()["taken"] < events:
            assert time.monotonic() < end, self.counts()
            time.sleep(0.02)

    def _start(self, *arguments: str) -> tuple[subprocess.Popen[str], str]:
        with (self._folder / f"{arguments[0]}.err").open("a") as errors:
            process = subprocess.Popen(
                [*COMMAND, *arguments],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={
                    **os.environ,
                    "TIKTOK_TOKEN": _SANDBOX_TOKEN,
                    **{name.upper(): token for name, token in TOKENS.items()},
                    **_SLOW,
                },
            )
        assert process.stdout is not None
        return process, process.stdout.readline()
