"""Replaces TikTok's token, the callers' token and the certificate, in turns."""

import asyncio
import contextlib
import secrets
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Final

from rpc.authority import Authority
from soak.desk import Desk

_OVERLAP_S: Final = 3.0
"""For how long an old token still counts once the new one is in place: the server looks
at callers' tokens once a second, and a request of its own may be under way."""
_PROTOCOLS: Final = ["h2"]


class Rotation:
    """The secrets of one run, in the files that the server reads.

    ``done`` counts the rotations by kind; ``problems`` says what did not take effect.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.authority = Authority(folder)
        self._tiktok = secrets.token_hex(16)
        self._slot = 0
        self.token = secrets.token_hex(32)
        self.done: Counter[str] = Counter()
        self.problems: list[str] = []
        self._tell_sandbox(self._tiktok)
        self._put("tiktok.token", self._tiktok)
        self._put("caller-0.token", self.token)
        self._put("caller-1.token", secrets.token_hex(32))
        self._issue()

    async def run(
        self, desk: Desk, port: int, seconds: float, stop: asyncio.Event
    ) -> None:
        """Do each kind every ``seconds``, but once at least; finish what has begun."""
        steps: tuple[Callable[[], Awaitable[None]], ...] = (
            self._access_token,
            partial(self._caller_token, desk),
            partial(self._certificate, desk, port),
        )
        for step in cycle(steps):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), seconds / len(steps))
            if stop.is_set() and len(self.done) == len(steps):
                return
            await step()

    async def _access_token(self) -> None:
        """Issue a new one, put it in place, and revoke the old one after a while."""
        old, self._tiktok = self._tiktok, secrets.token_hex(16)
        self._tell_sandbox(self._tiktok, old)
        self._put("tiktok.token", self._tiktok)
        await asyncio.sleep(_OVERLAP_S)
        self._tell_sandbox(self._tiktok)
        self.done["access token"] += 1

    async def _caller_token(self, desk: Desk) -> None:
        """Write the second file, let callers change over, and empty the first."""
        old, self._slot = self._slot, 1 - self._slot
        self.token = secrets.token_hex(32)
        self._put(f"caller-{self._slot}.token", self.token)
        await asyncio.sleep(_OVERLAP_S)
        await desk.relieve(self.token)
        self._put(f"caller-{old}.token", "")
        self.done["caller's token"] += 1

    async def _certificate(self, desk: Desk, port: int) -> None:
        """Put a new pair in place, and let callers connect anew."""
        made = self._issue()
        await desk.relieve(self.token)
        if await asyncio.to_thread(self._shown, port) != made:
            self.problems.append("a new certificate was not shown to a new connection")
        self.done["certificate"] += 1

    def _issue(self) -> bytes:
        """Make a pair and rename it into its place; gives the certificate."""
        pair = self.authority.pair("new", valid=timedelta(days=1))
        made = ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())
        pair.certificate.replace(self._folder / "server.pem")
        pair.key.replace(self._folder / "server.key")
        return made

    def _shown(self, port: int) -> bytes | None:
        context = ssl.create_default_context(cafile=str(self.authority.file))
        context.set_alpn_protocols(_PROTOCOLS)
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            return secured.getpeercert(binary_form=True)

    def _tell_sandbox(self, *tokens: str) -> None:
        self._put("known.tokens", "\n".join(tokens))

    def _put(self, name: str, text: str) -> None:
        """Replace a file in one step."""
        new = self._folder / f"{name}.new"
        new.write_text(text)
        new.replace(self._folder / name)
