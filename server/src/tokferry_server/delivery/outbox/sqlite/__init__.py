"""The outbox engine on one SQLite file: stores before it acknowledges."""

from tokferry_server.delivery.outbox.sqlite.engine import SqliteOutbox

__all__ = ["SqliteOutbox"]
