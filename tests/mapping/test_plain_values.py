"""What compiled mappings take for plain, the rule would give just so, and silently."""

import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strategies.cases import connection
from tokferry_server.mapping.rules import RULES
from tokferry_server.mapping.rules.absent import ABSENT, MAY_BE_ABSENT
from tokferry_server.mapping.rules.plain import EASY, PLAIN
from tokferry_server.mapping.scope import BatchState, Scope
from tokferry_server.mparticle.model import BatchData, EventData
from tokferry_server.tiktok.names import CURRENCIES
from tokferry_server.written import load

TEXTS = st.one_of(
    st.text(max_size=40),
    st.text("0- \t\xa0\x00\u2003aZ@%.", max_size=40),
    st.sampled_from(
        [
            *("00000000-0000-0000-0000-000000000000", "0", "0-", "-", "0a", " a", "a "),
            *(
                "https://",
                "https://a",
                "https://a ",
                "https://a@b.example",
                "HTTPS://a",
            ),
            *(
                "https://a%40b.example",
                "http://a",
                "E.C.P",
                "E.C.P ",
                "E.C.P" + "x" * 995,
            ),
            *("E.C.P" + "x" * 996, "x" * 128, "x" * 129, "a@b.example", "USD", "usd"),
        ]
    ),
)
VALUES = st.one_of(
    TEXTS,
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(TEXTS, max_size=2),
    st.dictionaries(TEXTS, TEXTS, max_size=1),
    st.integers(10**11 - 1, 253_402_300_800_000),
    st.sampled_from(
        [2**53, -(2**53), 2.0**53, -(2.0**53), 2.0**53 - 1, -0.0, math.inf]
    ),
)
LONG = settings(max_examples=200, deadline=None, derandomize=True)


def asked(condition: str, value: Any) -> bool:
    source = f"def holds(value):\n    return bool({condition.format('value')})\n"
    return bool(load(source, {"CURRENCIES": CURRENCIES})["holds"](value))


def fresh_scope() -> Scope:
    return Scope(BatchState(connection(), BatchData()), EventData(), "", 0)


def ruled(rule: str, value: Any) -> Any:
    """Give what the rule makes of a value about which it has nothing to say."""
    scope = fresh_scope()
    made = RULES[rule](value, scope)
    assert scope.warnings == []
    assert scope.drop is None
    return made


@pytest.mark.parametrize("rule", PLAIN)
@LONG
@given(VALUES)
@example("0" * 8 + "-0000-0000-0000-" + "0" * 12)
def test_a_plain_value_is_sent_as_it_is(rule: str, value: Any) -> None:
    if asked(PLAIN[rule], value):
        assert ruled(rule, value) is value or (type(value), ruled(rule, value)) == (
            type(value),
            value,
        )


@pytest.mark.parametrize("rule", EASY)
@LONG
@given(VALUES)
def test_an_easy_value_is_what_the_rule_makes_of_it(rule: str, value: Any) -> None:
    condition, *done = EASY[rule]
    if not asked(PLAIN.get(rule, "False"), value) and asked(condition, value):
        scope, ruled_scope = fresh_scope(), fresh_scope()
        lines = "\n    ".join([*done, "return {0}"]).format("value")
        made = load(f"def make(value, scope):\n    {lines}\n", {})["make"]

        assert repr(made(value, scope)) == repr(RULES[rule](value, ruled_scope))
        assert (scope.time_ms, scope.warnings, scope.drop) == (
            ruled_scope.time_ms,
            [],
            None,
        )
        assert (ruled_scope.warnings, ruled_scope.drop) == ([], None)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        *(("text", "Stoneware mug"), ("number", 19.99), ("number", 5), ("integer", 2)),
        *(("currency", "EUR"), ("page_url", "https://shop.example.com/cart?a=1")),
        *(("referrer", "https://www.example.com/"), ("click_id", "E.C.P.made-up")),
        *(("event_id", "5a3f6c1d-6b0e-4d55-8a35-5a0f8f4b3c33"), ("flag", True)),
    ],
)
def test_what_most_senders_write_is_plain(rule: str, value: Any) -> None:
    assert asked(PLAIN[rule], value)


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_says_anything_of_empty_text(rule: str) -> None:
    value = ("", "") if rule == "locale" else () if rule in IDENTITIES else ""

    assert ruled(rule, value) is (ABSENT if rule in MAY_BE_ABSENT else None)


IDENTITIES = ("email", "phone", "external_id")
