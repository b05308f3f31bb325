"""`tokferry sample`: prints made-up mParticle batches to try things with."""

from typing import Annotated

import typer

from tokferry_server.cli.paper import complain, print_table, say
from tokferry_server.cli.settings import UNUSABLE


def sample(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The sample to print.")
    ] = None,
) -> None:
    """List the sample batches, or print one.

    To see what TikTok would get of it: tokferry sample purchase | tokferry transform -
    """
    from tokferry_server.samples import SAMPLES, read_sample

    if name is None:
        print_table("Samples", ("name", "what it shows"), list(SAMPLES.items()))
        return
    if name not in SAMPLES:
        complain(f'no sample "{name}" (there are: {", ".join(SAMPLES)})')
        raise typer.Exit(UNUSABLE)
    say(read_sample(name).decode(), end="")
