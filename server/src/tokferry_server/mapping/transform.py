"""The mapping: batches in, one outcome for each of their events out. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any

from tokferry_server.mapping import commerce, consent, requirements
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.native import Native
from tokferry_server.mapping.outcome import (
    Drop,
    DropReason,
    MappedEvent,
    MappingWarning,
    Origin,
    Outcome,
    WarningCode,
)
from tokferry_server.mapping.rules.texts import as_text
from tokferry_server.mapping.scope import BatchState, Scope
from tokferry_server.mapping.table import Plan, Step, compile_plan
from tokferry_server.mparticle.model import (
    Batch,
    BatchData,
    Event,
    EventData,
    Malformed,
)
from tokferry_server.tiktok import model as tiktok
from tokferry_server.tiktok.names import RETIRING_EVENTS

_NO_DATA = EventData()
_GROUPS = ("", "user", "page", "app", "lead", "properties")


class Transformer:
    """The mapping for one connection. Made once, used for any number of batches.

    With ``explain``, every mapped event tells the origin of each of its fields.
    """

    def __init__(self, connection: Connection, *, explain: bool = False) -> None:
        self.connection = connection
        self._explain = explain
        self._plan: Plan = compile_plan(connection)

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
        shared = _SharedBatch(batch.data, self._plan, self._state(batch.data))
        for index, event in enumerate(batch.events):
            if isinstance(event, Malformed):
                yield Outcome(batch=number, event=index, drop=_malformed(event))
            else:
                yield self._map(shared, event, number, index)

    def _state(self, batch: BatchData) -> BatchState:
        return BatchState(self.connection, batch, explain=self._explain)

    def _map(
        self, shared: "_SharedBatch", event: Event, number: int, index: int
    ) -> Outcome:
        data = event.data or _NO_DATA
        event_type = as_text(event.event_type) or as_text(data.event_type) or ""
        event_type = event_type.lower()
        native = self._plan.native.find(event_type, data)
        drop = shared.refused or _unsupported(native) or shared.refused_by_user
        if drop is not None or native.name is None:
            return Outcome(batch=number, event=index, drop=drop)
        scope = Scope(shared.state, data, event_type, index)
        scope.warnings.extend(shared.warnings)
        if scope.origins is not None:
            scope.path = native.path
            scope.note_origin("event", "event_name")
            scope.origins.extend(shared.origins)
        if native.name in RETIRING_EVENTS:
            scope.warn(WarningCode.EVENT_NAME_RETIRING, native.path)
        mapped = self._fill(scope, shared, native.name, native)
        return Outcome(
            batch=number,
            event=index,
            events=() if scope.drop else (mapped,),
            drop=scope.drop,
            warnings=tuple(scope.warnings),
        )

    def _fill(
        self, scope: Scope, shared: "_SharedBatch", name: str, native: Native
    ) -> MappedEvent:
        groups: dict[str, dict[str, Any]] = {
            group: dict(members) for group, members in shared.groups.items()
        }
        run(self._plan.event_steps, scope, groups)
        if native.is_commerce:
            run(self._plan.commerce_steps, scope, groups)
            commerce.fill_contents(
                self._plan.product_steps, native.products, scope, groups["properties"]
            )
        requirements.check(groups, scope)
        origins = tuple(scope.origins or ())
        return MappedEvent(_event(name, groups), scope.time_ms, origins)


class _SharedBatch:
    """What the events of one batch have in common, worked out once."""

    def __init__(self, batch: BatchData, plan: Plan, state: BatchState) -> None:
        connection = state.connection
        self.refused = consent.refused_batch(batch, connection)
        self.refused_by_user = consent.refused_by_user(batch, connection)
        self.state = state
        self.warnings: list[MappingWarning] = []
        self.origins: list[Origin] = []
        self.groups: dict[str, dict[str, Any]] = {group: {} for group in _GROUPS}
        if self.refused or self.refused_by_user:
            return
        scope = Scope(self.state, _NO_DATA, "", 0)
        if (
            connection.ccpa_opt_out == "limited_data_use"
            and connection.event_source in ("web", "app")
            and consent.opted_out_of_sale(batch)
        ):
            self.state.limited_data_use = True
            scope.warn(WarningCode.LIMITED_DATA_USE_SET, consent.OPT_OUT_PATH)
        run(plan.batch_steps, scope, self.groups)
        self.warnings = scope.warnings
        self.origins = scope.origins or []


def run(steps: Iterable[Step], scope: Scope, groups: dict[str, dict[str, Any]]) -> None:
    """Set the member of each step that has a value."""
    for step in steps:
        value = step.value(scope)
        if value is not None:
            groups[step.group][step.member] = value


def _unsupported(native: Native) -> Drop | None:
    return None if native.reason is None else Drop(native.reason, native.path)


def _malformed(malformed: Malformed) -> Drop:
    return Drop(DropReason.MALFORMED_EVENT, malformed.field, malformed.problem)


def _event(name: str, groups: dict[str, dict[str, Any]]) -> tiktok.Event:
    top = groups[""]
    return tiktok.Event(
        event=name,
        event_time=top.get("event_time", 0),
        event_id=top.get("event_id"),
        user=tiktok.User(**groups["user"]) if groups["user"] else None,
        page=tiktok.Page(**groups["page"]) if groups["page"] else None,
        app=tiktok.App(**groups["app"]) if groups["app"] else None,
        lead=tiktok.Lead(**groups["lead"]) if groups["lead"] else None,
        properties=(
            tiktok.Properties(**groups["properties"]) if groups["properties"] else None
        ),
        limited_data_use=top.get("limited_data_use"),
    )
