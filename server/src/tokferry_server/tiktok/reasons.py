"""What becomes of an event at TikTok, and why; the names are those of the protos."""

from enum import StrEnum, auto


class _Name(StrEnum):
    @staticmethod
    def _generate_next_value_(
        name: str, _start: int, _count: int, _last: list[str]
    ) -> str:
        return name


class Outcome(_Name):
    """What became of an event that was to be delivered."""

    DELIVERED = auto()
    """TikTok has taken it."""
    REJECTED = auto()
    """TikTok refuses this very event; to send it again unchanged is pointless."""
    RETRYABLE = auto()
    """Certainly not taken; to be sent again at any time."""
    UNKNOWN = auto()
    """Perhaps taken; to be sent again under the same id within 48 hours."""


class DeliveryReason(_Name):
    """Why an event is not delivered, or with what reservation it is."""

    CONNECTION_AUTH = auto()
    CONNECTION_CONFIG = auto()
    CONNECTION_SUSPECTED = auto()
    THROTTLED = auto()
    CONFLICT = auto()
    CONNECT_FAILED = auto()
    TIMEOUT = auto()
    CONNECTION_LOST = auto()
    SERVER_ERROR = auto()
    MAINTENANCE = auto()
    UNREADABLE_ANSWER = auto()
    INVALID_EVENT = auto()
    IDENTIFIER_NOT_HASHED = auto()
    TOO_LARGE = auto()
    UNMAPPED_CODE = auto()
    ISOLATION_LIMIT = auto()
    DEADLINE = auto()
    PAUSED = auto()
    QUEUE_FULL = auto()
    BREAKER_OPEN = auto()
    SHUTTING_DOWN = auto()
    EXPIRED = auto()
    AMBIGUOUS_EXPIRED = auto()
    TOO_OLD = auto()
    ALREADY_DELIVERED = auto()
    PARTIAL_SUCCESS = auto()
    INTERNAL = auto()
    DAMAGED = auto()
