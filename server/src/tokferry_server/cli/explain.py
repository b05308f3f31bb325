"""`tokferry explain`: says of every field where it came from, and what is left out."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tokferry_server.cli.options import (
    ConnectionName,
    Files,
    SettingsFile,
    WrapEvents,
)
from tokferry_server.cli.paper import on_terminal
from tokferry_server.cli.settings import UNUSABLE, connection_or_exit
from tokferry_server.cli.transform import DEFECTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tokferry_server.mparticle.model import Batch, Malformed


def explain(
    files: Files,
    *,
    settings: SettingsFile = None,
    connection: ConnectionName = None,
    wrap_events: WrapEvents = False,
    layout: Annotated[
        Literal["text", "json"],
        typer.Option("--format", help="text, or one JSON object for each event."),
    ] = "text",
) -> None:
    """Explain mParticle events field by field; nothing is sent.

    For each TikTok event: every field with its value, the mParticle path it came from
    and the rule that made it; what was left out, and why; the keys by which TikTok can
    match the user, and those that are missing. For each event that is dropped: the
    reason, the field to look at, and what to do. Identities are shown as they are
    sent, hashed.

    Exit codes as those of transform.
    """
    chosen = connection_or_exit(settings, connection).mapping

    from tokferry_server.cli.explain_json import ExplainLines
    from tokferry_server.cli.explain_text import ExplainText
    from tokferry_server.cli.reading import read_files
    from tokferry_server.mapping.transform import Transformer

    transformer = Transformer(chosen, explain=True)
    writer = ExplainLines(chosen) if layout == "json" else ExplainText(chosen)
    defects = 0

    def use(name: str, batches: "Iterable[Batch | Malformed]") -> None:
        nonlocal defects
        for outcome in transformer.transform(batches):
            writer.add(name, outcome)
            if outcome.drop is not None and not outcome.drop.reason.intended:
                defects += 1
        writer.end_file(name)

    usable = read_files(files, use, wrap_events=wrap_events, quiet=on_terminal())
    if not usable:
        raise typer.Exit(UNUSABLE)
    raise typer.Exit(DEFECTS if defects else 0)
