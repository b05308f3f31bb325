"""The mapping replaced by stored bytes: what the rest of the way takes by itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Final

from msgspec.structs import replace

from bench import configured
from bench.profiles import purchase
from tokferry.v1 import Chunk
from tokferry_server.delivery.group import Parcel
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.model import Batch, BatchData, Event, Malformed
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.rpc import chunk_stream, forwarding
from tokferry_server.rpc.dispatch import Dispatch
from tokferry_server.rpc.forwarding import Prepared
from tokferry_server.tiktok.formats import wire_format

_KIND: Final = b'"event_type"'


def store_bytes() -> None:
    """Let chunks of a stream be answered and delivered without being mapped.

    Every event becomes the same purchase under an id of its own.
    """
    stored = _Stored()
    vars(chunk_stream)["read_chunk"] = stored.read
    Dispatch.prepare = stored.prepare  # type: ignore[method-assign,assignment]


@dataclass(slots=True)
class _Stored:
    numbers: Iterator[int] = field(default_factory=count)
    counts: dict[int, int] = field(default_factory=dict)

    def read(self, chunk: Chunk, _wanted: object) -> list[Batch | Malformed]:
        """Look for the number of events once for all chunks of the same length."""
        size = len(chunk.json)
        if size not in self.counts:
            self.counts[size] = chunk.json.count(_KIND)
        return _empty(self.counts[size])

    async def prepare(
        self, batches: Sequence[Batch], _errand: object
    ) -> list[Prepared]:
        one = _purchase()
        return [
            Prepared(
                number,
                index,
                None,
                (),
                (replace(one, event_id=f"{next(self.numbers):032x}"),),
            )
            for number, batch in enumerate(batches)
            for index in range(len(batch.events))
        ]


@cache
def _empty(events: int) -> list[Batch | Malformed]:
    return [Batch(data=BatchData(), events=[Event()] * events)]


@cache
def _purchase() -> Parcel:
    transformer = Transformer(configured.connection("web"))
    outcomes = transformer.transform(read_json(purchase(1, mobile=False).json))
    connection = transformer.connection
    wire = wire_format(connection.wire_format)
    return next(forwarding.prepare(outcomes, connection.route, wire)).parcels[0]
