"""What is refused in a custom mapping: the key, what is wrong, and what would do."""

import re
import tomllib
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from strategies.cases import merged
from tokferry_server.settings import (
    Problem,
    SettingsError,
    connection_from_mapping,
    settings_from_mapping,
)

HERE = Path(__file__).parent
MAPPING = {
    "name": "trial",
    "match": {"event_type": "custom_event", "event_name": "Trial"},
    "event": "Subscribe",
    "fields": {"value": {"from": "event.custom_attributes.price"}},
}
ANY = {"event_name": "Trial"}
DATA = tomllib.loads((HERE / "mistakes.toml").read_text("utf-8"))
MISTAKES = DATA["mistake"]
PATHS = tomllib.loads((HERE / "personal_paths.toml").read_text("utf-8"))


def problems(*mappings: Any, source: str = "web") -> list[Problem]:
    given = {"pixel_id": "P", "event_source": source, "custom_mappings": list(mappings)}
    try:
        connection_from_mapping(given)
    except SettingsError as error:
        return list(error.problems)
    return []


def of_path(path: str) -> list[Problem]:
    """Give what is wrong with a mapping that sends the value at the path."""
    fields = {"content_name": {"from": path}}
    return problems({**MAPPING, "event": "Custom", "match": ANY, "fields": fields})


def test_the_mapping_is_right_as_long_as_nothing_is_changed() -> None:
    assert problems(MAPPING) == []
    assert len(MISTAKES) >= 40


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one["key"] or "mapping")
def test_a_mistake_is_named_with_its_key_and_what_would_do(
    mistake: dict[str, Any],
) -> None:
    change = merged(MAPPING, mistake["change"])
    found = problems(change, source=mistake.get("source", "web"))
    key = "custom_mappings[0]" + (f".{mistake['key']}" if mistake["key"] else "")

    assert [(one.key, one.problem) for one in found] == [(key, mistake["problem"])]
    for words in mistake.get("words", []):
        assert words in found[0].description


@pytest.mark.parametrize(
    "right", DATA["right"], ids=lambda one: next(iter(one["change"]))
)
def test_what_looks_like_a_mistake_and_is_none_is_taken(right: dict[str, Any]) -> None:
    mapping = merged(MAPPING, right["change"])

    assert problems(mapping, source=right.get("source", "web")) == []


def test_the_file_and_the_connection_are_named_as_well() -> None:
    wrong = merged(MAPPING, {"fields": {"value": {"from": "event.nmae"}}})
    connections = {"shop": {"pixel_id": "P", "custom_mappings": [MAPPING, wrong]}}
    with pytest.raises(SettingsError) as caught:
        settings_from_mapping({"connections": connections}, file="tokferry.toml")

    place = "tokferry.toml: connections.shop.custom_mappings[1]"
    assert [str(problem).partition(": '")[0] for problem in caught.value.problems] == [
        f"{place}.name: is the name of another mapping: give each its own",
        f"{place}.fields.value.from",
    ]


def test_two_mappings_of_one_name_are_refused_in_any_case() -> None:
    found = problems(MAPPING, {**MAPPING, "name": "Trial"})

    assert [str(problem) for problem in found] == [
        "custom_mappings[1].name: is the name of another mapping: give each its own"
    ]


def test_every_mistake_of_every_mapping_is_named_at_once() -> None:
    wrong = [merged(MAPPING, one["change"]) for one in MISTAKES if "source" not in one]
    for index, mapping in enumerate(wrong):
        if mapping.get("name") == "trial":
            mapping["name"] = f"trial {index}"
    named = {problem.key.partition("]")[0] for problem in problems(*wrong)}

    assert named == {f"custom_mappings[{index}" for index in range(len(wrong))}


def spellings(root: str, steps: list[str]) -> Iterator[str]:
    """Give the path with each step below the first member in either way of writing."""
    for brackets in product((True, False), repeat=len(steps)):
        written = [
            f"['{step}']" if bracketed else f".{step}"
            for step, bracketed in zip(steps, brackets, strict=True)
        ]
        yield root + "".join(written)


PERSONAL = [
    path
    for group in PATHS["paths"]
    for steps in group["steps"]
    for path in spellings(group["root"], steps)
]


@pytest.mark.parametrize("path", PERSONAL)
def test_a_path_that_names_a_person_or_device_is_refused(path: str) -> None:
    (problem,) = of_path(path)

    assert problem.key == "custom_mappings[0].fields.content_name.from"
    readable = re.fullmatch(r"\w+\.\w+(\.\w+|\['[^']+'\])*", path)
    if readable:
        assert "names a person, a device or an address" in problem.description


@pytest.mark.parametrize("path", PATHS["allowed"][0]["paths"])
def test_a_path_that_names_none_is_taken(path: str) -> None:
    assert of_path(path) == []


def test_a_products_own_person_is_refused_in_the_long_spelling_too() -> None:
    path = "event.product_action.products[*].custom_attributes['E-Mail']"

    assert "names a person" in of_path(path)[0].description
