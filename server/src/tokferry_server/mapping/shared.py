"""What the events of one batch have in common, and how the table's steps are run."""

from collections.abc import Iterable
from typing import Any

from tokferry_server.mapping import consent
from tokferry_server.mapping.outcome import MappingWarning, Origin, WarningCode
from tokferry_server.mapping.scope import BatchState, Scope
from tokferry_server.mapping.table import Plan, Step
from tokferry_server.mparticle.model import BatchData, EventData

NO_DATA = EventData()
_GROUPS = ("", "user", "page", "app", "lead", "properties")


class SharedBatch:
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
        scope = Scope(self.state, NO_DATA, "", 0)
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
