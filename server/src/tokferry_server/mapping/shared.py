"""What the events of one batch have in common, worked out once."""

from typing import Any

from tokferry_server.mapping import consent
from tokferry_server.mapping.code.mapping import Code
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.outcome import WarningCode
from tokferry_server.mapping.scope import BatchState, Scope
from tokferry_server.mparticle.model import BatchData, EventData
from tokferry_server.tiktok import model as tiktok

NO_DATA = EventData()


class SharedBatch:
    """A batch, ready for its events; or ``refused`` as a whole.

    ``refused_by_user`` counts only for events that are sent at all.
    """

    __slots__ = (
        "_code",
        "_groups",
        "_origins",
        "_scope",
        "_warnings",
        "refused",
        "refused_by_user",
    )

    def __init__(
        self, batch: BatchData, connection: Connection, code: Code, *, explain: bool
    ) -> None:
        self.refused = consent.refused_batch(batch, connection)
        self.refused_by_user = consent.refused_by_user(batch, connection)
        if self.refused or self.refused_by_user:
            return
        state = BatchState(connection, batch, explain=explain)
        self._scope = scope = Scope(state, NO_DATA, "", 0)
        if (
            connection.ccpa_opt_out == "limited_data_use"
            and connection.event_source in ("web", "app")
            and consent.opted_out_of_sale(batch)
        ):
            state.limited_data_use = True
            scope.warn(WarningCode.LIMITED_DATA_USE_SET, consent.OPT_OUT_PATH)
        self._code = code
        self._groups: tuple[Any, ...] = code.of_batch(scope)
        self._warnings = scope.warnings
        self._origins = scope.origins

    def begin(
        self, event: EventData, event_type: str, index: int
    ) -> tuple[tiktok.Event, Scope]:
        """Make an event, as yet without name and properties, and give its scope.

        The scope serves one event after the other.
        """
        scope = self._scope
        scope.begin(event, event_type, index)
        if self._warnings:
            scope.warnings += self._warnings
        if self._origins is not None:
            scope.origins = list(self._origins)
        return self._code.of_event(scope, *self._groups), scope
