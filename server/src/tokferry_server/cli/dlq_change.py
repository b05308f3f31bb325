"""``tokferry dlq replay|purge``: send dead letters again, or delete them."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tokferry_server.cli.admin_link import AsJson, Desk, Service, at_desk
from tokferry_server.cli.dlq_filter import chosen_by_options
from tokferry_server.cli.paper import complain, print_json, say

if TYPE_CHECKING:
    from tokferry.v1 import (
        DeadLetterFilter,
        PurgeDeadLettersResponse,
        ReplayDeadLettersResponse,
    )

DryRun = Annotated[bool, typer.Option("--dry-run", help="Count only.")]


@chosen_by_options
def replay(  # noqa: PLR0913  the options of the command
    settings: Service,
    *,
    chosen: "DeadLetterFilter",
    most: Annotated[int, typer.Option("--max", min=0, help="The most; 0: all.")] = 0,
    rate: Annotated[
        float, typer.Option(min=0, help="How many a second; 0: all at once.")
    ] = 0.0,
    dry_run: DryRun = False,
    accept_double_count: Annotated[
        bool,
        typer.Option(
            "--accept-double-count",
            help="Also those that TikTok perhaps took more than 47 hours ago.",
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also those that were replayed three times."),
    ] = False,
    retransform: Annotated[
        bool,
        typer.Option(
            "--retransform", help="Make them anew; only where the source is kept."
        ),
    ] = False,
    json: AsJson = False,
) -> None:
    """Put dead letters back into the outbox, with the same ids and bytes.

    Exit codes: 0; 1 when some were left for a reason; 2 when the settings, the service
    or its outbox are unusable.
    """
    from tokferry.v1 import ReplayDeadLettersRequest
    from tokferry_server.cli.admin_plain import plain

    request = ReplayDeadLettersRequest(
        filter=chosen,
        max=most,
        rate=rate,
        dry_run=dry_run,
        accept_double_count=accept_double_count,
        force=force,
        retransform=retransform,
    )

    async def ask(desk: Desk) -> "ReplayDeadLettersResponse":
        if not desk.running:
            request.rate = 0  # nothing is sent before the service starts
            complain("the service is not running: they are sent once it is")
        done: ReplayDeadLettersResponse = await desk.calls.ReplayDeadLetters(request)
        return done

    done = at_desk(settings, ask)
    if json:
        print_json(plain(done))
    else:
        _say_replayed(done, dry_run=dry_run)
    if done.refused_ambiguous or done.refused_replays or done.refused_no_source:
        raise typer.Exit(1)


def _say_replayed(done: "ReplayDeadLettersResponse", *, dry_run: bool) -> None:
    verb = "would be put back" if dry_run else "put back"
    say(f"{done.replayed} of {done.matched} {verb}")
    for count, why in (
        (
            done.refused_ambiguous,
            "TikTok might count them twice; --accept-double-count takes them too",
        ),
        (done.refused_replays, "put back three times already; --force takes them too"),
        (done.refused_no_source, "their source is not kept"),
    ):
        if count:
            say(f"{count} left: {why}")


@chosen_by_options
def purge(
    settings: Service,
    *,
    chosen: "DeadLetterFilter",
    yes: Annotated[
        int | None,
        typer.Option(
            metavar="COUNT", min=0, help="Their number, instead of being asked for it."
        ),
    ] = None,
    dry_run: DryRun = False,
    json: AsJson = False,
) -> None:
    """Delete dead letters for good, once their number is confirmed.

    Exit codes: 0; 1 when the number is not theirs, and none was deleted; 2 when the
    settings, the service or its outbox are unusable.
    """
    from tokferry.v1 import PurgeDeadLettersRequest
    from tokferry_server.cli.admin_plain import plain

    request = PurgeDeadLettersRequest(filter=chosen, dry_run=True)

    async def ask(desk: Desk) -> "PurgeDeadLettersResponse":
        done: PurgeDeadLettersResponse = await desk.calls.PurgeDeadLetters(request)
        return done

    if yes is None or dry_run:
        done = at_desk(settings, ask)
        if done.matched and not dry_run:
            yes = _confirmed(done.matched)
    if yes is not None and not dry_run:
        request.dry_run, request.expected_count = False, yes
        done = at_desk(settings, ask)
    if json:
        print_json(plain(done))
    elif dry_run:
        say(f"{done.matched} would be deleted")
    else:
        say(f"{done.purged} of {done.matched} deleted")


def _confirmed(count: int) -> int:
    """Ask for the number of those that are to be deleted."""
    typer.echo(
        f"{count} dead letters are to be deleted for good. Their number: ",
        err=True,
        nl=False,
    )
    answer = sys.stdin.readline().strip()
    if not (answer.isascii() and answer.isdecimal()):
        complain("that is no number; nothing was deleted")
        raise typer.Exit(1)
    return int(answer)
