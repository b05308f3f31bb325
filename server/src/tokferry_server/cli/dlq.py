"""``tokferry dlq stats|list|show``: look at the dead letters."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokferry_server.cli.admin_link import AsJson, Desk, Service, at_desk
from tokferry_server.cli.dlq_change import purge, replay
from tokferry_server.cli.dlq_export import export
from tokferry_server.cli.dlq_filter import chosen_by_options
from tokferry_server.cli.paper import complain, print_json, print_table, say, shown

if TYPE_CHECKING:
    from tokferry.v1 import DeadLetter, DeadLetterFilter, GetDeadLetterStatsResponse

_PAGE = 1000

dlq = typer.Typer(
    no_args_is_help=True,
    help="Look at dead letters, replay or purge them.",
)


@dlq.command()
@chosen_by_options
def stats(
    settings: Service, *, chosen: "DeadLetterFilter", json: AsJson = False
) -> None:
    """Count dead letters by connection, reason and code.

    Exit codes: 0; 2 when the settings, the service or its outbox are unusable.
    """
    from tokferry.v1 import GetDeadLetterStatsRequest
    from tokferry_server.cli.admin_plain import plain

    request = GetDeadLetterStatsRequest(filter=chosen)

    async def ask(desk: Desk) -> "GetDeadLetterStatsResponse":
        found: GetDeadLetterStatsResponse = await desk.calls.GetDeadLetterStats(request)
        return found

    found = at_desk(settings, ask)
    if json:
        print_json(plain(found))
        return
    groups = [plain(group) for group in found.groups]
    print_table(
        "Dead letters",
        ("connection", "reason", "code", "count", "oldest", "newest"),
        [
            (
                shown(group["connection"]),
                group["reason"] or "-",
                group.get("code", "-"),
                group["count"],
                group["oldest_time"],
                group["newest_time"],
            )
            for group in groups
        ],
    )
    say(f"{found.total:,} of at most {found.max_rows:,}, {found.bytes:,} bytes")


@dlq.command(name="list")
@chosen_by_options
def list_(
    settings: Service,
    *,
    chosen: "DeadLetterFilter",
    limit: Annotated[int, typer.Option(min=0, help="The most to list; 0: all.")] = 100,
    json: AsJson = False,
) -> None:
    """List dead letters, oldest first, without their content.

    Exit codes: 0; 2 when the settings, the service or its outbox are unusable.
    """
    from tokferry_server.cli.admin_plain import plain

    async def ask(desk: Desk) -> "tuple[list[DeadLetter], bool]":
        return await _pages(desk, chosen, limit)

    letters, more = at_desk(settings, ask)
    found = [plain(letter) for letter in letters]
    if json:
        print_json(found)
    else:
        columns = ("id", "connection", "event", "event_id", "reason", "code")
        print_table(
            "Dead letters",
            (*columns, "field", "attempts", "replays", "perhaps taken", "dead since"),
            [
                (
                    *(shown(str(one.get(name, "-"))) for name in columns),
                    shown(one["field"] or "-"),
                    one["attempts"],
                    one["replays"],
                    "yes" if one["ambiguous"] else "no",
                    one["dead_time"],
                )
                for one in found
            ],
        )
    if more:
        complain(f"there are more than {limit}: raise --limit")


async def _pages(
    desk: Desk, chosen: "DeadLetterFilter", limit: int
) -> "tuple[list[DeadLetter], bool]":
    from tokferry.v1 import ListDeadLettersRequest

    letters: list[DeadLetter] = []
    request = ListDeadLettersRequest(filter=chosen)
    while True:
        request.page_size = min(limit - len(letters), _PAGE) if limit else _PAGE
        page = await desk.calls.ListDeadLetters(request)
        letters += page.dead_letters
        request.page_token = page.next_page_token
        if not page.next_page_token or len(letters) == limit:
            return letters, bool(page.next_page_token)


@dlq.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The dead letter's id.")],
    settings: Service,
    *,
    reveal: Annotated[
        bool,
        typer.Option("--reveal", help="Show the content in full; it is audited."),
    ] = False,
    json: AsJson = False,
) -> None:
    """Show one dead letter; identities, addresses and URLs are masked.

    Exit codes: 0; 1 when there is none by that id; 2 when the settings, the service or
    its outbox are unusable.
    """
    from tokferry.v1 import GetDeadLetterRequest
    from tokferry_server.cli.admin_plain import plain

    request = GetDeadLetterRequest(id=id_, reveal=reveal)

    async def ask(desk: Desk) -> "DeadLetter":
        letter: DeadLetter = (await desk.calls.GetDeadLetter(request)).dead_letter
        return letter

    found: dict[str, Any] = plain(at_desk(settings, ask))
    if json:
        print_json(found)
        return
    content = found.pop("json")
    for name, value in found.items():
        if value != "":
            say(f"{name}: {shown(str(value))}")
    say("content:")
    print_json(content)


dlq.command()(export)
dlq.command()(replay)
dlq.command()(purge)
