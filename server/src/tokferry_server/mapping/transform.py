"""The mapping: batches in, one outcome for each of their events out. Pure."""

from collections.abc import Iterable, Iterator

from tokferry_server.mapping import commerce
from tokferry_server.mapping.code.mapping import compile_code, compile_order
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.custom.apply import make_events
from tokferry_server.mapping.custom.compile import compile_mapping
from tokferry_server.mapping.custom.matching import CustomIndex
from tokferry_server.mapping.native import Native, NativeEvents
from tokferry_server.mapping.outcome import (
    Drop,
    DropReason,
    MappedEvent,
    Outcome,
)
from tokferry_server.mapping.rules.texts import as_text
from tokferry_server.mapping.scope import Scope
from tokferry_server.mapping.shared import NO_DATA, SharedBatch
from tokferry_server.mapping.table import plan
from tokferry_server.mapping.wanted import wanted
from tokferry_server.mparticle.model import Batch, Event, EventData, Malformed
from tokferry_server.tiktok import model as tiktok


class Transformer:
    """The mapping for one connection. Made once, used for any number of batches.

    With ``explain``, every mapped event tells the origin of each of its fields.
    ``source`` is the Python that the table was compiled to. ``wanted`` names the
    fields that are read at all, for whoever reads events only so far.
    """

    def __init__(self, connection: Connection, *, explain: bool = False) -> None:
        self.connection = connection
        self._explain = explain
        self._native = NativeEvents(connection)
        self._custom = CustomIndex(connection.custom_mappings)
        rows = plan(connection)
        self.wanted = wanted(connection, rows)
        self._code = compile_code(rows, connection.event_source, explain=explain)
        self._order = compile_order(rows, explain=explain)
        self._mappings = [
            compile_mapping(mapping, rows, explain=explain)
            for mapping in connection.custom_mappings
        ]

    @property
    def source(self) -> str:
        """The functions that were written for this connection, to be read."""
        sources = [self._code.source, self._order.source]
        sources += [mapping.source for mapping in self._mappings]
        return "\n\n".join(dict.fromkeys(sources))

    def transform(self, batches: Iterable[Batch | Malformed]) -> Iterator[Outcome]:
        """Yield one outcome for each event, in input order.

        A batch that cannot be read yields one outcome without an event index.
        """
        for number, batch in enumerate(batches):
            if isinstance(batch, Malformed):
                yield Outcome(batch=number, event=None, drop=_malformed(batch))
            else:
                yield from self.transform_batch(batch, number)

    def transform_batch(self, batch: Batch, number: int = 0) -> Iterator[Outcome]:
        """Yield the outcomes of one batch; what its events share is done once."""
        shared = SharedBatch(
            batch.data, self.connection, self._code, explain=self._explain
        )
        for index, event in enumerate(batch.events):
            if isinstance(event, Malformed):
                yield Outcome(batch=number, event=index, drop=_malformed(event))
            else:
                yield self._map(shared, event, number, index)

    def _map(
        self, shared: SharedBatch, event: Event, number: int, index: int
    ) -> Outcome:
        if shared.refused is not None:
            return Outcome(batch=number, event=index, drop=shared.refused)
        data = event.data or NO_DATA
        event_type = _event_type(event, data)
        custom = self._custom.find(event_type, data) if self._mappings else []
        native = None if custom else self._native.find(event_type, data)
        drop = (native and native.drop) or shared.prepare()
        if drop is not None:
            return Outcome(batch=number, event=index, drop=drop)
        made, scope = shared.begin(data, event_type, index)
        events = (
            make_events(self._mappings, made, scope, custom)
            if native is None
            else (self._make_native(made, scope, native),)
        )
        return Outcome(
            batch=number,
            event=index,
            events=() if scope.drop else events,
            drop=scope.drop,
            warnings=tuple(scope.warnings),
        )

    def _make_native(
        self, made: tiktok.Event, scope: Scope, native: Native
    ) -> MappedEvent:
        scope.path = native.path
        made.event = native.name
        scope.warnings += native.warnings
        scope.note_origin("event", "event_name")
        if native.products is not None:
            products = native.products(scope.event)
            properties = self._order.of_order(scope)
            contents = self._order.of_products(scope, products)
            made.properties = commerce.finish(properties, contents, products, scope)
        return MappedEvent(made, scope.time_ms, tuple(scope.origins or ()))


def _event_type(event: Event, data: EventData) -> str:
    given = event.event_type
    if type(given) is str and given.islower() and given.isidentifier():
        return given  # as nearly all are written
    return (as_text(given) or as_text(data.event_type) or "").lower()


def _malformed(malformed: Malformed) -> Drop:
    return Drop(DropReason.MALFORMED_EVENT, malformed.field, malformed.problem)
