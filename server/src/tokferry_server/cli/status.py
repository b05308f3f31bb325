"""``tokferry status``: how the connections of a service are doing."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokferry_server.cli.admin_link import AsJson, Desk, Service, at_desk
from tokferry_server.cli.paper import complain, print_json, print_table, shown

if TYPE_CHECKING:
    from tokferry.v1 import ListConnectionStatusesResponse


def status(
    settings: Service,
    connection: Annotated[str, typer.Option(help="Only this connection.")] = "",
    *,
    json: AsJson = False,
) -> None:
    """Say how each connection is doing: whether it sends, why not, what waits.

    Exit codes: 0 when all workers run and every connection sends; 1 when not; 2 when
    the settings, the service or the connection are unusable.
    """
    from tokferry.v1 import ListConnectionStatusesRequest
    from tokferry_server.cli.admin_plain import plain

    request = ListConnectionStatusesRequest(connection=connection)

    async def ask(desk: Desk) -> "tuple[Desk, ListConnectionStatusesResponse]":
        return desk, await desk.calls.ListConnectionStatuses(request)

    desk, found = at_desk(settings, ask, needs_outbox=False)
    running = desk.running
    statuses = [plain(one) for one in found.statuses]
    if not running:
        complain("the service is not running")
        for one in statuses:
            _forget_live(one)
    if json:
        print_json({"running": running, "connections": statuses})
    else:
        print_table(
            "Connections",
            (
                "connection",
                "state",
                "why",
                "since",
                "next try in",
                "token",
                "waiting",
                "dead",
                "last delivered",
            ),
            [_row(one) for one in statuses],
        )
    if not running or desk.silent or any(one["state"] != "ACTIVE" for one in statuses):
        raise typer.Exit(1)


def _forget_live(status: dict[str, Any]) -> None:
    """Leave only what the files of a service that is down can tell."""
    if status["state"] == "ACTIVE":
        status["state"] = "NOT_RUNNING"
    for name in ("pending", "dead", "has_access_token"):
        del status[name]


def _row(status: dict[str, Any]) -> tuple[object, ...]:
    token = {True: "yes", False: "no", None: "-"}[status.get("has_access_token")]
    delay = status.get("retry_delay")
    return (
        shown(status["connection"]),
        status["state"],
        shown(status["reason"] or status["note"] or "-"),
        status.get("since", "-"),
        "-" if delay is None else f"{delay:.0f} s",
        token,
        status.get("pending", "-"),
        status.get("dead", "-"),
        status.get("last_delivered_time", "-"),
    )
