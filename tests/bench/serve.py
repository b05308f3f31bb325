"""Starts the command as `tokferry` does, with what a measurement adds to the server.

``BENCH_VARIANT`` names it: ``echo``, a service that does nothing, beside the real one;
``stored``, the mapping replaced by stored bytes; ``httpx``, requests to TikTok sent by
httpx's own transport. The product has no switch for any of them.
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
    elif variant == "httpx":
        from bench.default_httpx import use_httpx

        use_httpx()


if __name__ == "__main__":
    prepare(os.environ["BENCH_VARIANT"])
    main()
