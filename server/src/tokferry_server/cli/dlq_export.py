"""``tokferry dlq export``: dead letters in full, for repair."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from tokferry_server.cli.admin_link import Desk, Service, UnreachableError, at_desk
from tokferry_server.cli.dlq_filter import chosen_by_options
from tokferry_server.cli.paper import complain

if TYPE_CHECKING:
    from tokferry.v1 import DeadLetterFilter


@chosen_by_options
def export(
    settings: Service,
    *,
    chosen: "DeadLetterFilter",
    most: Annotated[int, typer.Option("--max", min=0, help="The most; 0: all.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write into this new file, which only its owner can read.",
        ),
    ] = None,
    jsonl: Annotated[  # noqa: ARG001  there is one layout
        bool, typer.Option("--jsonl", help="One JSON object a line, as always.")
    ] = True,
) -> None:
    """Give out dead letters with their content in full; it is audited.

    Exit codes: 0; 2 when the settings, the service, its outbox or the file are
    unusable.
    """
    from tokferry.v1 import ExportDeadLettersRequest
    from tokferry_server.cli.admin_plain import plain

    request = ExportDeadLettersRequest(filter=chosen, max=most)

    async def write(desk: Desk) -> int:
        import msgspec

        written = 0
        with _opened(out) as file:
            async for response in desk.calls.ExportDeadLetters(request):
                for letter in response.dead_letters:
                    file.write(msgspec.json.encode(plain(letter)) + b"\n")
                    written += 1
            file.flush()
        return written

    written = at_desk(settings, write)
    if out is not None:
        complain(f"{written} dead letters written to {out}")


@contextmanager
def _opened(out: Path | None) -> Iterator[IO[bytes]]:
    if out is None:
        yield sys.stdout.buffer
        return
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(out, flags, 0o600)
    except OSError as error:
        raise UnreachableError(f"{out} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        yield file
