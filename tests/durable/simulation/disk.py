"""What a machine keeps beside its outbox: in memory, where a disk takes its time."""

from dataclasses import dataclass, field

from durable.simulation.time import Times
from tokferry_server.delivery.durable import Journal, Pause, PauseFolder


@dataclass
class Disk:
    """The worker's journal, and the folder of pauses."""

    times: Times
    journal: bytes = b""
    offset: float = 0.0
    """How wrong the clock was when the journal was written."""
    paused: dict[str, Pause] = field(default_factory=dict)
    resumed: dict[str, float] = field(default_factory=dict)


class DiskJournal(Journal):
    """A journal on such a disk."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        super().__init__()

    def read(self) -> bytes:
        return self._disk.journal

    def write(self, text: bytes) -> None:
        self._disk.journal = text
        self._disk.offset = self._disk.times.offset


class DiskPauses(PauseFolder):
    """A folder of pauses on such a disk."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def pause(self, connection: str, reason: str) -> Pause:
        pause = Pause(reason=reason, since=self._disk.times.wall())
        return self._disk.paused.setdefault(connection, pause)

    def resume(self, connection: str) -> bool:
        self._disk.resumed[connection] = self._disk.times.wall()
        return self._disk.paused.pop(connection, None) is not None

    def paused(self) -> dict[str, Pause]:
        return dict(self._disk.paused)

    def resumed(self) -> dict[str, float]:
        return dict(self._disk.resumed)
