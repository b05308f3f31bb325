"""`tokferry reasons`: prints why events are dropped, and what warnings mean."""

from typing import Annotated

import typer

from tokferry_server.cli.paper import print_json, print_table, say


def reasons(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the drop reasons, in the order they are looked for, and the warnings.

    Intended drops follow from settings or the user's wish; defects are mistakes in the
    data. Tables on a terminal; tab-separated otherwise.
    """
    from tokferry_server.mapping.outcome import DropReason, WarningCode

    if as_json:
        print_json(
            {
                "reasons": [
                    {"reason": r.name, "intended": r.intended, "remedy": r.remedy}
                    for r in DropReason
                ],
                "warnings": [{"code": w.name, "meaning": w.value} for w in WarningCode],
            }
        )
        return
    print_table(
        "Drop reasons: the event is not sent",
        ("reason", "kind", "remedy"),
        [
            (r.name, "intended" if r.intended else "defect", r.remedy)
            for r in DropReason
        ],
    )
    say()
    print_table(
        "Warnings: the event is sent, something was left out or changed",
        ("warning", "meaning"),
        [(w.name, w.value) for w in WarningCode],
    )
