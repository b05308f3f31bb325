"""What the events of one batch have in common, worked out once."""

from typing import Any

from tokferry_server.mapping import consent
from tokferry_server.mapping.code.mapping import Code
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.outcome import Drop, WarningCode
from tokferry_server.mapping.scope import BatchState, Scope
from tokferry_server.mparticle.model import BatchData, EventData
from tokferry_server.tiktok import model as tiktok

NO_DATA = EventData()


class SharedBatch:
    """A batch, ready for its events; or ``refused`` as a whole.

    What only events need that are sent is worked out once the first of them comes: of
    most senders' batches nothing is sent.
    """

    __slots__ = (
        "_batch",
        "_code",
        "_connection",
        "_explain",
        "_groups",
        "_is_prepared",
        "_origins",
        "_refused_by_user",
        "_scope",
        "_warnings",
        "refused",
    )

    def __init__(
        self, batch: BatchData, connection: Connection, code: Code, *, explain: bool
    ) -> None:
        self._batch = batch
        self._connection = connection
        self._code = code
        self._explain = explain
        self._is_prepared = False
        self.refused = consent.refused_batch(batch, connection)

    def prepare(self) -> Drop | None:
        """Get ready for events that are sent, or say why the user wants none sent."""
        if not self._is_prepared:
            self._is_prepared = True
            self._refused_by_user = consent.refused_by_user(
                self._batch, self._connection
            )
            if self._refused_by_user is None:
                self._map()
        return self._refused_by_user

    def _map(self) -> None:
        batch, connection = self._batch, self._connection
        state = BatchState(connection, batch, explain=self._explain)
        self._scope = scope = Scope(state, NO_DATA, "", 0)
        if (
            connection.ccpa_opt_out == "limited_data_use"
            and connection.event_source in ("web", "app")
            and consent.opted_out_of_sale(batch)
        ):
            state.limited_data_use = True
            scope.warn(WarningCode.LIMITED_DATA_USE_SET, consent.OPT_OUT_PATH)
        self._groups: tuple[Any, ...] = self._code.of_batch(scope)
        self._warnings = scope.warnings
        self._origins = scope.origins

    def begin(
        self, event: EventData, event_type: str, index: int
    ) -> tuple[tiktok.Event, Scope]:
        """Make an event, as yet without name and properties, and give its scope.

        The batch is prepared, and no drop came of it. The scope serves one event after
        the other.
        """
        scope = self._scope
        scope.begin(event, event_type, index)
        if self._warnings:
            scope.warnings += self._warnings
        if self._origins is not None:
            scope.origins = list(self._origins)
        return self._code.of_event(scope, *self._groups), scope
