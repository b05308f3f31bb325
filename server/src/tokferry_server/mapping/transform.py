"""The mapping: batches in, one outcome for each of their events out. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tokferry_server.mapping import commerce, requirements
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.custom.apply import apply
from tokferry_server.mapping.custom.compile import compile_mapping
from tokferry_server.mapping.custom.matching import CustomIndex, Found
from tokferry_server.mapping.native import Native
from tokferry_server.mapping.outcome import (
    Drop,
    DropReason,
    MappedEvent,
    Origin,
    Outcome,
    WarningCode,
)
from tokferry_server.mapping.rules.event_id import numbered
from tokferry_server.mapping.rules.texts import as_text
from tokferry_server.mapping.scope import BatchState, Scope
from tokferry_server.mapping.shared import NO_DATA, SharedBatch, run
from tokferry_server.mapping.table import Plan, compile_plan
from tokferry_server.mparticle.model import (
    Batch,
    BatchData,
    Event,
    Malformed,
)
from tokferry_server.tiktok import model as tiktok
from tokferry_server.tiktok.names import RETIRING_EVENTS


class Transformer:
    """The mapping for one connection. Made once, used for any number of batches.

    With ``explain``, every mapped event tells the origin of each of its fields.
    """

    def __init__(self, connection: Connection, *, explain: bool = False) -> None:
        self.connection = connection
        self._explain = explain
        self._plan: Plan = compile_plan(connection)
        self._custom = CustomIndex(connection.custom_mappings)
        self._mappings = [
            compile_mapping(
                mapping, self._plan.commerce_steps, self._plan.product_steps
            )
            for mapping in connection.custom_mappings
        ]

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
        shared = SharedBatch(batch.data, self._plan, self._state(batch.data))
        for index, event in enumerate(batch.events):
            if isinstance(event, Malformed):
                yield Outcome(batch=number, event=index, drop=_malformed(event))
            else:
                yield self._map(shared, event, number, index)

    def _state(self, batch: BatchData) -> BatchState:
        return BatchState(self.connection, batch, explain=self._explain)

    def _map(
        self, shared: SharedBatch, event: Event, number: int, index: int
    ) -> Outcome:
        data = event.data or NO_DATA
        event_type = as_text(event.event_type) or as_text(data.event_type) or ""
        event_type = event_type.lower()
        custom = self._custom.find(event_type, data)
        native = self._plan.native.find(event_type, data)
        drop = shared.refused
        drop = drop or (None if custom else _unsupported(native))
        drop = drop or shared.refused_by_user
        if drop is not None:
            return Outcome(batch=number, event=index, drop=drop)
        scope = Scope(shared.state, data, event_type, index)
        scope.warnings.extend(shared.warnings)
        groups = {group: dict(members) for group, members in shared.groups.items()}
        if scope.origins is not None:
            scope.origins.extend(shared.origins)
        run(self._plan.event_steps, scope, groups)
        requirements.check(groups, scope)
        made = (
            self._make_custom(scope, custom)
            if custom
            else self._make_native(scope, native)
        )
        events = [
            MappedEvent(_event(one, groups, count), scope.time_ms, one.origins)
            for one, count in _counted(made)
        ]
        return Outcome(
            batch=number,
            event=index,
            events=() if scope.drop else tuple(events),
            drop=scope.drop,
            warnings=tuple(scope.warnings),
        )

    def _make_native(self, scope: Scope, native: Native) -> Iterator["_Made"]:
        scope.path = native.path
        name = native.name or ""
        properties: dict[str, Any] = {}
        if name in RETIRING_EVENTS:
            scope.warn(WarningCode.EVENT_NAME_RETIRING)
        scope.note_origin("event", "event_name")
        if native.is_commerce:
            groups = {"properties": properties}
            run(self._plan.commerce_steps, scope, groups)
            contents = commerce.list_contents(
                self._plan.product_steps, native.products, scope
            )
            commerce.finish(properties, contents, native.products, scope)
        yield _Made(name, properties, tuple(scope.origins or ()))

    def _make_custom(self, scope: Scope, found: Found) -> Iterator["_Made"]:
        """Make the events of every mapping; the event is dropped if none can be."""
        base = list(scope.origins or ())
        missing: Drop | None = None
        made = 0
        for position, products in found:
            compiled = self._mappings[position]
            name = compiled.mapping.event
            if name in RETIRING_EVENTS:
                scope.warn(WarningCode.EVENT_NAME_RETIRING, "event")
            named = [*base, Origin("event", "event", "event", compiled.mapping.name)]
            _begin(scope, named)
            for properties in apply(compiled, products, scope):
                if isinstance(properties, Drop):
                    missing = missing or properties
                else:
                    made += 1
                    yield _Made(name, properties, tuple(scope.origins or ()))
                _begin(scope, named)
        if not made and missing is not None:
            scope.refuse(missing.reason, missing.field)


@dataclass(frozen=True, slots=True)
class _Made:
    """What one mapping makes of an event: its TikTok name and properties."""

    name: str
    properties: dict[str, Any]
    origins: tuple[Origin, ...]


def _begin(scope: Scope, origins: Iterable[Origin]) -> None:
    """Begin the next event of the same source event with these origins."""
    if scope.origins is not None:
        scope.origins = list(origins)


def _counted(made: Iterable[_Made]) -> Iterator[tuple[_Made, int]]:
    """Number the events of one name: TikTok counts (name, id) once."""
    counts: Counter[str] = Counter()
    for one in made:
        counts[one.name] += 1
        yield one, counts[one.name]


def _unsupported(native: Native) -> Drop | None:
    return None if native.reason is None else Drop(native.reason, native.path)


def _malformed(malformed: Malformed) -> Drop:
    return Drop(DropReason.MALFORMED_EVENT, malformed.field, malformed.problem)


def _event(made: _Made, groups: dict[str, dict[str, Any]], count: int) -> tiktok.Event:
    top = groups[""]
    event_id = top.get("event_id")
    return tiktok.Event(
        event=made.name,
        event_time=top.get("event_time", 0),
        event_id=event_id if event_id is None else numbered(event_id, count),
        user=tiktok.User(**groups["user"]) if groups["user"] else None,
        page=tiktok.Page(**groups["page"]) if groups["page"] else None,
        app=tiktok.App(**groups["app"]) if groups["app"] else None,
        lead=tiktok.Lead(**groups["lead"]) if groups["lead"] else None,
        properties=tiktok.Properties(**made.properties) if made.properties else None,
        limited_data_use=top.get("limited_data_use"),
    )
