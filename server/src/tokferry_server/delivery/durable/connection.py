"""What a worker is told about one connection."""

from collections.abc import Callable
from dataclasses import dataclass

from tokferry_server.delivery.pace import AppPace
from tokferry_server.delivery.poster import Poster


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConnection:
    """How the events of one connection are delivered.

    ``token`` gives the access token of now, or raises if there is none. ``pace`` is
    that of the developer app, one object for all who send for it. ``concurrency`` is
    the most requests at a time; ``max_event_age`` is in seconds.
    """

    poster: Poster
    token: Callable[[], str]
    pace: AppPace
    concurrency: int = 16
    max_event_age: float | None = None
