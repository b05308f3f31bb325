"""What the answers to one request mean for the rows that it held."""

from collections.abc import Callable, Sequence

from tokferry_server.delivery.durable.lane import Admission, Lane
from tokferry_server.delivery.group import Item
from tokferry_server.delivery.isolate import SUSPECTED
from tokferry_server.delivery.outbox.interface import Row
from tokferry_server.tiktok.answer import Answer
from tokferry_server.tiktok.reasons import DeliveryReason, Outcome
from tokferry_server.tiktok.verdict import Verdict


class Findings:
    """The book that an isolation writes; items are numbered as ``rows`` are.

    ``setbacks`` holds the latest answer and verdict of each row that has to be sent
    again; ``refused`` those that TikTok refuses for themselves; ``doubtful`` the rows
    that one of the requests may have brought to TikTok; ``done`` those that it has
    taken, ``delivered`` the ids among them that are still to be settled.
    """

    def __init__(
        self,
        lane: Lane,
        admission: Admission,
        rows: Sequence[Row],
        lower_cap: Callable[[int], None],
    ) -> None:
        self.setbacks: dict[int, tuple[Answer, Verdict]] = {}
        self.refused: dict[int, tuple[Answer, Verdict]] = {}
        self.doubtful: set[int] = set()
        self.delivered: list[int] = []
        self.done: set[int] = set()
        self._lane = lane
        self._admission = admission
        self._rows = rows
        self._lower_cap = lower_cap

    def deliver(
        self, items: Sequence[Item], answer: Answer, reason: DeliveryReason | None
    ) -> None:
        """Note that TikTok has taken the events."""
        del answer, reason
        self._lane.heal(self._admission)
        indexes = [item.index for item in items]
        self.done.update(indexes)
        self.delivered += [self._rows[index].id for index in indexes]
        if self.setbacks:
            for index in indexes:
                self.setbacks.pop(index, None)

    def reject(self, item: Item, answer: Answer, verdict: Verdict) -> None:
        """Note that TikTok refuses this very event."""
        self.setbacks.pop(item.index, None)
        if self._admission.probe and self._lane.suspected:
            self.postpone([item], answer, SUSPECTED)  # nothing was taken yet
        else:
            self.refused[item.index] = (answer, verdict)

    def postpone(self, items: Sequence[Item], answer: Answer, verdict: Verdict) -> None:
        """Note that the events have to be sent again."""
        if verdict.pause and items:
            reason = verdict.reason or DeliveryReason.CONNECTION_SUSPECTED
            self._lane.suspend(self._admission, reason)
        for item in items:
            self.setbacks[item.index] = (answer, verdict)
            if verdict.outcome is Outcome.UNKNOWN:
                self.doubtful.add(item.index)

    def lower_cap(self, most: int) -> None:
        """Note that requests of more than ``most`` events are too large."""
        self._lower_cap(most)
