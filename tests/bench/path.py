"""The way of a batch through the product, as Transform and Forward run it."""

from collections.abc import Callable, Sequence
from typing import Any

from bench.profiles import Load
from tokferry.v1 import BatchList, TransformResponse
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.model import Batch, Malformed
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.mparticle.read_proto import read_proto
from tokferry_server.rpc.forwarding import parcels_of, prepare
from tokferry_server.rpc.write_proto import add_origins, write_transform_result
from tokferry_server.tiktok.formats import wire_format

Way = Callable[[bytes], bytes]
Read = Callable[[bytes, Transformer], Sequence[Batch | Malformed]]


def read_typed(data: bytes, transformer: Transformer) -> Sequence[Batch | Malformed]:
    """Parse typed batches and read what the mapping reads of them."""
    return read_proto(BatchList.FromString(data).batches, transformer.wanted)


def json_batches(data: bytes, _transformer: Transformer) -> Sequence[Batch | Malformed]:
    """Read batches written as JSON."""
    return read_json(data)


def typed_bytes(load: Load) -> bytes:
    """Give the load as a typed request carries it."""
    return BatchList(batches=[load.typed]).SerializeToString()


def to_request(connection: Connection, read: Read, *, explain: bool = False) -> Way:
    """Give what makes the body of a request to TikTok out of batches, as Forward."""
    transformer = Transformer(connection, explain=explain)
    route, wire = connection.route, wire_format(connection.wire_format)

    def way(data: bytes) -> bytes:
        outcomes = transformer.transform(read(data, transformer))
        prepared = prepare(outcomes, route, wire)
        return wire.encode_request(route, [one.body for one in parcels_of(prepared)])

    return way


def to_typed(connection: Connection, read: Read, *, explain: bool = False) -> Way:
    """Give what makes the answer of Transform out of batches."""
    transformer = Transformer(connection, explain=explain)
    wire = wire_format(connection.wire_format)

    def way(data: bytes) -> bytes:
        outcomes = list(transformer.transform(read(data, transformer)))
        results: list[Any] = [write_transform_result(one, wire) for one in outcomes]
        response = TransformResponse(results=results)
        if explain:
            add_origins(response, outcomes)
        return response.SerializeToString()

    return way
