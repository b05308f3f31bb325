"""What rules can see of a batch and of its event in hand; and what they say of it."""

from types import EllipsisType

from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.outcome import (
    PRIORITY,
    Drop,
    DropReason,
    MappingWarning,
    Origin,
    WarningCode,
    origin,
)
from tokferry_server.mapping.phone import known_region
from tokferry_server.mparticle.identities import identities
from tokferry_server.mparticle.model import BatchData, EventData, Product

NO_DATA = EventData()


class Scope:
    """A batch being mapped: first what its events have in common, then each in turn.

    ``path`` is the mParticle path of the value in hand: warnings and drops name it.
    """

    __slots__ = (
        "_batch_origins",
        "_batch_warnings",
        "_region",
        "batch",
        "connection",
        "content_hashes",
        "drop",
        "event",
        "event_type",
        "identities",
        "index",
        "limited_data_use",
        "mapping",
        "origins",
        "path",
        "product",
        "time_ms",
        "warnings",
    )

    def __init__(
        self, connection: Connection, batch: BatchData, *, explain: bool = False
    ) -> None:
        self.connection = connection
        self.batch = batch
        self.identities = identities(batch)
        self.content_hashes: dict[bytes, int] = {}
        self.limited_data_use = connection.limited_data_use or None
        self._region: str | EllipsisType | None = ...
        self.event = NO_DATA
        self.event_type = ""
        self.index = 0
        self.time_ms = 0
        self.path = ""
        self.mapping: str | None = None
        self.product: Product | None = None
        self.drop: Drop | None = None
        self.warnings: list[MappingWarning] = []
        self.origins: list[Origin] | None = [] if explain else None
        self._batch_warnings = self.warnings
        self._batch_origins = self.origins

    def begin(self, event: EventData, event_type: str, index: int) -> None:
        """Go on to an event, of which only what goes for its batch is said as yet."""
        self.event = event
        self.event_type = event_type
        self.index = index
        self.time_ms = 0
        self.drop = None
        self.warnings = [*self._batch_warnings]
        if self._batch_origins is not None:
            self.origins = [*self._batch_origins]

    def warn(self, code: WarningCode, path: str | None = None) -> None:
        """Note that something was left out or changed."""
        self.warnings.append(MappingWarning(code, path or self.path))

    def refuse(self, reason: DropReason, path: str | None = None) -> None:
        """Note a defect that drops the event; the first in order of reasons counts."""
        if self.drop is None or PRIORITY[reason] < PRIORITY[self.drop.reason]:
            self.drop = Drop(reason, path or self.path)

    def note_origin(self, tiktok: str, rule: str) -> None:
        """Note, when asked to explain, where the value in hand came from."""
        if self.origins is not None:
            self.origins.append(origin(tiktok, self.path, rule, self.mapping))

    def region(self) -> str | None:
        """Give the user's own country, or else the connection's default.

        It is looked for when it is first asked for: most telephone numbers need none,
        and the library that knows the regions takes long to load.
        """
        if self._region is ...:
            self._region = _own_region(self.batch) or self.connection.default_region
        return self._region


def _own_region(batch: BatchData) -> str | None:
    """Give the first country that is one: the very name's, or that of other cases."""
    attributes = batch.user_attributes
    if isinstance(attributes, dict):
        for name in ("$Country", *attributes):
            if name.lower() == "$country":
                given = attributes.get(name)
                region = known_region(given) if isinstance(given, str) else None
                if region is not None:
                    return region
    return None
