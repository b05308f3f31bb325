"""Waits, for `tokferry forward --wait`, until nothing of a label is left to send."""

import asyncio
import time
from contextlib import suppress
from typing import Final

from grpc import RpcError

from tokferry.v1 import (
    ConnectionState,
    GetOutboxStatsRequest,
    ListConnectionStatusesRequest,
    OutboxStats,
)
from tokferry_server.cli.admin_link import Desk, UnreachableError, desk
from tokferry_server.cli.admin_refusal import reason_and_text
from tokferry_server.cli.forward_bar import Bar
from tokferry_server.cli.forward_target import TargetError
from tokferry_server.cli.paper import complain, shown
from tokferry_server.rpc.admin_server import admin_socket
from tokferry_server.rpc.errors import CallError
from tokferry_server.settings import Settings

_PAUSE_S: Final = 0.5
_SHARE: Final = 20
"""Asking may take this part of the time: counting is work for the outbox, too."""
_ASK_S: Final = 30.0
_PREFIX: Final = "CONNECTION_STATE_"
_SENDS: Final = (
    ConnectionState.CONNECTION_STATE_UNSPECIFIED,
    ConnectionState.CONNECTION_STATE_ACTIVE,
)


class Waiting:
    """Asks the service again and again. ``stats`` is its last answer for the label.

    A service that restarts meanwhile is waited for. ``stop`` ends the waiting.
    """

    def __init__(self, settings: Settings, *, connection: str, label: str) -> None:
        self.stats: OutboxStats | None = None
        self.stop = asyncio.Event()
        self.began = False
        self._settings = settings
        self._connection = connection
        self._label = label
        self._before: int | None = None
        self._told = ""

    @property
    def dead(self) -> int:
        """So many events of the label are dead letters."""
        return 0 if self.stats is None else self.stats.dead

    async def check(self) -> None:
        """Find out before anything is sent whether there is somebody to ask.

        Raises:
            TargetError: there is not.
        """
        if not await self._ask():
            path = admin_socket(self._settings.server.state_dir)
            raise TargetError(
                f"--wait: no service answers at {path}; is server.state_dir in the "
                "settings that of the running service?"
            )

    async def run(self) -> bool:
        """Wait; false if ``stop`` ended it and something still waits.

        Raises:
            TargetError: the service may not be asked any more.
        """
        self.began = True
        with Bar(size=None, what="wait") as bar:
            while not self.stop.is_set():
                asked = time.monotonic()
                if await self._ask() and self._show(bar):
                    return True
                took = time.monotonic() - asked
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(_PAUSE_S, _SHARE * took)):
                        await self.stop.wait()
        return False

    def _show(self, bar: Bar) -> bool:
        """Draw the last answer; true if nothing waits any more."""
        stats = self.stats or OutboxStats()
        settled = stats.delivered + stats.dead
        if self._before is None:
            self._before = settled
        bar.show(
            done=settled,
            count=stats.pending,
            fresh=settled - self._before,
            size=stats.accepted,
        )
        return not stats.pending

    async def _ask(self) -> bool:
        try:
            async with (
                asyncio.timeout(_ASK_S),
                desk(self._settings, needs_outbox=False) as found,
            ):
                if found.running and not found.silent:
                    await self._look(found)
                    return True
        except (RpcError, CallError) as error:
            reason, text = reason_and_text(error)
            if reason:
                raise TargetError(f"--wait: {text}") from None
        except TimeoutError:
            pass  # it is on its way down, or up
        except (UnreachableError, OSError) as error:
            raise TargetError(f"--wait: {error}") from None
        self._tell("the service does not answer; waiting for it")
        return False

    async def _look(self, found: Desk) -> None:
        request = GetOutboxStatsRequest(connection=self._connection, label=self._label)
        stats = (await found.calls.GetOutboxStats(request)).total
        asked = ListConnectionStatusesRequest(connection=self._connection)
        statuses = (await found.calls.ListConnectionStatuses(asked)).statuses
        why = "the service answers" if self._told else ""
        for one in statuses:
            if stats.pending and one.state not in _SENDS:
                state = ConnectionState.Name(one.state).removeprefix(_PREFIX)
                why = f'connection "{shown(self._connection)}": {state}; see `status`'
        self._tell(why)
        self.stats = stats

    def _tell(self, text: str) -> None:
        """Say something once."""
        if text and text != self._told and self.began:
            self._told = text
            complain(text)
