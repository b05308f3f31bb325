"""Opens connections: resolves the name, checks every address, and uses what it checked.

The name is never resolved a second time, so that no other answer can slip in between.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import httpx

from tokferry_server.delivery.address import BaseUrl
from tokferry_server.delivery.destination import may_connect
from tokferry_server.delivery.transport.failures import ForbiddenAddressError
from tokferry_server.delivery.transport.line import Line

_HEAD_START_S: Final = 0.25  # https://www.rfc-editor.org/rfc/rfc8305#section-5

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Gives the IP addresses of a host, the best first."""


async def resolve(host: str) -> list[str]:
    """Ask the system for the addresses of a host.

    Raises:
        socket.gaierror: it has none, or nobody knows.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Dialer:
    """Opens connections to one host. ``context`` None is for clear text."""

    def __init__(
        self, base: BaseUrl, context: ssl.SSLContext | None, resolve: Resolve
    ) -> None:
        self._base = base
        self._context = context
        self._resolve = resolve

    async def dial(self, limit: float | None) -> Line:
        """Open a connection within ``limit`` seconds.

        Raises:
            httpx.ConnectTimeout: it took longer.
            httpx.ConnectError: it failed; the cause says why.
        """
        try:
            async with asyncio.timeout(limit):
                return await self._open(await self._addresses())
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection in time") from error
        except (OSError, ForbiddenAddressError) as error:
            raise httpx.ConnectError("no connection") from error

    async def _addresses(self) -> list[str]:
        found = await self._resolve(self._base.host)
        allowed = [
            address
            for address in found
            if may_connect(address, loopback=self._base.loopback)
        ]
        if not allowed:
            raise ForbiddenAddressError(self._base.host)
        return allowed

    async def _open(self, addresses: Sequence[str]) -> Line:
        loop = asyncio.get_running_loop()
        end = await _first(addresses, self._base.port)
        try:
            _, line = await loop.create_connection(
                Line,
                sock=end,
                ssl=self._context,
                server_hostname=self._base.host if self._context else None,
            )
        except BaseException as error:
            end.close()
            if isinstance(error, ConnectionError):
                raise ssl.SSLError("the handshake broke off") from error
            raise
        return line


async def _first(addresses: Sequence[str], port: int) -> socket.socket:
    """Connect to the first address that answers, each with a head start on the next."""
    if len(addresses) == 1:
        return await _connect(addresses[0], port)
    left = list(addresses)
    tries: set[asyncio.Task[socket.socket]] = set()
    error: BaseException = OSError("no address")
    try:
        while left or tries:
            if left:
                tries.add(asyncio.create_task(_connect(left.pop(0), port)))
            done, tries = await asyncio.wait(
                tries,
                timeout=_HEAD_START_S if left else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for one in done:
                if (failed := one.exception()) is None:
                    tries |= done - {one}
                    return one.result()
                error = failed
    finally:
        await _give_up(tries)
    raise error


async def _give_up(tries: set[asyncio.Task[socket.socket]]) -> None:
    for one in tries:
        one.cancel()
    for ended in await asyncio.gather(*tries, return_exceptions=True):
        if isinstance(ended, socket.socket):
            ended.close()


async def _connect(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    end = socket.socket(family, socket.SOCK_STREAM)
    with contextlib.ExitStack() as undo:
        undo.callback(end.close)
        end.setblocking(False)
        await asyncio.get_running_loop().sock_connect(end, (address, port))
        undo.pop_all()
    return end
