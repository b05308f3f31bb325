"""Writes one row of the table as code."""

from collections.abc import Iterable, Iterator
from typing import Any

from tokferry_server.mapping.code.reads import Reads
from tokferry_server.mapping.paths import Path
from tokferry_server.mapping.rules import RULES, Rule
from tokferry_server.mapping.rules.absent import ABSENT, MAY_BE_ABSENT
from tokferry_server.mapping.rules.plain import (
    EASY,
    NAMES,
    ONLY_OF_EVENTS,
    ONLY_UNEXPLAINED,
    PLAIN,
)
from tokferry_server.mapping.rules.texts import is_blank_text
from tokferry_server.mapping.scope import Scope
from tokferry_server.mapping.table import Step

LEFT_OUT = object()
"""The rule has judged the value, and later alternatives are not to be tried."""


def judge(rule: Rule, value: Any, scope: Scope) -> Any:
    """Give what the rule makes of the only, or last, value that there is."""
    if value is None or value == "":
        return None
    made = rule(value, scope)
    return None if made is ABSENT else made


def attempt(rule: Rule, value: Any, scope: Scope) -> Any:
    """Give what the rule makes of a value, ``None`` to go on, or ``LEFT_OUT``."""
    if value is None or value == "":
        return None
    made = rule(value, scope)
    if made is None:
        return None if is_blank_text(value) else LEFT_OUT
    return None if made is ABSENT else made


def judge_field(rule: Rule, value: Any, scope: Scope) -> Any:
    """Give what the rule makes of the value of a custom mapping's field."""
    return None if is_blank_text(value) else judge(rule, value, scope)


def write_row(step: Step, reads: Reads, *, explain: bool) -> Iterator[str]:
    """Yield the lines that set the local named as the step's member."""
    others = step.paths[1:]
    judges = [*("attempt" for _ in others), "judge"]
    yield from write_value(step, reads, judges, explain=explain)
    if others:
        yield f"if {step.member} is LEFT_OUT:"
        yield f"    {step.member} = None"
    if explain:
        yield from write_origin(step, "len(contents)")


def write_value(
    step: Step, reads: Reads, judges: Iterable[str], *, explain: bool
) -> Iterator[str]:
    """Yield the lines that take the first path that gives something.

    ``judges`` names the functions that have the rule judge the value of each path.
    """
    reads.names |= _NAMES
    member = step.member
    yield f"# {' | '.join(path.text for path in step.paths)} -> {step.row.tiktok}"
    for number, (path, by) in enumerate(zip(step.paths, judges, strict=True)):
        judged = _judged(step, path, reads, by=by, explain=explain)
        lines = [f"{member} = {reads.expression(path)}"]
        lines += _unless_plain(step, path, judged, explain=explain)
        if number:
            yield f"if {member} is None:"
            lines = indented(lines)
        yield from lines


def write_origin(step: Step, entry: str) -> Iterator[str]:
    """Yield the lines that note where a value came from; ``entry`` is its index."""
    outer, listed, member = step.row.tiktok.partition("[*]")
    tiktok = f"f'{outer}[{{{entry}}}]{member}'" if listed else repr(outer)
    yield f"if {step.member} is not None:"
    yield f"    scope.note_origin({tiktok}, {step.row.rule!r})"


def _judged(
    step: Step, path: Path, reads: Reads, *, by: str, explain: bool
) -> list[str]:
    """Give the lines that put what the rule makes of a value in its place."""
    member, rule = step.member, step.row.rule
    reads.names[f"rule_{rule}"] = RULES[rule]
    value = reads.value(path, member)
    call = f"{by}(rule_{rule}, {value}, scope)"
    if by == "judge" and rule not in MAY_BE_ABSENT:
        call = f"rule_{rule}({value}, scope)"
    lines = [f"scope.path = {_mparticle(path)}", f"{member} = {call}"]
    if (
        rule not in EASY
        or (path.root == "batch" and rule in ONLY_OF_EVENTS)
        or (explain and rule in ONLY_UNEXPLAINED)
    ):
        return lines
    condition, *done = (text.format(member) for text in EASY[rule])
    return [f"if {condition}:", *indented(done), "else:", *indented(lines)]


def _unless_plain(
    step: Step, path: Path, judged: Iterable[str], *, explain: bool
) -> Iterator[str]:
    """Yield the lines that have a value judged if it is there and is not plain.

    An explanation needs the path of plain values, too.
    """
    member = step.member
    conditions = [f"{member} is not None"]
    if explain:
        yield f"if {member} is not None:"
        yield f"    scope.path = {_mparticle(path)}"
    if step.row.rule in PLAIN:
        conditions.insert(0, f"not ({PLAIN[step.row.rule].format(member)})")
    yield f"if {' and '.join(conditions)}:"
    yield from indented(judged)


_NAMES = {
    "judge": judge,
    "attempt": attempt,
    "judge_field": judge_field,
    "LEFT_OUT": LEFT_OUT,
    **NAMES,
}


def indented(lines: Iterable[str]) -> list[str]:
    """Give the lines one level further in."""
    return [f"    {line}" for line in lines]


def _mparticle(path: Path) -> str:
    if path.is_of_product:
        return f"place + {path.below!r}"
    return repr(path.text)
