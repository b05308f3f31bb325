"""`tokferry sandbox`: runs the stand-in of TikTok's Events API."""

from typing import Annotated

import typer

from tokferry_server.cli.paper import complain, say
from tokferry_server.cli.settings import UNUSABLE

_HOW_TO = """\
TikTok sandbox at {url} (Ctrl-C ends it)

Point a connection at it:

    [tiktok]
    base_url = "{url}"
    allow_loopback = true

    [connections.shop]
    pixel_id = "C4EXAMPLE"
    access_token = {{ env = "TIKTOK_TOKEN" }}     # TIKTOK_TOKEN must hold {token}

What it took: GET {url}/sandbox/events
What it shall answer next: POST {url}/sandbox/faults"""
_DEFAULT_TOKEN = "sandbox-token"  # noqa: S105  made up, and known to everybody


def sandbox(
    *,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="The port; 0 takes a free one.")
    ] = 8480,
    token: Annotated[
        str, typer.Option(help="The access token it asks for. Never a real one.")
    ] = _DEFAULT_TOKEN,
) -> None:
    """Run a strict stand-in of TikTok's Events API on this machine, until Ctrl-C.

    Exit code 2: the port is taken.
    """
    import asyncio

    try:
        asyncio.run(_run(port, token))
    except OSError as error:
        complain(f"port {port}: {error.strerror or error}")
        raise typer.Exit(UNUSABLE) from None


async def _run(port: int, token: str) -> None:
    import asyncio

    from tokferry_server.sandbox import Sandbox

    shown = f'"{token}"' if token == _DEFAULT_TOKEN else "the token given"
    async with Sandbox(token=token, port=port) as running:
        say(_HOW_TO.format(url=running.url, token=shown))
        await asyncio.Event().wait()
