"""Puts the commands together."""

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from tokferry_server.cli.check import check
from tokferry_server.cli.demo import demo
from tokferry_server.cli.dlq import dlq
from tokferry_server.cli.explain import explain
from tokferry_server.cli.fields import fields
from tokferry_server.cli.forward import forward
from tokferry_server.cli.health import health
from tokferry_server.cli.outbox import outbox
from tokferry_server.cli.pause import pause, resume
from tokferry_server.cli.reasons import reasons
from tokferry_server.cli.sample import sample
from tokferry_server.cli.sandbox import sandbox
from tokferry_server.cli.serve import serve
from tokferry_server.cli.status import status
from tokferry_server.cli.transform import transform

_BROKEN_PIPE = 141
"""What a shell reports for a command whose reader went away: 128 + SIGPIPE."""


class Commands(TyperGroup):
    """Ends quietly when the reader of the output goes away (``| head``)."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command and hand over all of its output."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # Nothing more can be written, and the interpreter would try on its way out.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(_BROKEN_PIPE) from None
        return result


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Deliver mParticle events to TikTok's Events API.",
)
_COMMANDS = (
    check,
    transform,
    explain,
    sample,
    fields,
    reasons,
    sandbox,
    serve,
    forward,
    status,
    health,
    pause,
    resume,
    demo,
)
for command in _COMMANDS:
    app.command()(command)
app.add_typer(outbox, name="outbox")
app.add_typer(dlq, name="dlq")


def main() -> None:
    """Run the command line; the exit code of every command is in its help."""
    app(prog_name="tokferry")
