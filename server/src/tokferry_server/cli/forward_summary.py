"""What `tokferry forward` says at its end, for people and for programs."""

from collections import Counter

import msgspec

from tokferry_server.cli.forward_run import Run
from tokferry_server.cli.paper import complain, print_json, print_table

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
    _advise(run)


def _advise(run: Run) -> None:
    """Say what to do about what is not delivered."""
    if run.tally.has_failures and run.failed is None:
        complain("what was not delivered was not kept: --failed FILE keeps it")
    if run.mode == "DURABLE" and run.job.target.local is not None:
        complain("what is accepted waits in the outbox: `tokferry serve` delivers it")
    if run.end == "hopeless":
        complain("stopped: the last chunks could not be delivered at all, see above")
    if run.error is not None:
        complain(f"stopped: {run.error}")
    if run.end != "complete":
        complain(run.job.resume)


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
        "failed_bytes": run.failed.size if run.failed else None,
        "error": None if run.error is None else str(run.error),
    }
