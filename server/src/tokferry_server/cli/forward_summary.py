"""What `tokferry forward` says at its end, for people and for programs."""

import shlex
from collections import Counter

import msgspec

from tokferry_server.cli.forward_run import Run
from tokferry_server.cli.paper import complain, print_json, print_table, shown

_COLUMNS = ("outcome", "reason", "events", "first one, and what to do")


def print_summary(run: Run, *, as_json: bool) -> None:
    """Print the counts of this run and of those it resumed."""
    if as_json:
        print_json(_as_json(run))
        _advise(run)
        return
    rows = [
        (
            row.outcome + ("" if row.intended else " (defect)"),
            row.reason,
            row.events,
            f"{row.first}. {row.advice}" if row.first else "",
        )
        for row in run.tally.rows
    ]
    print_table("What became of the events", _COLUMNS, rows)
    rate = run.events / run.seconds if run.seconds else 0.0
    complain(
        f"{run.events:,} events in {run.seconds:.1f} s, {rate:,.0f} a second"
        + (f", mode {run.mode}" if run.mode else "")
    )
    _tell_of_waiting(run)
    _advise(run)


def _tell_of_waiting(run: Run) -> None:
    """Say what became of the label's events."""
    stats = None if run.waiting is None else run.waiting.stats
    if stats is None:
        return
    left = f", {stats.pending:,} still wait" if stats.pending else ""
    complain(
        f'with the label "{shown(run.job.label)}": {stats.delivered:,} delivered, '
        f"{stats.dead:,} dead letters{left}"
    )


def _advise(run: Run) -> None:
    """Say what to do about what is not delivered."""
    if run.tally.has_failures and run.failed is None:
        complain("what was not delivered was not kept: --failed FILE keeps it")
    if run.waiting is not None and run.waiting.dead:
        complain("`tokferry dlq list` says why there are dead letters")
    if run.mode == "DURABLE" and run.job.target.local is not None and _some_wait(run):
        complain("what is accepted waits in the outbox: `tokferry serve` delivers it")
    if run.end == "hopeless":
        complain("stopped: the last chunks could not be delivered at all, see above")
    if run.error is not None:
        complain(f"stopped: {run.error}")
    if run.end == "waiting" and run.job.state is None:
        label = shlex.quote(run.job.label)
        complain(
            "the service goes on delivering; to ask what is left: "
            f"tokferry outbox stats --settings FILE --label {label}"
        )
    elif run.end != "complete":
        complain(run.job.resume)


def _some_wait(run: Run) -> bool:
    return run.waiting is None or run.end != "complete"


def _as_json(run: Run) -> dict[str, object]:
    outcomes: Counter[str] = Counter()
    for row in run.tally.rows:
        outcomes[row.outcome] += row.events
    return {
        "end": run.end,
        "mode": run.mode,
        "outcomes": dict(outcomes),
        "rows": [msgspec.to_builtins(row) for row in run.tally.rows],
        "this_run": {"events": run.events, "seconds": round(run.seconds, 3)},
        "inputs": [
            {"file": marks.saved.name, "batches_done": marks.done}
            for marks in run.job.inputs
        ],
        "label": _label(run),
        "failed_bytes": run.failed.size if run.failed else None,
        "error": None if run.error is None else str(run.error),
    }


def _label(run: Run) -> dict[str, object] | None:
    """Give what became of the label's events, if that was waited for."""
    stats = None if run.waiting is None else run.waiting.stats
    if stats is None:
        return None
    return {
        "name": run.job.label,
        "delivered": stats.delivered,
        "dead": stats.dead,
        "pending": stats.pending,
    }
