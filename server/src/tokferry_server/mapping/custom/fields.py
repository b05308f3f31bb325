"""Writes the fields of a custom mapping as code: one straight-line function."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tokferry_server.mapping.code.reads import Reads
from tokferry_server.mapping.code.rows import indented, write_origin, write_value
from tokferry_server.mapping.custom.model import CustomMapping, FieldMapping, Scalar
from tokferry_server.mapping.custom.properties import load_properties
from tokferry_server.mapping.native import Listed
from tokferry_server.mapping.paths import Path, parse_path
from tokferry_server.mapping.scope import Scope
from tokferry_server.mapping.table import Row, Step
from tokferry_server.tiktok.model import Content, Properties

SetFields = Callable[[Scope, Sequence[Listed], Properties, list[Content]], str | None]
"""Sets what the fields give; gives the path of a field that is required and lacks."""

_IN_CONTENTS = "contents[*]"


class Fields:
    """The source of ``set_fields`` for one mapping, and the names it refers to."""

    def __init__(self, mapping: CustomMapping, *, explain: bool) -> None:
        self._explain = explain
        self.names: dict[str, Any] = {"Content": Content}
        self._reads = Reads(self.names)
        lines = [line for field in mapping.fields for line in self._field(field)]
        body = [*self._first_product(mapping), *self._reads.lines, *lines]
        self.source = "\n".join(
            [
                "def set_fields(scope, listed, properties, contents):",
                '    """What the fields give; the path of one that is lacking."""',
                *indented([*body, "return None"]),
                "",
            ]
        )

    def _field(self, field: FieldMapping) -> Iterator[str]:
        """Yield the lines that set one field, and give up if it is required."""
        step = _step(field)
        if step.paths[0].is_of_product and _IN_CONTENTS in step.row.tiktok:
            yield from self._each(step, required=field.required)
        else:
            yield from self._value(step, self._reads, entry="0")
            yield f"if {step.member} is not None:"
            yield from indented(_set_one(step))
            if field.required:
                yield "else:"
                yield f"    return {step.paths[0].text!r}"

    def _each(self, step: Step, *, required: bool) -> Iterator[str]:
        """Yield the lines that set a member of every product's entry."""
        reads = Reads(self.names)
        value = list(self._value(step, reads, entry="entry"))
        yield "found = False"
        yield "while len(contents) < len(listed):"
        yield "    contents.append(Content())"
        yield "for entry, (place, product) in enumerate(listed):"
        yield from indented([*reads.lines, *value])
        yield f"    if {step.member} is not None:"
        yield f"        contents[entry].{step.member} = {step.member}"
        yield "        found = True"
        if required:
            yield "if not found:"
            yield f"    return {step.paths[0].text!r}"

    def _value(self, step: Step, reads: Reads, *, entry: str) -> Iterator[str]:
        judges = ["judge_field"] * len(step.paths)
        yield from write_value(step, reads, judges, explain=self._explain)
        if self._explain:
            yield from write_origin(step, entry)

    @staticmethod
    def _first_product(mapping: CustomMapping) -> Iterator[str]:
        """Yield the line that names the product that an event of one is made of."""
        if mapping.per == "product":
            yield "place, product = listed[0]"


def _step(field: FieldMapping) -> Step:
    """Give a field as a row: its path or fixed value, and then its default."""
    known = load_properties()[field.name]
    literals = [one for one in (field.value, field.default) if one is not None]
    paths = [_literal(field.name, literal) for literal in literals]
    if field.path is not None:
        paths.insert(0, parse_path(field.path))
    row = Row(
        mparticle=" | ".join(path.text for path in paths),
        tiktok=known.tiktok,
        legacy="",
        rule=field.rule or known.rule,
        sources=(),
    )
    return Step(paths=tuple(paths), row=row, group="properties", member=known.member)


def _literal(name: str, literal: Scalar) -> Path:
    """Give a path for what stands in the settings."""
    return Path(f"setting.custom_mappings.fields.{name}", "setting", lambda _: literal)


def _set_one(step: Step) -> list[str]:
    """Give the lines that set a property of the event, or of the first entry."""
    if _IN_CONTENTS not in step.row.tiktok:
        return [f"properties.{step.member} = {step.member}"]
    return [
        "if not contents:",
        "    contents.append(Content())",
        f"contents[0].{step.member} = {step.member}",
    ]
