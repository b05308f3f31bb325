"""Counts what became of forwarded events, by outcome and reason."""

from collections.abc import Iterable, Sequence

from tokferry.v1 import (
    DeliveryReason,
    DropReason,
    EventResult,
    ForwardTotals,
    Outcome,
)
from tokferry_server.cli.forward_marks import Row
from tokferry_server.cli.forward_source import Sent
from tokferry_server.cli.paper import shown

FINE = ("delivered", "accepted", "validated")
UNDELIVERED = ("REJECTED", "RETRYABLE", "UNKNOWN")
TOO_LARGE = "BATCH_TOO_LARGE"
_ORDER = ("DELIVERED", "ACCEPTED", "VALIDATED", "DROPPED", *UNDELIVERED, "NOT_SENT")


class Tally:
    """Counts of events; ``rows`` are those of earlier runs."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._rows = {(row.outcome, row.reason): row for row in rows}

    @property
    def rows(self) -> list[Row]:
        """The counts: what went well first, what is frequent before what is rare."""
        return sorted(
            self._rows.values(),
            key=lambda row: (_ORDER.index(row.outcome), -row.events, row.reason),
        )

    @property
    def events(self) -> int:
        """How many events were counted; a batch that was not sent counts as one."""
        return sum(row.events for row in self._rows.values())

    @property
    def has_failures(self) -> bool:
        """Whether anything is neither delivered nor meant to be dropped."""
        return any(
            not row.intended or row.outcome in UNDELIVERED
            for row in self._rows.values()
        )

    def add(
        self,
        sent: Sequence[Sent],
        results: Iterable[EventResult],
        totals: ForwardTotals,
    ) -> list[tuple[Sent, EventResult]]:
        """Count a chunk; give the results that someone has to look after."""
        fine = sum(getattr(totals, name) for name in FINE)
        for name in FINE:
            if number := getattr(totals, name):
                self._row(name.upper(), "").events += number
        if fine == totals.received:
            return []
        failed = []
        for result in results:
            outcome = Outcome.Name(result.outcome).removeprefix("OUTCOME_")
            if outcome.lower() in FINE:
                continue
            row = self._count(sent[result.batch], outcome, result)
            if not row.intended or outcome in UNDELIVERED:
                failed.append((sent[result.batch], result))
        return failed

    def refuse(self, sent: Sent) -> None:
        """Count a batch that cannot be sent."""
        row = self._row("NOT_SENT", TOO_LARGE, intended=False)
        row.events += 1
        if not row.first:
            row.first = _place(sent, None)
            row.advice = f"Make smaller batches: {sent.problem}."

    def _count(self, sent: Sent, outcome: str, result: EventResult) -> Row:
        reason, intended, field, advice = _why(result)
        row = self._row(outcome, reason, intended=intended)
        row.events += 1
        if not row.first:
            event = result.event if result.HasField("event") else None
            row.first = _place(sent, event) + (f": {field}" if field else "")
            row.advice = advice
        return row

    def _row(self, outcome: str, reason: str, *, intended: bool = True) -> Row:
        row = self._rows.get((outcome, reason))
        if row is None:
            row = Row(outcome=outcome, reason=reason, intended=intended)
            self._rows[outcome, reason] = row
        return row


def _why(result: EventResult) -> tuple[str, bool, str, str]:
    """Give the reason's name, whether it is meant, the field at fault, the remedy."""
    if result.HasField("drop"):
        drop = result.drop
        name = DropReason.Name(drop.reason).removeprefix("DROP_REASON_")
        return name, drop.intended, drop.field, drop.message
    for one in result.deliveries:
        if one.outcome == result.outcome:
            name = DeliveryReason.Name(one.reason).removeprefix("DELIVERY_REASON_")
            return name, True, one.field, one.message
    return "", True, "", ""


def _place(sent: Sent, event: int | None) -> str:
    place = f"{shown(sent.marks.saved.name)}, batch {sent.number}"
    return place if event is None else f"{place}, event {event}"
