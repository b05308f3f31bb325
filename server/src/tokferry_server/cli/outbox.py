"""``tokferry outbox stats``: what waits in the outbox."""

from typing import TYPE_CHECKING, Annotated

import typer

from tokferry_server.cli.admin_link import AsJson, Desk, Service, at_desk
from tokferry_server.cli.paper import print_json, print_table, say, shown

if TYPE_CHECKING:
    from tokferry.v1 import GetOutboxStatsResponse, OutboxStats

outbox = typer.Typer(no_args_is_help=True, help="Look into the outbox.")


@outbox.command()
def stats(
    settings: Service,
    connection: Annotated[str, typer.Option(help="Only this connection.")] = "",
    label: Annotated[str, typer.Option(help="Only events sent with this label.")] = "",
    *,
    json: AsJson = False,
) -> None:
    """Count what was accepted, delivered, is dead or waits.

    Exit codes: 0; 2 when the settings, the service or its outbox are unusable.
    """
    from tokferry.v1 import GetOutboxStatsRequest
    from tokferry_server.cli.admin_plain import plain

    request = GetOutboxStatsRequest(connection=connection, label=label)

    async def ask(desk: Desk) -> "GetOutboxStatsResponse":
        found: GetOutboxStatsResponse = await desk.calls.GetOutboxStats(request)
        return found

    found = at_desk(settings, ask)
    if json:
        print_json(plain(found))
        return
    rows = [_row(one.connection, one) for one in found.connections]
    print_table(
        "What became of accepted events",
        (
            "connection",
            "accepted",
            "delivered",
            "dead",
            "waiting",
            "perhaps taken",
            "bytes",
            "oldest",
        ),
        [*rows, _row("(all)", found.total)],
    )
    say(
        f"room: {found.max_rows:,} events, {found.max_bytes:,} bytes; "
        f"{found.disk_free_bytes:,} bytes free on the disk"
    )


def _row(name: str, stats: "OutboxStats") -> tuple[object, ...]:
    from tokferry_server.cli.admin_plain import moment

    return (
        shown(name),
        stats.accepted,
        stats.delivered,
        stats.dead,
        stats.pending,
        stats.ambiguous,
        stats.bytes,
        moment(stats.oldest_time) if stats.HasField("oldest_time") else "-",
    )
