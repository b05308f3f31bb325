"""The gRPC server as a whole: options, listeners, health, drain."""

import asyncio
import contextlib
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health_pb2

from tokferry.v1 import forwarding_service_pb2
from tokferry.v1.forwarding_service_pb2_grpc import (
    add_ForwardingServiceServicer_to_server,
)
from tokferry_server import background
from tokferry_server.rpc.admission import Admission
from tokferry_server.rpc.guard import Guard
from tokferry_server.rpc.health import HasRoom, Health
from tokferry_server.rpc.limits import MAX_MESSAGE_BYTES
from tokferry_server.rpc.listener import listener
from tokferry_server.rpc.service import ForwardingService
from tokferry_server.rpc.trimming import keep_trimmed
from tokferry_server.rpc.turns import Turns
from tokferry_server.telemetry.telemetry import Telemetry

SERVICE = forwarding_service_pb2.DESCRIPTOR.services_by_name[
    "ForwardingService"
].full_name
DRAIN_GRACE_SECONDS = 25.0

OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", 8 * 1024),
    ("grpc.absolute_max_metadata_size", 16 * 1024),
    # Unread streams would buffer megabytes each as their window grows. So a stream of
    # small chunks moves at most this much in the time of a round trip; for a larger
    # message that is being read, gRPC opens the window as far as that is long.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 128 * 1024),
    ("grpc.max_concurrent_streams", 32),
    # On, it makes a plain channel with 64 concurrent calls fail some of them.
    ("grpc.http.overload_protection", 0),
    ("grpc.max_allowed_incoming_connections", 64),
    ("grpc.server_handshake_timeout_ms", 5000),
    # gRPC holds nobody to the limit of headers who has not agreed to it: until then it
    # takes 16 MiB for each of 32 calls.
    ("grpc.http2.settings_timeout", 5000),
    # Callers see CANCELLED when these are reached, and do not try again: they are above
    # what the connections and their streams come to.
    ("grpc.server.max_pending_requests", 4096),
    ("grpc.server.max_pending_requests_hard_limit", 8192),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # Pings are answered, however many: gRPC reads on after it has decided to hang up,
    # and each further ping then costs it the more, the more there were.
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.max_connection_idle_ms", 5 * 60_000),
    ("grpc.max_connection_age_ms", 30 * 60_000),
    ("grpc.max_connection_age_grace_ms", 5 * 60_000),
)


class Server:
    """One listening server. ``start`` binds, ``drain`` ends it without a lost call.

    With ``share_port`` other processes may listen on the same port.
    """

    def __init__(  # noqa: PLR0913  the parts it is made of
        self,
        service: ForwardingService,
        *,
        draining: asyncio.Event,
        admission: Admission,
        credentials: grpc.ServerCredentials | None = None,
        telemetry: Telemetry | None = None,
        reflection: bool = False,
        share_port: bool = False,
        has_room: HasRoom | None = None,
    ) -> None:
        self._draining = draining
        self._credentials = credentials
        self._health = Health((SERVICE,), has_room)
        self._trimming: asyncio.Task[None] | None = None
        turns = Turns()
        guard = Guard(draining, turns)
        self._server = listener(
            (telemetry or Telemetry()).watch(),
            guard,
            admission,
            options=(*OPTIONS, ("grpc.so_reuseport", int(share_port))),
            turns=turns,
        )
        add_ForwardingServiceServicer_to_server(service, self._server)
        self._health.add_to(self._server)
        if reflection:
            _add_reflection(self._server)

    async def start(self, listen: str) -> int:
        """Listen on ``host:port`` and give the port (0 takes a free one).

        Raises:
            OSError: if the address cannot be bound.
        """
        try:
            if self._credentials is None:
                port = self._server.add_insecure_port(listen)
            else:
                port = self._server.add_secure_port(listen, self._credentials)
        except RuntimeError:
            raise OSError(f"cannot listen on {listen}: is it in use?") from None
        await self._server.start()
        await self._health.begin()
        self._trimming = background.begin(keep_trimmed())
        return port

    async def drain(self, *, notice_seconds: float = 0.0) -> None:
        """Say NOT_SERVING, wait for that to be seen, refuse new calls, finish the rest.

        ``notice_seconds`` is how long load balancers have to look elsewhere.
        """
        await self._health.end()
        await asyncio.sleep(notice_seconds)
        self._draining.set()
        if self._trimming is not None:
            self._trimming.cancel()
        await self._server.stop(DRAIN_GRACE_SECONDS)

    async def wait(self) -> None:
        """Return when the server has stopped."""
        with contextlib.suppress(asyncio.CancelledError):
            await self._server.wait_for_termination()


def _add_reflection(server: grpc.aio.Server) -> None:
    from grpc_reflection.v1alpha import reflection

    names = (SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
    reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), server)
