"""Mutated requests and raw frames: the server lives, and says nothing unforeseen."""

import gzip
import random
from collections.abc import Callable
from typing import Any

import grpc
import hpack
import pytest

from hostile import frames
from hostile.conftest import AUTHORIZED, FORWARDING, Service
from made_up import batch, purchase
from rpc.raw_calls import channel_to, ended
from tokferry import _requests
from tokferry.mparticle.v1 import Batch, Event, ScreenView
from tokferry.v1 import (
    BatchList,
    Chunk,
    DescribeConnectionRequest,
    ForwardStreamRequest,
    StreamOptions,
)

LONG = [pytest.mark.long, pytest.mark.timeout(600)]
FORESEEN = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE,
}
OF_GRPC = {
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,  # of calls that are against gRPC's own protocol
}
NUMBERS = {status.value[0]: status for status in grpc.StatusCode}


def seeds() -> dict[str, list[bytes]]:
    """Give good requests of each method."""
    typed = Batch(
        events=[Event(screen_view=ScreenView(screen_name="Start"))] * 3,
        mpid=-(2**63),
    )
    inputs: list[Any] = [batch(purchase(), purchase(1)), typed]
    return {
        "Transform": [
            _requests.transform_request(
                one,
                connection="shop",
                settings=None,
                explain=True,
                test_event_code="TEST1",
            ).SerializeToString()
            for one in inputs
        ],
        "Forward": [
            _requests.forward_request(
                one,
                connection="shop",
                mode="sync",
                validate_only=True,
                label="nightly",
                test_event_code=None,
            ).SerializeToString()
            for one in inputs
        ],
        "ForwardStream": [
            ForwardStreamRequest(
                options=StreamOptions(connection="shop", validate_only=True)
            ).SerializeToString(),
            ForwardStreamRequest(
                chunk=Chunk(sequence=1, batches=BatchList(batches=[typed]))
            ).SerializeToString(),
        ],
        "DescribeConnection": [
            DescribeConnectionRequest(connection="shop").SerializeToString()
        ],
    }


def mutated(body: bytes, chance: random.Random) -> bytes:
    """Give a request with some of its bytes changed, lost, doubled or made up."""
    found = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(found) + 1)
        to = min(len(found), at + chance.randint(1, 40))
        kind = chance.randrange(5)
        if kind == 0 and found:
            found[at % len(found)] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del found[at:to]
        elif kind == 2:
            found[at:at] = found[at:to] * chance.randint(1, 30)
        elif kind == 3:
            found[at:at] = chance.randbytes(chance.randint(1, 40))
        else:
            found[at:to] = chance.choice((b"\xff" * 10, b"[" * 200, b"\x00", b'"', b""))
    return bytes(found)


@pytest.mark.parametrize("count", [200, pytest.param(25_000, marks=LONG)])
async def test_mutated_requests_end_in_a_foreseen_status(
    service: Service, count: int
) -> None:
    chance = random.Random(20261123)
    found: set[tuple[str, grpc.StatusCode]] = set()
    async with channel_to(f"127.0.0.1:{service.port}") as channel:
        for _ in range(count):
            for name, bodies in seeds().items():
                body = mutated(chance.choice(bodies), chance)
                end = await ended(channel, FORWARDING + name, body, (AUTHORIZED,))
                assert end.code in FORESEEN, (name, body)
                found.add((name, end.code))
    assert {("Transform", grpc.StatusCode.OK), ("Forward", grpc.StatusCode.OK)} <= found
    assert ("Transform", grpc.StatusCode.INVALID_ARGUMENT) in found
    await service.alive()


