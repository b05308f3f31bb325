"""Requests as the bytes that go over the wire, and chunks that never repeat an id."""

from collections.abc import Iterator
from typing import Final

from bench.profiles import Load, web_loads
from tokferry.v1 import (
    BatchList,
    Chunk,
    DeliveryMode,
    ForwardRequest,
    ForwardStreamRequest,
    StreamOptions,
    TransformRequest,
)

SERVICE: Final = "/tokferry.v1.ForwardingService/"
SYNC: Final = DeliveryMode.DELIVERY_MODE_SYNC
DURABLE: Final = DeliveryMode.DELIVERY_MODE_DURABLE
_PART_OF_ID: Final = b"-6b0e-4d55-"


def transform(load: Load, *, typed: bool) -> bytes:
    """Write a request of Transform."""
    request = TransformRequest(connection=load.connection)
    if typed:
        request.batches.CopyFrom(BatchList(batches=[load.typed]))
    else:
        request.json = load.json
    return request.SerializeToString()


def forward(load: Load) -> bytes:
    """Write a request of Forward, SYNC."""
    request = ForwardRequest(connection=load.connection, json=load.json, mode=SYNC)
    return request.SerializeToString()


def options(mode: "DeliveryMode.ValueType") -> bytes:
    """Write the first message of a stream, to the connection of the web."""
    options = StreamOptions(connection="web", mode=mode)
    return ForwardStreamRequest(options=options).SerializeToString()


def chunk_json(profile: str, *, chunk: int, batch: int) -> bytes:
    """Give batches of the web, one a line, with so many events in all."""
    made = web_loads(profile, batch, chunk // batch)
    return b"\n".join(load.json for load in made)


def chunks(json: bytes, *, first: int = 1) -> Iterator[bytes]:
    """Write the same chunk for ever, with other event ids each time."""
    for sequence in range(first, 2**32):
        fresh = json.replace(_PART_OF_ID, b"-%08x-" % sequence)
        chunk = Chunk(sequence=sequence, json=fresh)
        yield ForwardStreamRequest(chunk=chunk).SerializeToString()
