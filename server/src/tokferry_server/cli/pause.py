"""``tokferry pause`` and ``tokferry resume``: stop sending for a connection."""

from typing import TYPE_CHECKING, Annotated

import typer

from tokferry_server.cli.admin_link import AsJson, Desk, Service, at_desk
from tokferry_server.cli.paper import complain, print_json, say, shown

if TYPE_CHECKING:
    from tokferry.v1 import ConnectionStatus

Connection = Annotated[str, typer.Argument(metavar="CONNECTION", help="Its name.")]


def pause(
    connection: Connection,
    settings: Service,
    *,
    note: Annotated[str, typer.Option(help="Why, for people.")] = "",
    json: AsJson = False,
) -> None:
    """Stop sending for a connection; DURABLE events are still accepted.

    Exit codes: 0; 2 when the settings, the service or the connection are unusable.
    """
    from tokferry.v1 import PauseConnectionRequest

    request = PauseConnectionRequest(connection=connection, note=note)

    async def ask(desk: Desk) -> "ConnectionStatus":
        _mind(desk)
        status: ConnectionStatus = (await desk.calls.PauseConnection(request)).status
        return status

    _tell(at_desk(settings, ask, needs_outbox=False), json=json)


def resume(connection: Connection, settings: Service, *, json: AsJson = False) -> None:
    """Send again for a connection, whatever paused it.

    Exit codes: 0; 2 when the settings, the service or the connection are unusable.
    """
    from tokferry.v1 import ResumeConnectionRequest

    request = ResumeConnectionRequest(connection=connection)

    async def ask(desk: Desk) -> "ConnectionStatus":
        _mind(desk)
        status: ConnectionStatus = (await desk.calls.ResumeConnection(request)).status
        return status

    _tell(at_desk(settings, ask, needs_outbox=False), json=json)


def _mind(desk: Desk) -> None:
    if not desk.running:
        complain("the service is not running: it holds from its start on")


def _tell(status: "ConnectionStatus", *, json: bool) -> None:
    from tokferry_server.cli.admin_plain import plain

    found = plain(status)
    if json:
        print_json(found)
    else:
        say(f"{shown(status.connection)}: {found['state']}")
