"""Commits the tasks that wait together as one transaction, and judges what fails."""

from collections.abc import Sequence
from typing import Final

from tokferry_server.delivery.failpoints import failpoint
from tokferry_server.delivery.outbox.interface import (
    OutboxBrokenError,
    OutboxError,
    OutboxFullError,
)
from tokferry_server.delivery.outbox.sqlite.checkpoints import PAGES, Checkpoints
from tokferry_server.delivery.outbox.sqlite.puts import put_all
from tokferry_server.delivery.outbox.sqlite.store import Store
from tokferry_server.delivery.outbox.sqlite.task import (
    Kind,
    Outcome,
    Task,
    is_disk,
    is_full,
)

_NO_ROOM: Final = (
    "the disk of the outbox is full: nothing of this call was written; make room on it"
)

_PAGES_A_CUT: Final = 100


def give_back_pages(store: Store) -> None:
    """Cut some free pages off the file."""
    store.db.execute(f"PRAGMA incremental_vacuum({_PAGES_A_CUT})").fetchall()


class Commits:
    """Writes to one store. After a failed commit it writes nothing any more."""

    def __init__(self, store: Store) -> None:
        self._store = store
        pages = min(PAGES, store.space.log_pages)
        self._checkpoints = Checkpoints(store.db, store.space.log, pages)
        self._held: list[Task] = []
        self._broken: str | None = None
        self._before = failpoint("outbox.before_commit")
        self._after = failpoint("outbox.after_commit")

    @property
    def holds(self) -> bool:
        """Whether there is anything that could not be written for lack of room."""
        return bool(self._held)

    def check(self) -> None:
        """Raise if the state of the disk is unknown."""
        if self._broken is not None:
            raise OutboxBrokenError(self._broken)

    def write(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Commit tasks, and those that are held; gives what becomes of each.

        Raises:
            OutboxBrokenError: the commit failed; nothing may be taken for stored.
        """
        self.check()
        if self._held:
            self._catch_up()
        if self._store.space.short and not self._held:
            self._shrink()
        return self._group(tasks) if tasks else []

    def _catch_up(self) -> None:
        """Write what is held, in as small parts as there is room for."""
        number = len(self._held)
        while self._held and number:
            try:
                self._transaction(self._held[:number])
            except Exception as error:  # noqa: BLE001 - judged below
                self._roll_back()
                if not is_full(error, self._store.space.refuses):
                    raise self.give_up(error) from None
                number //= 2
            else:
                del self._held[:number]
            self.checkpoint(truncate=True)

    def _shrink(self) -> None:
        """Give free pages back to the disk, until the ballast fits again."""
        store = self._store
        self.checkpoint(truncate=True)
        while not store.space.restore() and store.reusable():
            before = store.reusable()
            self._group([Task(kind=Kind.HOLD, work=give_back_pages)])
            self._held.clear()
            self.checkpoint(truncate=True)
            if store.reusable() >= before:
                return

    def read(self, task: Task) -> Outcome:
        """Do a task that writes nothing.

        Raises:
            OutboxBrokenError: the file cannot be read.
        """
        try:
            return self._do(task)
        except Exception as error:  # noqa: BLE001 - judged below
            if self._store.tolerates(error):
                return self.read(task)
            if is_disk(error):
                raise self.give_up(error) from None
            return Outcome(task, error=error)

    def _group(self, tasks: Sequence[Task]) -> list[Outcome]:
        try:
            return self._transaction(tasks)
        except Exception as error:  # noqa: BLE001 - judged below
            self._roll_back()
            if is_full(error, self._store.space.refuses):
                return self._without_room(tasks)
            if is_disk(error):
                raise self.give_up(error) from None
            if len(tasks) == 1:
                return [Outcome(tasks[0], error=error)]
        return [outcome for task in tasks for outcome in self._group([task])]

    def _transaction(self, tasks: Sequence[Task]) -> list[Outcome]:
        store = self._store
        store.db.execute("BEGIN IMMEDIATE")
        puts = [task for task in tasks if task.kind is Kind.PUT]
        outcomes = [self._do(task) for task in tasks if task.kind is not Kind.PUT]
        if puts:
            results = put_all(store, [task.rows for task in puts])
            for task, result in zip(puts, results, strict=True):
                if isinstance(result, OutboxError):
                    outcomes.append(Outcome(task, error=result))
                else:
                    outcomes.append(Outcome(task, result))
        store.sending.write_undone()
        store.write_time()
        self._before()
        store.db.execute("COMMIT")
        self._after()
        store.committed()
        return outcomes

    def _do(self, task: Task) -> Outcome:
        if task.work is None:
            return Outcome(task)
        try:
            return Outcome(task, task.work(self._store))
        except OutboxError as error:  # raised before anything was written
            return Outcome(task, error=error)

    def _without_room(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Refuse what adds; write the rest in the room of the ballast, or hold it."""
        self._store.space.give_up_ballast()
        self.checkpoint(truncate=True)
        refused = [
            Outcome(task, error=OutboxFullError(_NO_ROOM))
            for task in tasks
            if task.kind is not Kind.HOLD
        ]
        held = [task for task in tasks if task.kind is Kind.HOLD]
        if not held:
            return refused
        try:
            return refused + self._transaction(held)
        except Exception as error:  # noqa: BLE001 - judged below
            self._roll_back()
            if not is_full(error, self._store.space.refuses):
                raise self.give_up(error) from None
        for task in held:
            self._store.unwritten.update(task.delivered)
            self._held += task.in_pieces()
        return refused + [Outcome(task) for task in held]

    def checkpoint(self, *, truncate: bool = False) -> None:
        """Move the log into the file; on a full disk the log just stays.

        Raises:
            OutboxBrokenError: it failed for another reason.
        """
        for _ in range(2):
            try:
                self._checkpoints.run(truncate=truncate)
            except Exception as error:  # noqa: BLE001 - judged below
                if not is_full(error, self._store.space.refuses):
                    raise self.give_up(error) from None
                self._store.space.give_up_ballast()
            else:
                return

    def checkpoint_if_due(self, *, idle: bool) -> None:
        """Checkpoint a long log, and any log while nothing else is to do."""
        self.check()
        if self._checkpoints.due or (idle and self._checkpoints.waiting):
            self.checkpoint()

    def _roll_back(self) -> None:
        try:
            self._store.roll_back()
        except Exception as error:  # noqa: BLE001 - judged below
            raise self.give_up(error) from None

    def give_up(self, error: Exception) -> OutboxBrokenError:
        """Write nothing any more, and give what every call is told from now on."""
        name = getattr(error, "sqlite_errorname", None) or type(error).__name__
        self._broken = (
            f"the outbox file {self._store.path} could not be read or written ({name}):"
            " what is on the disk is unknown; look at the disk, then start the process "
            "again"
        )
        return OutboxBrokenError(self._broken)
