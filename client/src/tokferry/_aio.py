"""The client for asyncio."""

# ruff: noqa: ASYNC109 - a timeout here is the call's deadline, which the server sees

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import grpc
import grpc.aio

from tokferry import _requests
from tokferry._channel import DEFAULT_TARGET, DEFAULT_TIMEOUT, channel_settings
from tokferry._errors import error_from
from tokferry._requests import Batches, Mode
from tokferry._stream import (
    DEFAULT_CHUNK_EVENTS,
    DEFAULT_PATIENCE,
    DEFAULT_WINDOW_CHUNKS,
    Plan,
)
from tokferry._stream_aio import AsyncForwardStream
from tokferry._stream_cut import MAX_BYTES, Item
from tokferry._tls import Tls
from tokferry.v1 import (
    ConnectionSettings,
    DescribeConnectionResponse,
    ForwardResponse,
    TransformResponse,
)
from tokferry.v1.forwarding_service_pb2_grpc import ForwardingServiceStub

if TYPE_CHECKING:
    from tokferry.v1.forwarding_service_pb2_grpc import ForwardingServiceAsyncStub

_Response = TypeVar("_Response")
Source = Item | Iterable[Item] | AsyncIterable[Item]


class AsyncClient:
    """A connection to a Tokferry server, for the tasks of one event loop.

    The connection is opened by the first call, in the loop of that call.

    Args:
        target: the server's address, such as `tokferry.example.com:443`.
        token: the caller's own token at the server (never TikTok's).
        tls: True for TLS with the system's certificates, `Tls(...)` for those of one's
            own, gRPC's channel credentials for anything else, False for plaintext.
        timeout: the deadline of a call that names none, in seconds.

    Raises:
        ValueError: a token would travel in clear text to another machine, holds other
            than visible ASCII, or the timeout is not a positive number.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        token: str | None = None,
        tls: bool | Tls | grpc.ChannelCredentials = False,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._settings = channel_settings(target, token=token, tls=tls, timeout=timeout)
        self._channel: grpc.aio.Channel | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        """Give the client itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        await self.close()

    async def close(self) -> None:
        """Close the connection. Calls under way end with Cancelled."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()

    async def transform(  # noqa: PLR0913 - the call's own options, by keyword
        self,
        batches: Batches,
        *,
        connection: str = "",
        settings: ConnectionSettings | None = None,
        explain: bool = False,
        test_event_code: str | None = None,
        timeout: float | None = None,
    ) -> TransformResponse:
        """Show what TikTok would receive, and send nothing.

        Args:
            batches: a Batch, several, or mParticle JSON as text, bytes or dicts.
            connection: the name of a connection of the server.
            settings: settings to use instead of a connection's.
            explain: whether to say where each value comes from.
            test_event_code: the code of TikTok's Test Events page.
            timeout: the deadline of the call, in seconds; None means the client's.

        Raises:
            TokferryError: the call failed as a whole.
            TypeError: `batches` is nothing that could hold batches.
            ValueError: an argument is wrong.
        """
        request = _requests.transform_request(
            batches,
            connection=connection,
            settings=settings,
            explain=explain,
            test_event_code=test_event_code,
        )
        return await self._call(self._stub().Transform, request, timeout)

    async def forward(  # noqa: PLR0913 - the call's own options, by keyword
        self,
        batches: Batches,
        *,
        connection: str,
        mode: Mode | None = None,
        validate_only: bool = False,
        label: str = "",
        test_event_code: str | None = None,
        timeout: float | None = None,
    ) -> ForwardResponse:
        """Deliver events to TikTok.

        The call succeeds whenever there are results, even if all events failed: look
        at `results` or `totals`.

        Args:
            batches: a Batch, several, or mParticle JSON as text, bytes or dicts.
            connection: the name of a connection of the server.
            mode: "sync" waits for TikTok, "durable" for the server's outbox; None
                leaves it to the server.
            validate_only: whether to do everything but send and store.
            label: a name, at most 64 characters, to ask the outbox about later.
            test_event_code: the code of TikTok's Test Events page.
            timeout: the deadline of the call, in seconds; None means the client's.

        Raises:
            TokferryError: the call failed as a whole.
            TypeError: `batches` is nothing that could hold batches.
            ValueError: an argument is wrong.
        """
        request = _requests.forward_request(
            batches,
            connection=connection,
            mode=mode,
            validate_only=validate_only,
            label=label,
            test_event_code=test_event_code,
        )
        return await self._call(self._stub().Forward, request, timeout)

    def forward_stream(  # noqa: PLR0913 - the call's own options, by keyword
        self,
        source: Source,
        *,
        connection: str,
        mode: Mode | None = None,
        validate_only: bool = False,
        label: str = "",
        test_event_code: str | None = None,
        chunk_events: int = DEFAULT_CHUNK_EVENTS,
        chunk_bytes: int = MAX_BYTES,
        window_chunks: int = DEFAULT_WINDOW_CHUNKS,
        patience: float = DEFAULT_PATIENCE,
    ) -> AsyncForwardStream:
        """Deliver events in bulk, and give the answer for each chunk as it comes.

        Chunks without an answer are sent again when the connection breaks or the
        server restarts; a chunk is answered once. Once the source fails, what was read
        of it is answered, and its error raised.

        Args:
            source: batches, from an iterable or an async one, or text with one batch
                a line. Each is a Batch, mParticle's JSON as a dict, or the JSON of one
                batch.
            connection: the name of a connection of the server.
            mode: "sync" waits for TikTok, "durable" for the server's outbox; None
                leaves it to the server.
            validate_only: whether to do everything but send and store.
            label: a name, at most 64 characters, to ask the outbox about later.
            test_event_code: the code of TikTok's Test Events page.
            chunk_events: about how many events a chunk holds, at most 1000.
            chunk_bytes: how large a chunk's message may be, at most 1 MiB.
            window_chunks: how many chunks may be without an answer, unless the server
                allows fewer.
            patience: for how many seconds to try again without an answered chunk.

        Raises:
            TokferryError: while iterating; nothing is known of chunks not answered.
            TypeError: `source` is nothing that could hold batches.
            ValueError: an argument is wrong, or, while iterating, a batch is.
        """
        plan = Plan(
            options=_requests.stream_options(
                connection=connection,
                mode=mode,
                validate_only=validate_only,
                label=label,
                test_event_code=test_event_code,
            ),
            chunk_events=chunk_events,
            chunk_bytes=chunk_bytes,
            window_chunks=window_chunks,
            patience=patience,
        )
        return AsyncForwardStream(self._open_stream, source, plan)

    async def describe_connection(
        self, name: str, *, timeout: float | None = None
    ) -> DescribeConnectionResponse:
        """Show a connection's settings, without secrets, and its mapping.

        Raises:
            TokferryError: the call failed; FailedPrecondition if there is no such
                connection.
        """
        request = _requests.describe_connection_request(name)
        return await self._call(self._stub().DescribeConnection, request, timeout)

    def _open_stream(self) -> object:
        return self._stub().ForwardStream(metadata=self._settings.metadata())

    def _stub(self) -> ForwardingServiceAsyncStub:
        if self._closed:
            raise ValueError("this AsyncClient is closed")
        if self._channel is None:
            # Not in the constructor: grpc.aio ties a channel to the running loop.
            target, settings = self._settings.target, self._settings
            self._channel = (
                grpc.aio.insecure_channel(target, options=settings.options)
                if settings.credentials is None
                else grpc.aio.secure_channel(
                    target, settings.credentials, options=settings.options
                )
            )
        return ForwardingServiceStub(self._channel)

    async def _call(
        self,
        method: Callable[..., Awaitable[_Response]],
        request: object,
        timeout: float | None,
    ) -> _Response:
        deadline, metadata = self._settings.deadline(timeout), self._settings.metadata()
        try:
            return await method(request, timeout=deadline, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise error_from(
                error.code(), error.details(), error.trailing_metadata()
            ) from error
