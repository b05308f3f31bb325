"""Whether a batch may be sent at all: environment, history, the user's consent.

When in doubt nothing is sent: a value that cannot be read counts as the cautious one.
"""

from typing import Any

from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.outcome import Drop, DropReason
from tokferry_server.mapping.rules.texts import as_text
from tokferry_server.mparticle.model import BatchData

OPT_OUT_PATH = "batch.consent_state.ccpa.data_sale_opt_out"
_YES = ("true", "1", "yes")
_NO = ("false", "0", "no")


def as_truth(value: Any) -> bool | None:
    """Give a switch written as bool, number or text; ``None`` if it is neither."""
    if isinstance(value, bool):
        return value
    text = as_text(value)
    if text is None:
        return None
    return True if text.lower() in _YES else False if text.lower() in _NO else None


class Consents:
    """What the settings of a connection let be sent."""

    def __init__(self, connection: Connection) -> None:
        any_environment = connection.test_event_code is not None
        self._environments = None if any_environment else connection.environments
        self._drops_historical = connection.historical == "drop"
        self._purposes = [name.strip().lower() for name in connection.gdpr_purposes]
        limits = connection.ccpa_opt_out == "limited_data_use"
        # Offline and CRM events have no limited_data_use that could be set instead.
        may_limit = connection.event_source in ("web", "app")
        self._limits_opted_out = limits and may_limit
        self._drops_opted_out = connection.ccpa_opt_out == "drop" or (
            limits and not may_limit
        )

    def refuse_batch(self, batch: BatchData) -> Drop | None:
        """Give the drop for a batch from another environment, or from the past."""
        allowed = self._environments
        # Nearly all senders name it just so; for them no text is to be made of it.
        if allowed is not None and batch.environment not in allowed:
            environment = as_text(batch.environment)
            name = "production" if environment is None else environment.lower()
            if name not in allowed:
                return Drop(DropReason.ENVIRONMENT, "batch.environment")
        if self._drops_historical and _is_historical(batch):
            return Drop(DropReason.HISTORICAL, "batch.source_info.is_historical")
        return None

    def refuse_user(self, batch: BatchData) -> Drop | None:
        """Give the drop that the user's consents demand."""
        for purpose in self._purposes:
            if not _consented(batch, purpose):
                return Drop(DropReason.CONSENT_REFUSED, "batch.consent_state.gdpr")
        if self._drops_opted_out and _opted_out_of_sale(batch):
            return Drop(DropReason.CCPA_OPT_OUT, OPT_OUT_PATH)
        return None

    def limits_use(self, batch: BatchData) -> bool:
        """Whether TikTok is to be told that the use of the user's data is limited."""
        return self._limits_opted_out and _opted_out_of_sale(batch)


def _opted_out_of_sale(batch: BatchData) -> bool:
    """Whether the user opted out: ``consented`` true means OPTED OUT.

    https://docs.mparticle.com/developers/apis/json-reference/ (CCPA consent state).
    Only a clear "no" counts as not opted out once the state is there.
    """
    state = batch.consent_state
    if state is None or state.ccpa is None or state.ccpa.data_sale_opt_out is None:
        return False
    return as_truth(state.ccpa.data_sale_opt_out.consented) is not False


def _is_historical(batch: BatchData) -> bool:
    if batch.source_info is None or batch.source_info.is_historical in (None, ""):
        return False
    return as_truth(batch.source_info.is_historical) is not False


def _consented(batch: BatchData, purpose: str) -> bool:
    """Whether every entry for the purpose, in any case, is a clear "yes"."""
    state = batch.consent_state
    if state is None or not isinstance(state.gdpr, dict):
        return False
    found = False
    for name, consent in state.gdpr.items():
        if name == purpose or name.strip().lower() == purpose:
            if consent is None or as_truth(consent.consented) is not True:
                return False
            found = True
    return found
