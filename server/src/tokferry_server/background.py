"""Work beside the calls, for as long as the service runs."""

import asyncio
import logging
from collections.abc import Coroutine

_log = logging.getLogger(__name__)


def begin(work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    """Begin work that goes on until it is cancelled; the log says if it fails."""
    name = getattr(work, "__qualname__", "work")
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_tell)
    return task


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        text = "%s is done no more, as it failed with %s: restart the server"
        _log.error(text, task.get_name(), type(error).__name__)