SILENT = {"GET", "no te", "5 MiB"}
"""What HTTP/2 itself refuses: the stream or the connection is reset."""
DESCRIBE = seeds()["DescribeConnection"][0]
OTHERS: dict[str, Callable[[], bytes]] = {
    "an unknown path": lambda: headers(":path", "/tokferry.v1.Nothing/Call"),
    "a path of a kilobyte": lambda: headers(":path", "/" + "x" * 1000),
    "an empty path": lambda: headers(":path", ""),
    "a path that is not UTF-8": lambda: headers(":path", "/\udcff\udcfe"),
    "a path that is half UTF-8": lambda: headers(":path", FORWARDING + "\udce2\udc82"),
    "metadata that is not UTF-8": lambda: headers("x-note", "\udcff"),
    "an authority that is not UTF-8": lambda: headers(":authority", "\udcff"),
    "GET": lambda: headers(":method", "GET"),
    "no content type": lambda: headers("content-type", None),
    "another content type": lambda: headers("content-type", "text/html"),
    "no te": lambda: headers("te", None),
    "a deadline that has passed": lambda: headers("grpc-timeout", "0n"),
    "a deadline that is none": lambda: headers("grpc-timeout", "soon"),
    "a negative deadline": lambda: headers("grpc-timeout", "-5S"),
    "an endless deadline": lambda: headers("grpc-timeout", "99999999H"),
    "an unknown compression": lambda: headers("grpc-encoding", "brotli"),
    "binary metadata that is none": lambda: headers("x-bin", "%%%"),
    "a status of its own": lambda: headers("grpc-status", "0"),
    "a trace that is none": lambda: headers("traceparent", "00-zz-zz-zz"),
    "baggage": lambda: headers("baggage", "a=" + "%ff" * 500),
    "no message": lambda: whole(b""),
    "half a prefix": lambda: whole(b"\x00\x00"),
    "two messages": lambda: whole(frames.message(DESCRIBE) * 2),
    "a message that is cut": lambda: whole(frames.message(DESCRIBE)[:-1]),
    "a longer length": lambda: whole(frames.message(DESCRIBE, length=2**32 - 1)),
    "a shorter length": lambda: whole(frames.message(DESCRIBE, length=1)),
    "compressed, it is said": lambda: whole(frames.message(DESCRIBE, compressed=True)),
    "an unknown flag": lambda: whole(b"\x07" + frames.message(DESCRIBE)[1:]),
    "a bomb": lambda: whole(
        frames.message(gzip.compress(bytes(200_000_000), 6), compressed=True),
        ("grpc-encoding", "gzip"),
    ),
    "gzip that is none": lambda: whole(
        frames.message(b"no gzip at all", compressed=True), ("grpc-encoding", "gzip")
    ),
    "5 MiB": lambda: whole(frames.message(bytes(5 * 2**20))),
}


def headers(name: str, value: str | None) -> bytes:
    """Give a call with one header field that is unusual."""
    fields = frames.call_headers(f"{FORWARDING}DescribeConnection", AUTHORIZED)
    kept = [field for field in fields if field[0] != name]
    if value is not None:
        kept.insert(0 if name.startswith(":") else len(kept), (name, value))
    return frames.opened() + frames.call(1, kept, frames.message(DESCRIBE))


def whole(body: bytes, *more: tuple[str, str]) -> bytes:
    """Give a call with just this body."""
    fields = frames.call_headers(f"{FORWARDING}DescribeConnection", AUTHORIZED, *more)
    return frames.opened() + frames.call(1, fields, body)


async def test_unusual_calls_end_in_a_foreseen_status(service: Service) -> None:
    before = service.resident
    ends: dict[str, list[grpc.StatusCode]] = {}
    async with service.polite_caller():
        for name, made in OTHERS.items():
            seconds = 0.3 if name in SILENT else 10
            data, _ = await frames.said(service.port, made(), seconds, answers=1)
            ends[name] = [NUMBERS[one] for one in frames.statuses(data)]
    assert {name for name, codes in ends.items() if not codes} <= SILENT
    for name, codes in ends.items():
        assert set(codes) <= FORESEEN | OF_GRPC, name
    unknown = [name for name in ends if "path" in name]
    assert {*(ends[name][0] for name in unknown)} == {grpc.StatusCode.UNIMPLEMENTED}
    assert ends["two messages"] == ends["an endless deadline"] == [grpc.StatusCode.OK]
    await service.alive()
    assert service.resident - before < 50 * 2**20


def conversation() -> bytes:
    """Give what a good client sends in two calls."""
    fields = frames.call_headers(f"{FORWARDING}DescribeConnection", AUTHORIZED)
    body = frames.message(DESCRIBE)
    return frames.opened() + b"".join(frames.call(n, fields, body) for n in (1, 3))


@pytest.mark.parametrize("count", [100, pytest.param(5_000, marks=LONG)])
async def test_garbled_frames_end_in_a_foreseen_status(
    service: Service, count: int
) -> None:
    chance = random.Random(20261124)
    before = service.resident
    good, _ = await frames.said(service.port, conversation(), 10, answers=2)
    assert frames.statuses(good) == [0, 0]
    async with service.polite_caller():
        for _ in range(count):
            start = chance.choice((0, len(frames.PREFACE)))
            data = conversation()
            data = data[:start] + mutated(data[start:], chance)
            answer, _ = await frames.said(service.port, data, 0.05, answers=2)
            assert {NUMBERS[one] for one in statuses_of(answer)} <= FORESEEN | OF_GRPC
    await service.alive()
    assert service.resident - before < 50 * 2**20


def statuses_of(answer: bytes) -> list[int]:
    """Give the statuses; headers of a broken conversation may be beyond reading."""
    try:
        return frames.statuses(answer)
    except hpack.HPACKError:
        return []
