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
    member = step.member
    yield f"# {' | '.join(path.text for path in step.paths)} -> {step.row.tiktok}"
    for number, path in enumerate(step.paths):
        lines = [
            f"{member} = {reads.expression(path)}",
            *_judged(step, path, reads, explain=explain),
        ]
        if number:
            yield f"if {member} is None:"
            lines = _indented(lines)
        yield from lines
    yield f"if {member} is LEFT_OUT:"
    yield f"    {member} = None"
    if explain:
        yield f"if {member} is not None:"
        yield f"    scope.note_origin({_tiktok(step)}, {step.row.rule!r})"


def _judged(step: Step, path: Path, reads: Reads, *, explain: bool) -> Iterator[str]:
    """Yield the lines that call the rule, unless the value is plain."""
    member, rule = step.member, step.row.rule
    reads.names |= {
        f"rule_{rule}": RULES[rule],
        "attempt": attempt,
        "LEFT_OUT": LEFT_OUT,
        "CURRENCIES": CURRENCIES,
    }
    at = f"scope.path = {_mparticle(path)}"
    judged = [f"{member} = attempt(rule_{rule}, {reads.value(path, member)}, scope)"]
    if not explain:
        judged.insert(0, at)
    if rule in EASY:
        condition, made = (text.format(member) for text in EASY[rule])
        easy = [f"if {condition}:", f"    {member} = {made}", "else:"]
        judged = easy + _indented(judged)
    plain = PLAIN[rule].format(member) if rule in PLAIN else "False"
    there = f"if {member} is not None"
    if explain:
        yield f"{there}:"
        yield f"    {at}"
        yield f"    if not ({plain}):"
        yield from _indented(_indented(judged))
    else:
        yield f"{there} and not ({plain}):" if rule in PLAIN else f"{there}:"
        yield from _indented(judged)


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _mparticle(path: Path) -> str:
    if path.is_of_product:
        return f"place + {path.below!r}"
    return repr(path.text)


def _tiktok(step: Step) -> str:
    outer, entry, member = step.row.tiktok.partition("[*]")
    return f"f'{outer}[{{len(contents)}}]{member}'" if entry else repr(outer)
