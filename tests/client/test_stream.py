"""Bulk delivery against a scripted server: windows, breaks, sources, errors."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from tokferry import AsyncClient, ChunkAnswer, Client, TokferryError, _stream
from tokferry.mparticle.v1 import Batch, Event, ScreenView
from tokferry.v1 import (
    Chunk,
    ChunkResult,
    DeliveryMode,
    EventResult,
    ForwardStreamResponse,
    ForwardTotals,
    Outcome,
    StreamDraining,
    StreamOpened,
    StreamTotals,
)
from tokferry.v1.forwarding_service_pb2_grpc import (
    ForwardingServiceServicer,
    add_ForwardingServiceServicer_to_server,
)

pytestmark = pytest.mark.timeout(60)
Requests = AsyncIterator[Any]
Part = Callable[["Server", Requests, Any], AsyncIterator[ForwardStreamResponse]]


def opened(chunks: int = 64, size: int = 8 * 2**20) -> ForwardStreamResponse:
    return ForwardStreamResponse(
        opened=StreamOpened(
            mode=DeliveryMode.DELIVERY_MODE_SYNC,
            window_chunks=chunks,
            window_bytes=size,
        )
    )


def answer(chunk: Chunk) -> ForwardStreamResponse:
    """Deliver every batch of a chunk as if it held one event."""
    lines = chunk.json.split(b"\n") if chunk.json else chunk.batches.batches
    results = [
        EventResult(batch=index, event=0, outcome=Outcome.OUTCOME_DELIVERED)
        for index, _ in enumerate(lines)
    ]
    totals = ForwardTotals(received=len(results), delivered=len(results))
    return ForwardStreamResponse(
        chunk=ChunkResult(sequence=chunk.sequence, results=results, totals=totals)
    )


async def well(server: Server, requests: Requests, _: Any) -> AsyncIterator[Any]:
    """Answer every chunk."""
    yield opened()
    async for request in requests:
        yield answer(server.note(request.chunk))
    yield ForwardStreamResponse(totals=StreamTotals())


def breaks_after(answers: int, reading: int = 10**6) -> Part:
    """Read so many chunks and break, when so many are answered."""

    async def part(server: Server, requests: Requests, context: Any) -> Any:
        yield opened()
        read = 0
        async for request in requests:
            chunk = server.note(request.chunk)
            read += 1
            if read <= answers:
                yield answer(chunk)
            if read >= min(reading, answers + 1):
                await asyncio.sleep(0.05)  # gRPC drops what is unread at an error
                await context.abort(grpc.StatusCode.UNAVAILABLE, "broken on purpose")

    return part


@dataclass
class Server(ForwardingServiceServicer):
    """Plays one part for each stream, the last one again and again."""

    parts: list[Part] = field(default_factory=lambda: [well])
    options: list[Any] = field(default_factory=list)
    chunks: list[list[Chunk]] = field(default_factory=list)

    def note(self, chunk: Chunk) -> Chunk:
        self.chunks[-1].append(chunk)
        return chunk

    async def ForwardStream(self, requests: Requests, context: Any) -> Any:  # noqa: N802
        self.options.append((await anext(requests)).options)
        self.chunks.append([])
        part = self.parts.pop(0) if len(self.parts) > 1 else self.parts[0]
        async for response in part(self, requests, context):
            yield response


@pytest.fixture
def server() -> Server:
    return Server()  # type: ignore[abstract]  # one call is all that is played


@pytest.fixture
async def target(server: Server) -> AsyncIterator[str]:
    running = grpc.aio.server()
    add_ForwardingServiceServicer_to_server(server, running)
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    yield f"127.0.0.1:{port}"
    await running.stop(None)


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_stream, "_FIRST_BACKOFF", 0.01)


Collect = Callable[..., Awaitable[list[ChunkAnswer]]]


@pytest.fixture(params=[Client, AsyncClient], ids=["blocking", "asyncio"])
async def collect(request: pytest.FixtureRequest, target: str) -> Collect:
    """Give a function that forwards a source and lists the answers."""

    async def asyncio_one(source: Any, **options: Any) -> list[ChunkAnswer]:
        async with AsyncClient(target) as client:
            stream = client.forward_stream(source, connection="shop", **options)
            return [one async for one in stream]

    def blocking_one(source: Any, **options: Any) -> list[ChunkAnswer]:
        with Client(target) as client:
            return list(client.forward_stream(source, connection="shop", **options))

    async def blocking(source: Any, **options: Any) -> list[ChunkAnswer]:
        return await asyncio.to_thread(blocking_one, source, **options)

    return blocking if request.param is Client else asyncio_one


def lines(number: int, first: int = 0) -> list[bytes]:
    return [
        json.dumps({"events": [{"event_type": "screen_view"}], "n": n}).encode()
        for n in range(first, first + number)
    ]


def covered(answers: list[ChunkAnswer]) -> list[int]:
    """The indexes of the source that were answered, sorted."""
    return sorted(
        n for one in answers for n in range(one.first, one.first + one.batches)
    )


async def test_the_options_and_the_chunks_arrive(collect: Any, server: Any) -> None:
    answers = await collect(
        lines(250), mode="durable", label="import-7", test_event_code="T1"
    )

    (options,) = server.options
    assert (options.connection, options.label) == ("shop", "import-7")
    assert options.mode == DeliveryMode.DELIVERY_MODE_DURABLE
    assert options.test_event_code == "T1"
    sizes = [one.json.count(b"\n") + 1 for one in server.chunks[0]]
    assert sizes == [100, 100, 50]
    assert [one.sequence for one in answers] == [1, 2, 3]
    assert [one.first for one in answers] == [0, 100, 200]
    last = answers[-1]
    assert last.source_index(last.results[7]) == 207


BATCH = Batch(events=[Event(screen_view=ScreenView(screen_name="Start"))])
DECODED = {"events": [{"event_type": "screen_view"}], "ip": "203.0.113.7"}
TEXT = json.dumps(DECODED)


@pytest.mark.parametrize(
    ("source", "number"),
    [
        ([BATCH, BATCH], 2),
        (BATCH, 1),
        (DECODED, 1),
        ([DECODED, TEXT, TEXT.encode()], 3),
        (f"{TEXT}\n\n{TEXT}\r\n", 2),
        (b"\xef\xbb\xbf" + TEXT.encode(), 1),
        ([json.dumps(DECODED, indent=2)], 1),
        ([], 0),
        ("", 0),
    ],
)
async def test_batches_may_come_in_every_form(
    collect: Any, server: Any, source: Any, number: int
) -> None:
    assert covered(await collect(source)) == list(range(number))

    for chunk in server.chunks[0]:
        for line in chunk.json.splitlines():
            assert json.loads(line) == DECODED
        assert all(one == BATCH for one in chunk.batches.batches)


async def test_empty_lines_are_passed_over_but_counted(collect: Any) -> None:
    answers = await collect(["\n", TEXT, TEXT, b" ", TEXT, ""])

    assert [(one.first, one.batches) for one in answers] == [(1, 2), (4, 1)]


async def test_typed_batches_and_json_never_share_a_chunk(collect: Any) -> None:
    answers = await collect([BATCH, TEXT, TEXT, BATCH])

    assert [one.batches for one in answers] == [1, 2, 1]


async def test_a_chunk_stays_below_its_bytes(collect: Any, server: Any) -> None:
    big = [{"events": [], "x": "y" * 5_000} for _ in range(30)]

    answers = await collect(big, chunk_bytes=16_384)

    assert covered(answers) == list(range(30))
    assert all(one.ByteSize() <= 16_384 for one in server.chunks[0])
    assert [one.batches for one in answers] == [3] * 10


async def test_a_batch_of_many_events_fills_a_chunk(collect: Any) -> None:
    event = {"event_type": "screen_view"}
    few, many = {"events": [event] * 30}, {"events": [event] * 1000}

    answers = await collect([few, few, many, few, json.dumps(many)])

    assert [one.batches for one in answers] == [2, 1, 1, 1]


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ({"events": [{}] * 1001}, "1001 events"),
        (Batch(events=[Event()] * 1001), "1001 events"),
        (json.dumps({"events": [{"event_type": ""}] * 1001}), "1001 events"),
        ({"x": "y" * 1_048_576}, "bytes"),
        ("[{}]", "array"),
        (7, "int is no batch"),
        ({"x": float("nan")}, "JSON"),
    ],
)
async def test_a_bad_batch_is_named_when_all_before_it_are_answered(
    collect: Any, server: Any, bad: Any, text: str
) -> None:
    def source() -> Iterator[Any]:
        yield from lines(150)
        yield bad

    with pytest.raises((TypeError, ValueError), match=f"batch 150 .*{text}"):
        await collect(source())

    assert sum(one.json.count(b"\n") + 1 for one in server.chunks[0]) == 150


async def test_an_error_of_the_source_is_raised_when_the_rest_is_answered(
    collect: Any, server: Any
) -> None:
    def source() -> Iterator[Any]:
        yield from lines(10)
        raise LookupError("the table is gone")

    with pytest.raises(LookupError, match="gone"):
        await collect(source())

    assert len(server.chunks[0]) == 1


@pytest.mark.parametrize("source", [7, None, object()])
async def test_what_is_no_source_never_leaves(
    collect: Any, server: Any, source: Any
) -> None:
    with pytest.raises(TypeError, match="source"):
        await collect(source)
    assert server.options == []


@pytest.mark.parametrize(
    "options",
    [
        {"chunk_events": 0},
        {"chunk_events": 1001},
        {"chunk_bytes": 2**20 + 1},
        {"window_chunks": 0},
        {"patience": 0},
        {"mode": "later"},
    ],
)
async def test_an_option_that_makes_no_sense_never_leaves(
    collect: Any, server: Any, options: Any
) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        await collect([], **options)
    assert server.options == []


async def test_text_of_several_lines_a_batch_is_refused(collect: Any) -> None:
    with pytest.raises(ValueError, match="one batch a line"):
        await collect(json.dumps(DECODED, indent=2))


async def test_unanswered_chunks_are_sent_again_unchanged(
    collect: Any, server: Any
) -> None:
    server.parts = [breaks_after(2), breaks_after(0), breaks_after(3), well]

    answers = await collect(lines(1000))

    assert covered(answers) == list(range(1000))
    assert len({one.sequence for one in answers}) == len(answers)
    sent: dict[int, bytes] = {}
    for stream in server.chunks:
        numbers = [one.sequence for one in stream]
        assert numbers == sorted(set(numbers))
        for chunk in stream:
            again = chunk.SerializeToString()
            assert sent.setdefault(chunk.sequence, again) == again
    # What was answered is not sent again: each stream begins behind it.
    assert [stream[0].sequence for stream in server.chunks] == [1, 3, 3, 6]


async def test_answers_in_another_order_cost_no_chunk(
    collect: Any, server: Any
) -> None:
    async def backwards(server: Server, requests: Requests, context: Any) -> Any:
        yield opened()
        read = [server.note((await anext(requests)).chunk) for _ in range(4)]
        for chunk in reversed(read[1:]):
            yield answer(chunk)
        await asyncio.sleep(0.05)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "broken on purpose")

    server.parts = [backwards, well]

    answers = await collect(lines(1000))

    assert covered(answers) == list(range(1000))
    assert [one.sequence for one in answers[:3]] == [4, 3, 2]
    assert [one.sequence for one in server.chunks[1]] == [1, 5, 6, 7, 8, 9, 10]


async def test_the_servers_mode_stays_in_force(collect: Any, server: Any) -> None:
    server.parts = [breaks_after(1), well]

    await collect(lines(300))

    assert [one.mode for one in server.options] == [
        DeliveryMode.DELIVERY_MODE_UNSPECIFIED,
        DeliveryMode.DELIVERY_MODE_SYNC,
    ]


async def test_an_answer_that_comes_twice_is_given_once(
    collect: Any, server: Any
) -> None:
    async def twice(server: Server, requests: Requests, _: Any) -> Any:
        yield opened()
        async for request in requests:
            yield answer(server.note(request.chunk))
            yield answer(request.chunk)

    server.parts = [twice]

    assert covered(await collect(lines(500))) == list(range(500))


async def test_draining_moves_the_rest_to_a_new_stream(
    collect: Any, server: Any
) -> None:
    async def drains(server: Server, requests: Requests, context: Any) -> Any:
        yield opened()
        chunk = server.note((await anext(requests)).chunk)
        yield ForwardStreamResponse(draining=StreamDraining(last_sequence=1))
        await asyncio.sleep(0.1)
        yield answer(chunk)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "stopping")

    server.parts = [drains, well]

    answers = await collect(lines(300))

    assert covered(answers) == list(range(300))
    assert [one.sequence for one in server.chunks[1]] == [2, 3]


async def test_a_stream_that_ends_too_early_is_opened_again(
    collect: Any, server: Any
) -> None:
    async def short(server: Server, requests: Requests, _: Any) -> Any:
        yield opened()
        yield answer(server.note((await anext(requests)).chunk))

    server.parts = [short, well]

    assert covered(await collect(lines(300))) == list(range(300))


@pytest.mark.parametrize(("window", "most"), [({}, 3), ({"window_chunks": 2}, 2)])
async def test_no_more_is_sent_or_read_than_the_window_allows(
    collect: Any, server: Any, window: Any, most: int
) -> None:
    read = 0
    seen: list[tuple[int, int]] = []

    def source() -> Iterator[bytes]:
        nonlocal read
        for line in lines(1000):
            read += 1
            yield line

    async def slow(server: Server, requests: Requests, _: Any) -> Any:
        yield opened(3)
        waiting: list[Chunk] = []

        async def take() -> None:
            async for request in requests:
                waiting.append(server.note(request.chunk))  # noqa: PERF401

        taking = asyncio.create_task(take())
        for _ in range(10):
            await asyncio.sleep(0.05)
            seen.append((len(waiting), read))
            yield answer(waiting.pop(0))
        await taking

    server.parts = [slow]

    assert covered(await collect(source(), **window)) == list(range(1000))
    assert max(chunks for chunks, _ in seen) == most
    for index, (_, batches) in enumerate(seen):
        assert batches <= (index + most) * 100 + 1


async def test_a_smaller_window_of_a_later_stream_is_kept(
    collect: Any, server: Any
) -> None:
    most = 0

    async def wide(server: Server, requests: Requests, context: Any) -> Any:
        yield opened(8)
        for _ in range(8):
            server.note((await anext(requests)).chunk)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "broken on purpose")

    async def narrow(server: Server, requests: Requests, _: Any) -> Any:
        nonlocal most
        yield opened(2)
        waiting: list[Chunk] = []

        async def take() -> None:
            async for request in requests:
                waiting.append(server.note(request.chunk))  # noqa: PERF401

        taking = asyncio.create_task(take())
        for _ in range(10):
            await asyncio.sleep(0.03)
            most = max(most, len(waiting))
            yield answer(waiting.pop(0))
        await taking

    server.parts = [wide, narrow]

    assert covered(await collect(lines(1000))) == list(range(1000))
    assert most == 2


async def test_the_windows_bytes_are_kept(collect: Any, server: Any) -> None:
    most = 0

    async def slow(server: Server, requests: Requests, _: Any) -> Any:
        nonlocal most
        yield opened(64, 3_000)
        waiting: list[Chunk] = []

        async def take() -> None:
            async for request in requests:
                waiting.append(server.note(request.chunk))  # noqa: PERF401

        taking = asyncio.create_task(take())
        for _ in range(10):
            await asyncio.sleep(0.03)
            most = max(most, sum(one.ByteSize() for one in waiting))
            yield answer(waiting.pop(0))
        await taking

    server.parts = [slow]
    big = [{"events": [], "x": "y" * 1_000} for _ in range(10)]

    assert covered(await collect(big, chunk_bytes=1_100)) == list(range(10))
    assert 2_000 < most <= 3_000


async def test_a_wrong_request_raises_what_the_server_says(
    collect: Any, server: Any
) -> None:
    async def refuse(_: Server, __: Requests, context: Any) -> Any:
        status = status_pb2.Status(code=code_pb2.FAILED_PRECONDITION, message="no")
        reason = error_details_pb2.ErrorInfo(reason="NO_OUTBOX", domain="tokferry")
        status.details.add().Pack(reason)
        await context.abort_with_status(rpc_status.to_status(status))
        yield opened()

    server.parts = [refuse]

    with pytest.raises(TokferryError) as caught:
        await collect(lines(10))
    assert (type(caught.value).__name__, caught.value.reason) == (
        "FailedPrecondition",
        "NO_OUTBOX",
    )
    assert len(server.options) == 1


async def test_patience_ends_when_no_chunk_is_answered(
    collect: Any, server: Any
) -> None:
    server.parts = [breaks_after(1), breaks_after(0)]
    began = time.monotonic()

    with pytest.raises(TokferryError) as caught:
        await collect(lines(300), patience=0.5)

    assert caught.value.code == grpc.StatusCode.UNAVAILABLE
    assert "no chunk was answered for 0.5 s" in "".join(caught.value.__notes__)
    assert time.monotonic() - began < 10
    assert len(server.options) > 2


async def test_patience_begins_anew_with_every_answered_chunk(
    collect: Any, server: Any
) -> None:
    async def slow(server: Server, requests: Requests, context: Any) -> Any:
        yield opened()
        yield answer(server.note((await anext(requests)).chunk))
        await asyncio.sleep(0.3)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "broken on purpose")

    server.parts = [slow]

    assert covered(await collect(lines(500), patience=0.5)) == list(range(500))
    assert len(server.options) == 5


async def test_a_server_that_stops_answering_is_given_up(
    collect: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(server: Server, requests: Requests, _: Any) -> Any:
        yield opened()
        async for request in requests:
            server.note(request.chunk)

    monkeypatch.setattr(_stream, "_ANSWER_SECONDS", 0.1)
    monkeypatch.setattr("tokferry._stream_sync.LOOK_SECONDS", 0.05)
    monkeypatch.setattr("tokferry._stream_aio.LOOK_SECONDS", 0.05)
    server.parts = [silent]

    with pytest.raises(TokferryError) as caught:
        await collect(lines(10), patience=0.3)
    assert caught.value.code == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_lines_taken_for_one_unreadable_batch_get_a_result_each(
    collect: Any, server: Any
) -> None:
    # A server cannot know whether broken text was one batch or several.
    async def unreadable(server: Server, requests: Requests, _: Any) -> Any:
        yield opened()
        async for request in requests:
            chunk = server.note(request.chunk)
            result = EventResult(batch=0, outcome=Outcome.OUTCOME_DROPPED)
            totals = ForwardTotals(received=1, dropped=1)
            yield ForwardStreamResponse(
                chunk=ChunkResult(
                    sequence=chunk.sequence, results=[result], totals=totals
                )
            )

    server.parts = [unreadable]

    answers = await collect([b"{broken}", b"{broken too}", b"cut {"])

    assert sorted((one.first, one.batches) for one in answers) == [
        (0, 1),
        (1, 1),
        (2, 1),
    ]


async def test_a_slow_source_gets_its_answers_meanwhile(
    target: str, server: Any
) -> None:
    answered = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        yield lines(1)[0]
        await asyncio.wait_for(answered.wait(), 10)
        yield lines(1)[0]

    async with AsyncClient(target) as client:
        async for one in client.forward_stream(source(), connection="shop"):
            assert one.batches == 1
            answered.set()
    assert len(server.chunks[0]) == 2


def test_a_slow_source_of_the_blocking_client_gets_answers_in_between(
    target_in_thread: str,
) -> None:
    taken: list[int] = []

    def source() -> Iterator[bytes]:
        for line in lines(5):
            time.sleep(0.3)
            yield line

    with Client(target_in_thread) as client:
        stream = client.forward_stream(source(), connection="shop", chunk_events=1)
        began = time.monotonic()
        times = []
        for one in stream:
            taken.append(one.first)
            times.append(time.monotonic() - began)
    assert taken == list(range(5))
    assert times[0] < 1.2


@pytest.fixture
def target_in_thread() -> Iterator[str]:
    ready: list[str] = []
    started, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        running = grpc.aio.server()
        served = Server()  # type: ignore[abstract]
        add_ForwardingServiceServicer_to_server(served, running)
        port = running.add_insecure_port("127.0.0.1:0")
        await running.start()
        ready.append(f"127.0.0.1:{port}")
        started.set()
        await asyncio.to_thread(stop.wait)
        await running.stop(None)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    started.wait(10)
    yield ready[0]
    stop.set()
    thread.join(10)


async def test_a_slow_reader_slows_the_source(target: str) -> None:
    read = 0

    async def source() -> AsyncIterator[bytes]:
        nonlocal read
        for line in lines(100):
            read += 1
            yield line

    async with AsyncClient(target) as client:
        taken = 0
        async for _ in client.forward_stream(
            source(), connection="shop", chunk_events=1, window_chunks=5
        ):
            taken += 1
            await asyncio.sleep(0.005)
            assert read <= taken + 6
        assert taken == 100


async def test_leaving_early_ends_the_stream_and_the_tasks(target: str) -> None:
    before = len(asyncio.all_tasks())
    async with AsyncClient(target) as client:
        stream = client.forward_stream(lines(1000), connection="shop")
        async with stream:
            async for _ in stream:
                break
        assert stream.totals.delivered == 100
        assert stream.mode == DeliveryMode.DELIVERY_MODE_SYNC
        await asyncio.sleep(0.1)
        assert len(asyncio.all_tasks()) == before
        assert await anext(stream, None) is None


async def test_leaving_a_blocking_stream_early_ends_its_threads(target: str) -> None:
    def leave() -> int:
        before = threading.active_count()
        with Client(target) as client:
            with client.forward_stream(lines(1000), connection="shop") as stream:
                next(stream)
            assert stream.totals.delivered == 100
            assert next(stream, None) is None
        deadline = time.monotonic() + 5
        while threading.active_count() > before and time.monotonic() < deadline:
            time.sleep(0.01)
        return threading.active_count() - before

    assert await asyncio.to_thread(leave) <= 0


async def test_a_closed_client_streams_no_more(target: str) -> None:
    client = AsyncClient(target)
    stream = client.forward_stream(lines(10_000), connection="shop")
    await anext(stream)
    await client.close()
    with pytest.raises(ValueError, match="closed"):
        async for _ in stream:
            pass
