"""One event between caller, server and TikTok: where it stands, as a value.

Stamps count from now in ticks of half an hour, so that they are never more than a few.
"""

from typing import Final, NamedTuple

from durable.protocol.replay import Happening, Need, Passed, Pending, next_need

DELIVERED: Final = "delivered"
DEAD: Final = "dead"
IN_DOUBT: Final = "dead, in doubt"
NEW, ASKING, ACKED = "new", "asking", "acked"


class Busy(NamedTuple):
    """A consignment under way: how it began, what happened since, when it posted."""

    row: Pending
    lead: int
    offset: int
    script: tuple[Happening, ...] = ()
    posted: int | None = None
    took: bool = False

    @property
    def passed(self) -> int:
        return sum(one.ticks for one in self.script if isinstance(one, Passed))

    def need(self) -> Need:
        need = next_need(self.row, self.lead, self.offset, self.script)
        assert need is not None
        return need

    def then(self, one: Happening) -> "Busy":
        return self._replace(script=(*self.script, one))


class Closing(NamedTuple):
    """A consignment that only has to write down how it ended."""

    need: Need
    posted: None = None


class State(NamedTuple):
    """``offset`` and ``lead``: how wrong the machine's clock and the worker's are.

    ``down`` is how long there has been no worker, ``seen`` the ``offset`` at its end.
    ``asked`` and ``replied`` are messages under way, ``late`` a request that TikTok may
    yet take. ``taken``, ``doubt`` and ``age`` are how long ago TikTok took the event,
    the first request went whose end is unknown, and the caller first asked.
    """

    up: bool = True
    offset: int = 0
    seen: int = 0
    lead: int = 0
    down: int = 0
    caller: str = NEW
    age: int = 0
    asked: bool = False
    replied: bool = False
    row: Pending | str | None = None
    mark: int | None = None
    busy: Busy | Closing | None = None
    late: bool = False
    taken: int | None = None
    doubt: int | None = None
    problem: str = ""
