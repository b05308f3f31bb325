"""The mapping: batches in, one outcome for each of their events out. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any

from tokferry_server.mapping import commerce
from tokferry_server.mapping.code.mapping import compile_code, compile_order
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.consent import OPT_OUT_PATH, Consents
from tokferry_server.mapping.custom.apply import make_events
from tokferry_server.mapping.custom.compile import compile_mapping
from tokferry_server.mapping.custom.matching import CustomIndex
from tokferry_server.mapping.native import Native, NativeEvents
from tokferry_server.mapping.outcome import (
    Drop,
    DropReason,
    MappedEvent,
    Outcome,
    WarningCode,
)
from tokferry_server.mapping.rules.texts import as_text
from tokferry_server.mapping.scope import NO_DATA, Scope
from tokferry_server.mapping.table import plan
from tokferry_server.mapping.wanted import wanted
from tokferry_server.mparticle.model import (
    Batch,
    BatchData,
    Event,
    EventData,
    Malformed,
)
from tokferry_server.tiktok import model as tiktok

_Shared = tuple[Scope, tuple[Any, ...]]
"""The scope of a batch, and the groups of members that all its events have."""


class Transformer:
    """The mapping for one connection. Made once, used for any number of batches.

    With ``explain``, every mapped event tells the origin of each of its fields.
    ``source`` is the Python that the table was compiled to. ``wanted`` names the
    fields that are read at all, for whoever reads events only so far.
    """

    def __init__(self, connection: Connection, *, explain: bool = False) -> None:
        self.connection = connection
        self._explain = explain
        self._consents = Consents(connection)
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
        """Yield the outcomes of one batch; what its events share is done once.

        That is not before one comes that is sent: of most senders' batches none is.
        """
        refused = self._consents.refuse_batch(batch.data)
        shared: _Shared | Drop | None = None
        for index, event in enumerate(batch.events):
            if isinstance(event, Malformed):
                yield Outcome(batch=number, event=index, drop=_malformed(event))
                continue
            if refused is not None:
                yield Outcome(batch=number, event=index, drop=refused)
                continue
            data = event.data or NO_DATA
            event_type = _event_type(event, data)
            custom = self._custom.find(event_type, data) if self._mappings else []
            native = None if custom else self._native.find(event_type, data)
            if native is not None and native.drop is not None:
                yield Outcome(batch=number, event=index, drop=native.drop)
                continue
            if shared is None:
                shared = self._share(batch.whole())
            if isinstance(shared, Drop):
                yield Outcome(batch=number, event=index, drop=shared)
                continue
            scope, groups = shared
            scope.begin(data, event_type, index)
            made = self._code.of_event(scope, *groups)
            if native is None:
                events = make_events(self._mappings, made, scope, custom)
            else:
                events = (self._make_native(made, scope, native),)
            yield Outcome(  # in place: a function of its own is a call for each event
                batch=number,
                event=index,
                events=() if scope.drop else events,
                drop=scope.drop,
                warnings=tuple(scope.warnings),
            )

    def _share(self, batch: BatchData) -> _Shared | Drop:
        """Map the batch's own data, or say why its user wants nothing sent."""
        refused = self._consents.refuse_user(batch)
        if refused is not None:
            return refused
        scope = Scope(self.connection, batch, explain=self._explain)
        if self._consents.limits_use(batch):
            scope.limited_data_use = True
            scope.warn(WarningCode.LIMITED_DATA_USE_SET, OPT_OUT_PATH)
        return scope, self._code.of_batch(scope)

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
