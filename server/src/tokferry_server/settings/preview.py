"""The connection that stands in where nothing is sent and no settings are given."""

from tokferry_server.mapping.connection import Connection
from tokferry_server.settings.model import ConnectionSettings

PREVIEW_PIXEL = "PREVIEW"


def preview_connection() -> ConnectionSettings:
    """Give the connection of previews without settings: all defaults, web."""
    return ConnectionSettings(
        mapping=Connection(name="default", pixel_id=PREVIEW_PIXEL),
        app="connection:default",
    )
