"""Writes one row of the table as code."""

from collections.abc import Iterable, Iterator
from typing import Any

from tokferry_server.mapping.code.reads import Reads
from tokferry_server.mapping.paths import Path
from tokferry_server.mapping.rules import RULES, Rule
from tokferry_server.mapping.rules.absent import ABSENT
from tokferry_server.mapping.rules.plain import EASY, PLAIN
from tokferry_server.mapping.rules.texts import is_blank_text
from tokferry_server.mapping.scope import Scope
from tokferry_server.mapping.table import Step
from tokferry_server.tiktok.names import CURRENCIES

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


def write_row(step: Step, reads: Reads, *, explain: bool) -> Iterator[str]:
    """Yield the lines that set the local named as the step's member."""
    reads.names |= _NAMES
    member = step.member
    yield f"# {' | '.join(path.text for path in step.paths)} -> {step.row.tiktok}"
    *others, last = step.paths
    for number, path in enumerate(step.paths):
        judged = _judged(step, path, reads, by="judge" if path is last else "attempt")
        lines = [f"{member} = {reads.expression(path)}"]
        lines += _unless_plain(step, path, judged, explain=explain)
        if number:
            yield f"if {member} is None:"
            lines = _indented(lines)
        yield from lines
    if others:
        yield f"if {member} is LEFT_OUT:"
        yield f"    {member} = None"
    if explain:
        yield f"if {member} is not None:"
        yield f"    scope.note_origin({_tiktok(step)}, {step.row.rule!r})"


def _judged(step: Step, path: Path, reads: Reads, *, by: str) -> list[str]:
    """Give the lines that put what the rule makes of a value in its place."""
    member, rule = step.member, step.row.rule
    reads.names[f"rule_{rule}"] = RULES[rule]
    call = f"{member} = {by}(rule_{rule}, {reads.value(path, member)}, scope)"
    lines = [f"scope.path = {_mparticle(path)}", call]
    if rule not in EASY:
        return lines
    condition, made = (text.format(member) for text in EASY[rule])
    return [f"if {condition}:", f"    {member} = {made}", "else:", *_indented(lines)]


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
    yield from _indented(judged)


_NAMES = {
    "judge": judge,
    "attempt": attempt,
    "LEFT_OUT": LEFT_OUT,
    "CURRENCIES": CURRENCIES,
}


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _mparticle(path: Path) -> str:
    if path.is_of_product:
        return f"place + {path.below!r}"
    return repr(path.text)


def _tiktok(step: Step) -> str:
    outer, entry, member = step.row.tiktok.partition("[*]")
    return f"f'{outer}[{{len(contents)}}]{member}'" if entry else repr(outer)
