"""The command `tokferry`.

Each command has a file of its own and imports what it needs only when it runs, so that
`tokferry --help` answers at once.
"""

from tokferry_server.cli.app import main

__all__ = ["main"]
