"""Puts httpx's own transport in the place of our connections, to compare with it."""

from typing import Final

import httpx

from tokferry_server.delivery.transport import post
from tokferry_server.delivery.transport.dial import Dialer

_CONNECTIONS: Final = 64


def use_httpx() -> None:
    """Let every transport of this process send by httpx."""
    vars(post)["Lanes"] = _Pool


class _Pool(httpx.AsyncHTTPTransport):
    """One pool in clear text, to the sink on this machine; it may be waited for."""

    def __init__(self, _dialer: Dialer) -> None:
        limits = httpx.Limits(max_connections=_CONNECTIONS)
        super().__init__(trust_env=False, limits=limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["timeout"] = {**request.extensions["timeout"], "pool": None}
        return await super().handle_async_request(request)
