"""The mapping replaced by stored bytes: what the rest of the way takes by itself."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count
from typing import Final

from bench import configured
from bench.profiles import purchase
from tokferry.v1 import Chunk
from tokferry_server.delivery.group import Parcel
from tokferry_server.mapping.outcome import Outcome
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.model import Batch, BatchData, Event, Malformed
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.rpc import chunk_stream, forwarding
from tokferry_server.rpc.forwarding import Packed
from tokferry_server.tiktok.wire import Route, WireFormat

_KIND: Final = b'"event_type"'
_transform: Final = Transformer.transform
_pack: Final = forwarding.pack


def store_bytes() -> None:
    """Let chunks of a stream be answered and delivered without being mapped.

    Every event becomes the same purchase under an id of its own.
    """
    stored = _Stored()
    vars(chunk_stream)["read_chunk"] = stored.read
    Transformer.transform = lambda _, batches: stored.outcomes(batches)  # type: ignore[method-assign,assignment]
    forwarding.pack = stored.pack


@dataclass(slots=True)
class _Stored:
    numbers: Iterator[int] = field(default_factory=count)
    counts: dict[int, int] = field(default_factory=dict)
    parcels: dict[Route, Parcel] = field(default_factory=dict)

    def read(self, chunk: Chunk) -> list[Batch | Malformed]:
        """Look for the number of events once for all chunks of the same length."""
        size = len(chunk.json)
        if size not in self.counts:
            self.counts[size] = chunk.json.count(_KIND)
        return _empty(self.counts[size])

    def outcomes(self, batches: Iterable[Batch | Malformed]) -> Iterator[Outcome]:
        for batch in batches:
            if isinstance(batch, Batch):
                yield from (_purchase() for _ in batch.events)

    def pack(
        self, outcomes: Sequence[Outcome], route: Route, wire: WireFormat
    ) -> Packed:
        if route not in self.parcels:
            self.parcels[route] = _pack([_purchase()], route, wire).parcels[0]
        one, numbers = self.parcels[route], self.numbers
        ids = (f"{next(numbers):032x}" for _ in outcomes)
        return Packed(outcomes, [replace(one, event_id=event_id) for event_id in ids])


@cache
def _empty(events: int) -> list[Batch | Malformed]:
    return [Batch(data=BatchData(), events=[Event()] * events)]


@cache
def _purchase() -> Outcome:
    transformer = Transformer(configured.connection("web"))
    batches = read_json(purchase(1, mobile=False).json)
    return next(iter(_transform(transformer, batches)))
