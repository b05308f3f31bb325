"""Starts the command as `tokferry` does, with what a measurement adds to the server.

``BENCH_VARIANT`` names it: ``echo``, a service that does nothing, beside the real one;
``stored``, the mapping replaced by stored bytes. The product has no switch for either.
"""

import os

from tokferry_server.cli import main


def prepare(variant: str) -> None:
    """Put the variant in place, before the server is assembled."""
    if variant == "echo":
        from bench.echo import add_echo

        add_echo()
    elif variant == "stored":
        from bench.stored import store_bytes

        store_bytes()


if __name__ == "__main__":
    prepare(os.environ["BENCH_VARIANT"])
    main()
