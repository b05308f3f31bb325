"""What the rules of one event can see: its batch, its data, its settings; and say."""

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

_COUNTRY = "$country"
_LENGTH = len(_COUNTRY)


class Scope:
    """One event being mapped, or, with no event, what its batch has in common.

    ``path`` is the mParticle path of the value in hand: warnings and drops name it.
    ``place`` is the path of the product in hand, ``entry`` its index in the contents.
    """

    __slots__ = (
        "_region",
        "batch",
        "connection",
        "drop",
        "entry",
        "event",
        "event_type",
        "index",
        "mapping",
        "origins",
        "path",
        "place",
        "product",
        "state",
        "time_ms",
        "warnings",
    )

    def __init__(
        self, state: "BatchState", event: EventData, event_type: str, index: int
    ) -> None:
        self.state = state
        self.connection = state.connection
        self.batch = state.batch
        self.path = ""
        self.mapping: str | None = None
        self.product: Product | None = None
        self.place = ""
        self.entry = 0
        self.begin(event, event_type, index)

    def begin(self, event: EventData, event_type: str, index: int) -> None:
        """Go on to an event of the batch, about which nothing is said as yet."""
        self.event = event
        self.event_type = event_type
        self.index = index
        self.time_ms = 0
        self.warnings: list[MappingWarning] = []
        self.drop: Drop | None = None
        self.origins: list[Origin] | None = [] if self.state.explain else None

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


class BatchState:
    """What the events of one batch share while they are mapped in turn."""

    __slots__ = (
        "_region",
        "batch",
        "connection",
        "content_hashes",
        "explain",
        "identities",
        "limited_data_use",
    )

    def __init__(
        self, connection: Connection, batch: BatchData, *, explain: bool = False
    ) -> None:
        self.explain = explain
        self.connection = connection
        self.batch = batch
        self.identities = identities(batch)
        self.content_hashes: dict[bytes, int] = {}
        self.limited_data_use = connection.limited_data_use or None
        self._region: str | EllipsisType | None = ...

    def region(self) -> str | None:
        """Give the user's own country, or else the connection's default.

        It is looked for when it is first asked for: most telephone numbers need none,
        and the library that knows the regions takes long to load.
        """
        if self._region is ...:
            self._region = _region(self.connection, self.batch)
        return self._region


def _region(connection: Connection, batch: BatchData) -> str | None:
    attributes = batch.user_attributes
    if isinstance(attributes, dict):
        for name in attributes:
            if len(name) == _LENGTH and name.lower() == _COUNTRY:
                value = attributes[name]
                region = known_region(value) if isinstance(value, str) else None
                if region is not None:
                    return region
    return connection.default_region
