"""The server that `tokferry forward` speaks to: a running one, or one of its own."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from tokferry import AsyncClient, DeadlineExceeded, TokferryError, Unavailable
from tokferry_server.assembly import assembled
from tokferry_server.cli.forward_identity import NOBODY, Identity
from tokferry_server.delivery.outbox.interface import OutboxError
from tokferry_server.settings import Settings

_LOOK_SECONDS = 10.0


class TargetError(Exception):
    """The server, or the connection there, cannot be used; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to forward to: ``local`` are the settings of a server of one's own."""

    connection: str
    address: str = ""
    identity: Identity = NOBODY
    local: Settings | None = None
    mode: str | None = None


@contextlib.asynccontextmanager
async def reached(target: Target) -> AsyncIterator[AsyncClient]:
    """Give a client of the target, whose server may end with it.

    Raises:
        TargetError: there is no server, or none could be started.
    """
    if target.local is None:
        try:
            own = target.identity
            client = AsyncClient(target.address, tls=own.tls, token=own.token)
        except (OSError, ValueError) as error:
            raise TargetError(str(error)) from None
        async with client:
            yield client
        return
    # Nobody but this very process calls.
    server = replace(target.local.server, principals=(), tls=None)
    settings = replace(target.local, server=server)
    if target.mode != "durable":
        # The outbox may be another process's, and nothing is stored here.
        settings = replace(settings, outbox=None)
    async with contextlib.AsyncExitStack() as stack:
        try:
            service = await stack.enter_async_context(assembled(settings))
        except OutboxError as error:
            raise TargetError(str(error)) from None
        if service.durable is not None:
            await service.admin.start()
        port = await service.server.start("127.0.0.1:0")
        stack.push_async_callback(service.server.drain)
        client = AsyncClient(f"127.0.0.1:{port}")
        yield await stack.enter_async_context(client)


async def check(client: AsyncClient, target: Target, *, test: bool) -> None:
    """Find out before anything is read whether the connection is there.

    Raises:
        TargetError: it is not, or has no test event code though ``test`` needs one.
    """
    try:
        described = await client.describe_connection(
            target.connection, timeout=_LOOK_SECONDS
        )
    except (Unavailable, DeadlineExceeded):
        raise TargetError(
            f"no server answers at {target.address}: start one with `tokferry serve`, "
            "or use --local"
        ) from None
    except TokferryError as error:
        raise TargetError(str(error)) from None
    if test and not described.settings.test_event_code:
        raise TargetError(
            f'--test: connection "{target.connection}" has no test event code; '
            "give the one of TikTok's Test Events page with --test-event-code"
        )
