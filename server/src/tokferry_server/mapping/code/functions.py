"""Writes the functions of a mapping: for its batches, events, orders and products."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from tokferry_server.mapping.code.reads import Reads
from tokferry_server.mapping.code.rows import write_row
from tokferry_server.mapping.connection import EventSource
from tokferry_server.mapping.requirements import MET, check
from tokferry_server.mapping.table import Step
from tokferry_server.tiktok import model as tiktok

_GROUPS: dict[str, type[msgspec.Struct]] = {
    "user": tiktok.User,
    "page": tiktok.Page,
    "app": tiktok.App,
    "lead": tiktok.Lead,
}


class Functions:
    """The functions of one mapping, as source, and the names that it refers to."""

    def __init__(self, *, explain: bool) -> None:
        self._explain = explain
        self._source: list[str] = []
        self.names: dict[str, Any] = {}

    @property
    def source(self) -> str:
        """The source of all that was added."""
        return "\n\n\n".join(self._source) + "\n"

    def add_batch(self, steps: Sequence[Step]) -> None:
        """Add ``of_batch(scope)``: a tuple of the groups that have members there."""
        body = self._rows(steps)
        groups = [_made_or_none(group, steps) for group in _present(steps)]
        body += ["return (", *(f"    {group}," for group in groups), ")"]
        self._add("of_batch(scope)", "What the events of one batch share.", body)

    def add_event(
        self, shared: Iterable[Step], steps: Sequence[Step], source: EventSource
    ) -> None:
        """Add ``of_event(scope, user, …)``: the event, as yet without what it is."""
        given = _present(shared)
        body = self._rows(steps)
        for group in _present(steps):
            if group in given:
                body += _added(group, steps)
            else:
                body.append(f"{group} = {_made_or_none(group, steps)}")
        members = [*_members("", steps), *dict.fromkeys([*given, *_present(steps)])]
        made = _call("Event", ["event=''", *(f"{one}={one}" for one in members)])
        body += [f"made = {made[0]}", *made[1:]]
        body += [f"if not ({MET[source]}):", "    check(made, scope)", "return made"]
        self.names |= {"Event": tiktok.Event, "check": check}
        name = f"of_event({', '.join(['scope', *given])})"
        self._add(name, "One event, before it has its name and properties.", body)

    def add_order(self, steps: Sequence[Step]) -> None:
        """Add ``of_order(scope)``: the properties of a commerce event."""
        members = [f"{step.member}={step.member}" for step in steps]
        body = [*self._rows(steps), *_returned("Properties", members)]
        self.names["Properties"] = tiktok.Properties
        self._add("of_order(scope)", "The properties of a commerce event.", body)

    def add_products(self, steps: Sequence[Step]) -> None:
        """Add ``of_products(scope, listed)``: an entry for each (place, product)."""
        members = [f"{step.member}={step.member}" for step in steps]
        entry = _call("Content", members)
        entry = ["contents.append(", *(f"    {line}" for line in entry), ")"]
        body = ["contents = []", "for place, product in listed:"]
        body += [f"    {line}" for line in [*self._rows(steps), *entry]]
        body.append("return contents")
        self.names["Content"] = tiktok.Content
        self._add("of_products(scope, listed)", "An entry for each product.", body)

    def _rows(self, steps: Iterable[Step]) -> list[str]:
        reads = Reads(self.names)
        lines = [
            line
            for step in steps
            for line in write_row(step, reads, explain=self._explain)
        ]
        return [*reads.lines, *lines]

    def _add(self, signature: str, says: str, body: Iterable[str]) -> None:
        self.names |= {struct.__name__: struct for struct in _GROUPS.values()}
        lines = [f"def {signature}:", f'    """{says}"""']
        lines += [f"    {line}" for line in body]
        self._source.append("\n".join(lines))


def _present(steps: Iterable[Step]) -> list[str]:
    """Give the groups that the steps write, in the order of the event's members."""
    written = {step.group for step in steps}
    return [group for group in _GROUPS if group in written]


def _members(group: str, steps: Iterable[Step]) -> list[str]:
    return [step.member for step in steps if step.group == group]


def _any_set(members: Iterable[str]) -> str:
    return " or ".join(f"{member} is not None" for member in members)


def _made_or_none(group: str, steps: Iterable[Step]) -> str:
    members = _members(group, steps)
    given = ", ".join(f"{member}={member}" for member in members)
    made = f"{_GROUPS[group].__name__}({given})"
    return f"{made} if {_any_set(members)} else None"


def _added(group: str, steps: Iterable[Step]) -> Iterator[str]:
    """Yield the lines that add an event's own members to a copy of the batch's."""
    members = _members(group, steps)
    yield f"if {_any_set(members)}:"
    new = f"{_GROUPS[group].__name__}()"
    yield f"    {group} = {group}.__copy__() if {group} else {new}"
    for member in members:
        yield f"    {group}.{member} = {member}"


def _call(name: str, members: Iterable[str]) -> list[str]:
    return [f"{name}(", *(f"    {member}," for member in members), ")"]


def _returned(name: str, members: Iterable[str]) -> list[str]:
    first, *rest = _call(name, members)
    return [f"return {first}", *rest]
