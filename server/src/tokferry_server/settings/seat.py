"""The place of one worker process among those of a service: its files, its share."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from tokferry_server.settings.model import (
    ConnectionSettings,
    Principal,
    ServerSettings,
    Settings,
)


@dataclass(frozen=True, slots=True)
class Seat:
    """Worker ``number`` (from 0) of so many; the only one unless said otherwise."""

    number: int = 0
    of: int = 1

    def file(self, path: Path) -> Path:
        """Give the worker's own file for what one worker alone calls ``path``."""
        return numbered(path, self.number)

    def address(self, listen: str | None) -> str | None:
        """Give the worker's own ``host:port``: the port plus its number, 0 stays 0."""
        host, _, port = (listen or "").rpartition(":")
        if listen is None or port == "0":
            return listen
        return f"{host}:{int(port) + self.number}"

    def share(self, settings: Settings) -> Settings:
        """Give the settings with the worker's part of what all have together.

        Each connection may have at least one request under way in every worker.
        """
        outbox = settings.outbox
        if outbox is not None:
            outbox = replace(
                outbox,
                path=self.file(outbox.path),
                max_rows=self._part(outbox.max_rows),
                max_bytes=self._part(outbox.max_bytes),
            )
        connections = {
            name: self._share_of(one) for name, one in settings.connections.items()
        }
        return replace(
            settings,
            server=self._server(settings.server),
            connections=connections,
            outbox=outbox,
        )

    def _server(self, server: ServerSettings) -> ServerSettings:
        limit = server.memory_limit
        return replace(
            server,
            memory_limit=limit and self._part(limit),
            principals=tuple(self._quota_of(one) for one in server.principals),
        )

    def _quota_of(self, principal: Principal) -> Principal:
        rate, streams = principal.events_per_second, principal.streams
        return replace(
            principal,
            events_per_second=rate and rate / self.of,
            streams=streams and self._part(streams),
        )

    def _share_of(self, connection: ConnectionSettings) -> ConnectionSettings:
        return replace(
            connection,
            rate=connection.rate / self.of,
            concurrency=self._part(connection.concurrency),
        )

    def _part(self, whole: int) -> int:
        return max(1, whole // self.of)


def numbered(path: Path, number: int) -> Path:
    """Give ``path`` for worker 0, and ``outbox-2.db`` for worker 2 of ``outbox.db``."""
    if number == 0:
        return path
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def found(path: Path) -> dict[int, Path]:
    """Give the workers' files of that kind that there are, by number, in its order."""
    pattern = re.compile(
        rf"{re.escape(path.stem)}-([1-9][0-9]{{0,3}}){re.escape(path.suffix)}"
    )
    files = {0: path} if path.exists() else {}
    if path.parent.is_dir():
        for one in path.parent.iterdir():
            if match := pattern.fullmatch(one.name):
                files[int(match[1])] = one
    return dict(sorted(files.items()))
