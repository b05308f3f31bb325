"""What becomes of one event: TikTok events, or a drop; and the warnings beside both.

Structs, because one is made for each event: a frozen dataclass takes ten times as long.
None can be part of a cycle, so the garbage collector need not look at them.
"""

import enum
from functools import lru_cache

import msgspec

from tokferry_server.tiktok.model import Event


class DropReason(enum.Enum):
    """Why an event is not sent, in the order in which reasons are looked for.

    ``intended`` drops follow from settings or from the user's wish; the rest are
    defects of the data. ``remedy`` is one line for whoever can mend it.
    """

    MALFORMED_EVENT = (False, "Send the event as mParticle's JSON reference shows it.")
    ENVIRONMENT = (
        True,
        "Add the batch's environment to 'environments', or set 'test_event_code'.",
    )
    HISTORICAL = (True, 'Set historical = "send" to send historical batches.')
    UNSUPPORTED_EVENT = (
        True,
        'Add a custom mapping for this event, or set native_events = "extended".',
    )
    UNSUPPORTED_FOR_SOURCE = (
        True,
        "This event source does not take the event: map it to a name it knows.",
    )
    CONSENT_REFUSED = (
        True,
        "The user did not consent to every purpose in 'consent.gdpr_purposes'.",
    )
    CCPA_OPT_OUT = (
        True,
        "The user opted out of sale; 'consent.ccpa_opt_out' says what that means.",
    )
    MISSING_TIMESTAMP = (False, "Set timestamp_unixtime_ms on the event.")
    INVALID_TIMESTAMP = (
        False,
        "Give timestamp_unixtime_ms in milliseconds since 1970, not in seconds.",
    )
    NO_IDENTITY = (
        False,
        "Send at least one usable identity that this event source can match.",
    )
    MISSING_PAGE_URL = (
        False,
        "Set the custom flag TikTok.URL, or page_url, to the page's full address.",
    )
    INVALID_PAGE_URL = (False, "Begin the page URL with http:// or https://.")
    MISSING_IP = (
        False,
        (
            "Send the user's public address as the batch's ip, or set "
            'ip_and_user_agent = "optional".'
        ),
    )
    MISSING_USER_AGENT = (
        False,
        (
            "Send device_info.http_header_user_agent, or set "
            'ip_and_user_agent = "optional".'
        ),
    )
    MISSING_APP_ID = (False, "Send application_info.package, or set 'app_id'.")
    MISSING_LEAD_ID = (False, "Set the custom flag TikTok.LeadId or lead_id.")
    MISSING_REQUIRED_PROPERTY = (
        False,
        "Send the attribute that the custom mapping requires.",
    )
    NO_STABLE_EVENT_ID = (
        False,
        (
            "Send source_message_id, or a timestamp on the event, so that a resent "
            "event counts once."
        ),
    )
    TOO_OLD = (False, "Send events sooner, or raise 'max_event_age'.")

    def __init__(self, intended: bool, remedy: str) -> None:
        self.intended = intended
        self.remedy = remedy


PRIORITY = {reason: rank for rank, reason in enumerate(DropReason)}
"""Drop reason → its rank: of several, the lowest is the one reported."""


class WarningCode(enum.Enum):
    """What was left out of an event that is sent, or changed; the value says so."""

    IP_NOT_PUBLIC = "The address is private, reserved or malformed, and is left out."
    MISSING_IP = "The batch has no public address; TikTok matches fewer users."
    MISSING_USER_AGENT = "The batch has no user agent; TikTok matches fewer users."
    EMAIL_INVALID = "The value is neither an e-mail address nor a SHA-256 digest."
    PHONE_INVALID = "The value is not a possible telephone number."
    PHONE_WITHOUT_COUNTRY = (
        "The number has no country code, and neither $Country nor default_region "
        "gives one."
    )
    EXTERNAL_ID_EMPTY = "The external id is blank, and is left out."
    CLICK_ID_INVALID = "A TikTok click id begins with E.C.P and has up to 1000 letters."
    REFERRER_INVALID = "The referrer does not begin with http:// or https://."
    URL_HOLDS_EMAIL = "The address held an e-mail address, which was replaced."
    CURRENCY_UNKNOWN = "TikTok does not know the currency; it is left out."
    VALUE_WITHOUT_CURRENCY = "TikTok cannot use a value without a currency."
    NUMBER_INVALID = "The value is not a finite decimal number, and is left out."
    QUANTITY_NOT_INTEGER = "The quantity is not a whole number, and is left out."
    CONTENT_ID_MISSING = "The product has no id; TikTok cannot match it to a catalogue."
    LOCALE_INVALID = "The locale is not of the form en or en-US; that part is left out."
    ATT_STATUS_UNKNOWN = "The tracking status is none that TikTok knows."
    EVENT_ID_LOSSY = "The id was written as a fraction and has lost digits: not used."
    EVENT_ID_REPLACED = "The id is not 1-128 printable letters: its digest is sent."
    TIMESTAMP_FROM_BATCH = "The event has no time of its own: the batch's is sent."
    EVENT_NAME_RETIRING = "TikTok removes this event name in 2027: see 'event_names'."
    LIMITED_DATA_USE_SET = "The user opted out of sale: limited_data_use is set."


class MappingWarning(msgspec.Struct, frozen=True, gc=False):
    """One thing left out or changed; ``field`` is the mParticle path."""

    code: WarningCode
    field: str


class Drop(msgspec.Struct, frozen=True, gc=False):
    """Why nothing is sent; ``field`` is the mParticle path to look at."""

    reason: DropReason
    field: str
    problem: str | None = None

    @property
    def message(self) -> str:
        """One line for people: what is wrong, if known, and the remedy."""
        if self.problem is None:
            return self.reason.remedy
        return f"{self.problem}. {self.reason.remedy}"


class Origin(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """Where the value of one TikTok field came from: its mParticle path, its rule.

    ``mapping`` is the name of the custom mapping that set it, if one did.
    """

    tiktok: str
    mparticle: str
    rule: str
    mapping: str | None = None


# Most events of a connection have the same ones. Of the input they hold nothing.
origin = lru_cache(maxsize=4096)(Origin)
"""Gives the one ``Origin`` of these members."""


class MappedEvent(msgspec.Struct, frozen=True, gc=False):
    """One TikTok event and its exact time, in Unix milliseconds.

    ``origins`` is filled only when the mapping was asked to explain itself.
    """

    event: Event
    time_ms: int
    origins: tuple[Origin, ...] = ()


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The result of one input event; ``event`` is ``None`` for an unreadable batch.

    Either ``events`` holds what is sent, or ``drop`` says why nothing is.
    """

    batch: int
    event: int | None
    events: tuple[MappedEvent, ...] = ()
    drop: Drop | None = None
    warnings: tuple[MappingWarning, ...] = ()
