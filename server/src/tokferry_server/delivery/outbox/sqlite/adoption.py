"""Takes over what former workers left, beside the work, until there is none of it."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from tokferry_server.delivery.outbox.sqlite.engine import SqliteOutbox
from tokferry_server.delivery.outbox.sqlite.shards import Adopted, adopt_shards

_AGAIN_S: Final = 30.0
_log = logging.getLogger(__name__)


async def adopt_all(
    find: Callable[[], Iterable[Path]],
    into: SqliteOutbox,
    news: Callable[[], None],
) -> None:
    """Take over the files that ``find`` names; ``news`` is told of each round.

    Files that are in use, or do not fit, are looked at again every half a minute. One
    that cannot be read is said and left for the next start.
    """
    while True:
        adopted = await adopt_shards(find(), into)
        for error in adopted.errors:
            _log.warning("what a former worker left cannot be taken over: %s", error)
        if adopted.pending or adopted.dead:
            news()
            _log.warning(
                "took over %d waiting events and %d dead letters of former workers",
                adopted.pending,
                adopted.dead,
            )
        if not (adopted.busy or adopted.left):
            return
        _complain(adopted)
        await asyncio.sleep(_AGAIN_S)


def _complain(adopted: Adopted) -> None:
    _log.warning(
        "of the files that former workers left, %d are in use and %d do not fit under "
        "the caps of this outbox: they are tried again",
        adopted.busy,
        adopted.left,
    )
