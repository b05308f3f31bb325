"""Opens the outbox that settings describe, as the service and its commands do."""

from tokferry_server.delivery.outbox.interface import Caps
from tokferry_server.delivery.outbox.sealed import sealed
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox
from tokferry_server.delivery.outbox.vault import read_vault
from tokferry_server.settings import OutboxSettings


async def open_outbox(settings: OutboxSettings, workers: int = 1) -> SqliteOutbox:
    """Open the outbox of one of so many workers; with a key, its bodies are sealed.

    Raises:
        OutboxError: the key cannot be used, or the file cannot be opened.
    """
    # The key first: an outbox that cannot be read is not to be opened.
    vault = settings.key_file and read_vault(settings.key_file)
    engine = await SqliteOutbox.open(settings.path, caps=caps_of(settings, workers))
    return sealed(engine, vault) if vault else engine


def caps_of(settings: OutboxSettings, workers: int = 1) -> Caps:
    """Give how much the outbox of one of so many workers may hold."""
    caps = Caps(max_rows=settings.max_rows, max_bytes=settings.max_bytes)
    return caps.shared(workers)
