"""The outbox engine on one SQLite file: stores before it acknowledges."""

from tokferry_server.delivery.outbox.sqlite.adoption import adopt_all
from tokferry_server.delivery.outbox.sqlite.engine import SqliteOutbox
from tokferry_server.delivery.outbox.sqlite.shards import Adopted, adopt_shards

__all__ = ["Adopted", "SqliteOutbox", "adopt_all", "adopt_shards"]
