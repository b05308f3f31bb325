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


def refused_batch(batch: BatchData, connection: Connection) -> Drop | None:
    """Give the drop for a batch from another environment, or from the past."""
    environment = as_text(batch.environment)
    name = "production" if environment is None else environment.lower()
    if connection.test_event_code is None and name not in connection.environments:
        return Drop(DropReason.ENVIRONMENT, "batch.environment")
    if connection.historical == "drop" and _is_historical(batch):
        return Drop(DropReason.HISTORICAL, "batch.source_info.is_historical")
    return None


def refused_by_user(batch: BatchData, connection: Connection) -> Drop | None:
    """Give the drop that the user's consents demand."""
    for purpose in connection.gdpr_purposes:
        if not _consented(batch, purpose):
            return Drop(DropReason.CONSENT_REFUSED, "batch.consent_state.gdpr")
    drops = connection.ccpa_opt_out == "drop" or (
        # Offline and CRM events have no limited_data_use that could be set instead.
        connection.ccpa_opt_out == "limited_data_use"
        and connection.event_source in ("offline", "crm")
    )
    if drops and opted_out_of_sale(batch):
        return Drop(DropReason.CCPA_OPT_OUT, OPT_OUT_PATH)
    return None


def opted_out_of_sale(batch: BatchData) -> bool:
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
    gdpr = batch.consent_state.gdpr if batch.consent_state is not None else None
    if not isinstance(gdpr, dict):
        return False
    wanted = purpose.strip().lower()
    found = False
    for name, consent in gdpr.items():
        if name == wanted or name.strip().lower() == wanted:
            if consent is None or as_truth(consent.consented) is not True:
                return False
            found = True
    return found
