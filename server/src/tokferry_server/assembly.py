"""The one place where settings become running objects."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version

from opentelemetry import trace

from tokferry_server.delivery.forward import Forwarder
from tokferry_server.delivery.poster import Timeouts
from tokferry_server.delivery.transport import Transport
from tokferry_server.rpc.connections import Connections
from tokferry_server.rpc.dispatch import Dispatch
from tokferry_server.rpc.server import Server
from tokferry_server.rpc.service import ForwardingService
from tokferry_server.settings import ConnectionSettings, Settings, TikTokSettings


@contextlib.asynccontextmanager
async def assembled(
    settings: Settings,
    *,
    tracer_provider: trace.TracerProvider | None = None,
    reflection: bool = False,
) -> AsyncIterator[Server]:
    """Give a server, ready to start; on leaving, requests to TikTok are waited for."""
    async with contextlib.AsyncExitStack() as stack:
        forwarders = {
            name: Forwarder(
                await stack.enter_async_context(
                    _transport(settings.tiktok, connection, tracer_provider)
                )
            )
            for name, connection in settings.connections.items()
        }
        connections = Connections(settings.connections, forwarders)
        draining = asyncio.Event()
        yield Server(
            ForwardingService(
                connections=connections,
                dispatch=Dispatch(connections=connections),
                draining=draining,
            ),
            draining=draining,
            tracer_provider=tracer_provider,
            reflection=reflection,
        )


def _transport(
    tiktok: TikTokSettings,
    connection: ConnectionSettings,
    tracer_provider: trace.TracerProvider | None,
) -> Transport:
    return Transport(
        base_url=tiktok.base_url,
        user_agent=f"tokferry/{version('tokferry-server')}",
        allow_loopback=tiktok.allow_loopback,
        timeouts=Timeouts(
            connect=connection.timeouts.connect,
            write=connection.timeouts.write,
            read=connection.timeouts.read,
            attempt=connection.timeouts.attempt,
        ),
        max_in_flight=connection.concurrency,
        tracer_provider=tracer_provider,
    )
