"""A stand-in of TikTok's Events API on loopback, with scripted faults."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Self

import h11

from tokferry_server.sandbox.control import Control
from tokferry_server.sandbox.endpoints import (
    Answers,
    Gate,
    Reply,
    is_endpoint,
    read_events,
    scripted,
)
from tokferry_server.sandbox.faults import Fault, Script
from tokferry_server.sandbox.http import BodyTooLargeError, Head, Peer
from tokferry_server.sandbox.ledger import Counts, Ledger, Sent, Taken

_HARD_LIMIT = 16_000_000
_HTML = b"<html><head><title>%d</title></head><body>%d</body></html>"


class Sandbox:
    """Serves the Events API while entered: ``async with Sandbox(token="t") as s``.

    ``port`` 0 takes a free one; ``pixels`` lists the source ids it knows (None: any).
    ``validate`` False only counts, for benchmarks. ``clock`` gives Unix
    seconds for the 48 hours; ``sleep`` waits for scripted delays.
    """

    def __init__(  # noqa: PLR0913  keyword-only settings
        self,
        *,
        token: str,
        host: str = "127.0.0.1",
        port: int = 0,
        pixels: Collection[str] | None = None,
        validate: bool = True,
        faults: Iterable[Fault] = (),
        max_bytes: int = 1_000_000,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._host = host
        self._port = port
        self._validate = validate
        self._sleep = sleep
        self._gate = Gate(
            token=token,
            pixels=pixels,
            max_bytes=max_bytes,
            validate=validate,
            clock=clock,
        )
        self._ledger = Ledger(clock=clock)
        self._faults = Script(faults)
        self._answers = Answers()
        self._control = Control(self._ledger, self._faults)
        self._peers: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Begin to listen; an ``OSError`` says that the port is taken."""
        self._server = await asyncio.start_server(self._accept, self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Stop listening and break what is open."""
        if self._server is not None:
            self._server.close()
        for task in self._peers:
            task.cancel()
        await asyncio.gather(*self._peers, return_exceptions=True)

    @property
    def url(self) -> str:
        """The base URL, such as ``http://127.0.0.1:40001``."""
        return f"http://{self._host}:{self._port}"

    @property
    def counts(self) -> Counts:
        """Requests, events taken and their copies so far."""
        return self._ledger.counts

    @property
    def events(self) -> list[Taken]:
        """The first copies, in the order they were taken."""
        return self._ledger.events

    def script(self, faults: Iterable[Fault]) -> None:
        """Put faults behind those that are scripted already."""
        self._faults.add(faults)

    def reset(self) -> None:
        """Forget the events, the counts and the faults."""
        self._ledger.clear()
        self._faults.clear()

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._peers.add(task)
            task.add_done_callback(self._peers.discard)
        peer = Peer(reader, writer)
        with contextlib.suppress(
            OSError, h11.ProtocolError, BodyTooLargeError, asyncio.CancelledError
        ):
            while (head := await peer.head()) is not None:
                await self._serve(peer, head)
        peer.close()

    async def _serve(self, peer: Peer, head: Head) -> None:
        if not is_endpoint(head.path):
            body = await peer.body(_HARD_LIMIT)
            status, answer = self._control.answer(head.method, head.path, body)
            await peer.answer(status, answer)
            return
        self._ledger.counts.requests += 1
        fault = self._faults.next_unread()
        if fault is not None:
            await self._sleep(fault.delay)
            peer.reset()
            return
        body = await peer.body(_HARD_LIMIT)
        if head.method != "POST":
            await peer.answer(405, b"", content_type="text/plain")
            return
        sent = read_events(body) if self._validate or self._faults else []
        fault = self._faults.next(sent)
        if fault is not None:
            await self._misbehave(peer, head, body, sent, fault)
            return
        await self._reply(peer, self._take(head, body, sent))

    def _take(self, head: Head, body: bytes, sent: list[Sent]) -> Reply:
        refusal = self._gate.refusal(head, body, sent)
        if refusal is None and self._validate:
            self._ledger.take(sent)
        elif refusal is None:
            self._ledger.counts.taken += body.count(b'"event":')
        return refusal or Reply()

    async def _reply(
        self, peer: Peer, reply: Reply, retry_after: int | None = None
    ) -> None:
        body = self._answers.body(reply)
        await peer.answer(reply.status, body, retry_after=retry_after)

    async def _misbehave(
        self, peer: Peer, head: Head, body: bytes, sent: list[Sent], fault: Fault
    ) -> None:
        reply = Reply()
        if fault.taken or fault.reply == "handle":
            reply = self._take(head, body, sent)
        if fault.delay:
            await self._sleep(fault.delay)
        match fault.reply:
            case "handle":
                await self._reply(peer, reply, fault.retry_after)
            case "code" | "refuse":
                await self._reply(peer, scripted(fault, sent), fault.retry_after)
            case "html":
                await _page(peer, fault)
            case "text":
                await peer.answer(fault.status, b"", content_type="text/plain")
            case "truncated":
                await peer.answer_half(fault.status, self._answers.body(reply))
            case _:
                peer.reset()


async def _page(peer: Peer, fault: Fault) -> None:
    page = _HTML % (fault.status, fault.status)
    kind = "text/html"
    retry_after = fault.retry_after
    await peer.answer(fault.status, page, content_type=kind, retry_after=retry_after)


async def serve(
    *, token: str, port: int, pixels: Collection[str] | None = None
) -> None:
    """Run a sandbox on loopback until cancelled.

    Raises:
        OSError: the port is taken.
    """
    async with Sandbox(token=token, port=port, pixels=pixels):
        await asyncio.Event().wait()
