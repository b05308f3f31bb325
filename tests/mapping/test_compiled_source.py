"""The table is compiled to Python that can be read, and that tracebacks show."""

import json
import traceback
from dataclasses import replace
from typing import Any

import pytest

from strategies.cases import BATCH, batch, connection
from tokferry_server.mapping.code.mapping import compile_code, compile_order
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.table import load_fields, plan
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.written import load

WEB = connection(user_attributes=True)


def test_every_row_of_the_connection_stands_in_the_source() -> None:
    source = Transformer(WEB).source
    rows = [row for row in load_fields().all if "web" in row.sources]

    assert len(rows) > 20
    for row in rows:
        if (
            row.tiktok != "properties.content_ids"
        ):  # made of the ids once they are final
            assert f"# {row.mparticle} -> {row.tiktok}\n" in source


@pytest.mark.parametrize("source", ["web", "app", "offline", "crm"])
def test_rows_of_other_sources_do_not(source: str) -> None:
    written = Transformer(connection(event_source=source)).source
    others = [row for row in load_fields().rows if source not in row.sources]

    assert others
    assert not [row for row in others if f"-> {row.tiktok}\n" in written]


def test_only_an_explanation_notes_origins() -> None:
    assert "note_origin" not in Transformer(WEB).source
    assert "note_origin('user.email', 'email')" in Transformer(WEB, explain=True).source


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other", "pixel_id": "other", "test_event_code": "TEST"},
        {"app_id": "com.example", "gdpr_purposes": ("advertising",)},
        {"email_identity_types": ("other",), "default_region": "US"},
    ],
)
def test_the_values_of_settings_do_not_stand_in_the_source(
    changes: dict[str, Any],
) -> None:
    changed: Connection = replace(WEB, **changes)

    assert Transformer(changed).source == Transformer(WEB).source


def test_a_custom_mapping_adds_the_rows_that_its_event_takes() -> None:
    mappings = [
        {
            "name": "m",
            "match": {"action": "purchase"},
            "event": "Subscribe",
            "fields": {"description": {"from": "batch.context.plan", "default": "x"}},
        }
    ]
    source = Transformer(connection(custom_mappings=mappings)).source
    *_, order, products, fields = source.split("\n\n\n")

    assert "-> properties.currency" in order
    assert "-> properties.order_id" not in order
    assert "->" not in products
    written = "batch.context.plan | setting.custom_mappings.fields.description"
    assert f"# {written} -> properties.description\n" in fields


def test_a_traceback_shows_the_line() -> None:
    source = "def fails(value):\n    return value.strip()  # as written\n"
    with pytest.raises(AttributeError) as caught:
        load(source, {})["fails"](None)

    assert "return value.strip()  # as written" in "".join(
        traceback.format_exception(caught.value)
    )


def test_functions_with_the_very_same_names_are_the_same() -> None:
    source, names = "def give():\n    return given\n", {"given": object()}
    give = load(source, names)["give"]

    assert load(source, dict(names))["give"] is give


def test_functions_with_other_names_have_bytecode_of_their_own() -> None:
    """It would have learnt where the others' names are, and look there in vain."""
    source = "def give():\n    return given\n"
    one, equal = (load(source, {"given": given})["give"] for given in (1.0, True))

    assert (one(), equal()) == (1.0, True)
    assert type(equal()) is bool
    assert one.__code__ is not equal.__code__


def test_connections_of_the_same_rows_share_their_functions() -> None:
    changed: Connection = replace(WEB, name="other", pixel_id="other")
    one, other = (compile_code(plan(c), "web", explain=False) for c in (WEB, changed))
    order, another = (compile_order(plan(c), explain=False) for c in (WEB, changed))

    assert (one.of_batch, one.of_event) == (other.of_batch, other.of_event)
    assert (order.of_order, order.of_products) == (
        another.of_order,
        another.of_products,
    )


def test_a_map_that_is_an_empty_list_holds_nothing() -> None:
    """PHP writes an empty object as an array; arrays have methods such as ``count``."""
    made = batch({**BATCH}, [{"custom_attributes": [], "custom_flags": []}])
    outcome = next(Transformer(WEB).transform(read_json(json.dumps(made).encode())))

    assert outcome.drop is not None
    assert outcome.drop.reason.name == "MISSING_PAGE_URL"
