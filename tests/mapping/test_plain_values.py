"""What compiled mappings take for plain, the rule would give just so, and silently."""

import math
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strategies.cases import connection
from tokferry_server.mapping.rules import RULES
from tokferry_server.mapping.rules.absent import ABSENT, MAY_BE_ABSENT
from tokferry_server.mapping.rules.identity import digest
from tokferry_server.mapping.rules.plain import EASY, NAMES, PLAIN
from tokferry_server.mapping.scope import Scope
from tokferry_server.mparticle.model import BatchData, DeviceInfo
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
NOT_EASY: Final = object()
IDENTITIES: Final = ("email", "phone", "external_id")
PERSONAL = st.one_of(
    VALUES,
    st.from_regex(r" ?[+0][0-9]{5,16} ?", fullmatch=True),
    st.from_regex(r" ?[A-Za-z0-9]{1,5}[ -]?[A-Za-z0-9]{0,5} ?", fullmatch=True),
    st.text("aF09", min_size=34, max_size=66),
    st.sampled_from(
        [
            *("Jo.Doe@example.com", "@example.com", "jo@", "a@b@c", " jo@example.com"),
            *("+12135550101", "+4915112345678", "+490151", "+0123456789", "0" * 36),
            *("New York", "texas", "Texas", "\u0130lker", "Zoe\u0308", "f" * 64),
            *("US", "us", "DE", "UK", "ZZ", "90012-1234", "SW1A 1AA"),
            *("9d2f4b1e-1c2d-4e3f", "9D2F4B1E-1C2D-4E3F", "authorized", "DENIED"),
        ]
    ),
)
PARTS = st.one_of(
    st.sampled_from(["en", "US", "EN", "us", "de"]),
    st.text("enUS\u0130", min_size=1, max_size=3),
    PERSONAL,
)
DEVICES = st.builds(
    DeviceInfo,
    platform=st.sampled_from(["iOS", "ios", "tvOS", "Android", "ANDROID", "", None, 1]),
    limit_ad_tracking=st.sampled_from([None, False, True, 0, 1, "", "no", [], {}]),
)
LONG = settings(max_examples=200, deadline=None, derandomize=True)


def values_of(rule: str) -> st.SearchStrategy[Any]:
    """Give values as the rule is given them."""
    if rule in IDENTITIES:
        one = st.tuples(st.sampled_from(["email", "customer_id"]), PERSONAL)
        return st.lists(one, min_size=1, max_size=2)
    return st.tuples(PARTS, PARTS) if rule == "locale" else PERSONAL


def asked(condition: str, value: Any) -> bool:
    source = f"def holds(value):\n    return bool({condition.format('value')})\n"
    return bool(load(source, NAMES)["holds"](value))


def easily(rule: str, value: Any, scope: Scope) -> Any:
    """Give what compiled mappings make of an easy value, or that it is none."""
    condition, *done = (text.format("value") for text in EASY[rule])
    lines = [f"if {condition}:", *(f"    {line}" for line in done), "    return value"]
    body = "".join(f"    {line}\n" for line in [*lines, "return NOT_EASY"])
    names = {**NAMES, "NOT_EASY": NOT_EASY}
    return load(f"def make(value, scope):\n{body}", names)["make"](value, scope)


def fresh_scope(
    country: str | None = None, device: DeviceInfo | None = None, **more: Any
) -> Scope:
    attributes: dict[str, Any] | None = {"$Country": country} if country else None
    batch = BatchData(user_attributes=attributes, device_info=device)
    return Scope(connection(**more), batch)


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
@example("10.0.0.1")
def test_a_plain_value_is_sent_as_it_is(rule: str, value: Any) -> None:
    if asked(PLAIN[rule], value):
        assert ruled(rule, value) is value or (type(value), ruled(rule, value)) == (
            type(value),
            value,
        )


@pytest.mark.parametrize("rule", EASY)
@LONG
@given(data=st.data())
def test_an_easy_value_is_what_the_rule_makes_of_it(
    rule: str, data: st.DataObject
) -> None:
    value = data.draw(values_of(rule))
    country = data.draw(st.sampled_from([None, "US", "DE"]))
    case = data.draw(st.sampled_from(["as_is", "lower"]))
    device = data.draw(st.none() | DEVICES)
    scope, ruled_scope = (
        fresh_scope(country, device, external_id_case=case) for _ in range(2)
    )
    made = NOT_EASY
    if not asked(PLAIN.get(rule, "False"), value):
        made = easily(rule, value, scope)

    if made is not NOT_EASY:
        assert repr(made) == repr(RULES[rule](value, ruled_scope))
        assert (scope.time_ms, scope.warnings, scope.drop) == (
            ruled_scope.time_ms,
            [],
            None,
        )
        assert (ruled_scope.warnings, ruled_scope.drop) == ([], None)


@pytest.mark.parametrize(
    ("rule", "value", "made"),
    [
        ("email", [("email", "Jo.Doe@example.com")], digest("jo.doe@example.com")),
        ("phone", [("mobile_number", "+12135550101")], digest("+12135550101")),
        ("external_id", [("customer_id", "A-1")], digest("A-1")),
        *(("locale", ("en", "US"), "en-US"), ("country", "US", "us")),
        *(("name", "Mary Ann", digest("maryann")), ("city", "San Jose", "sanjose")),
        *(("state", "Texas", "tx"), ("zip_code", "90012", digest("90012"))),
        *(("number", 5.0, 5), ("unix_seconds", 1_790_000_000_123, 1_790_000_000)),
    ],
)
def test_what_most_senders_write_is_easy(rule: str, value: Any, made: Any) -> None:
    assert easily(rule, value, fresh_scope("US")) == made


@pytest.mark.parametrize(
    ("platform", "rule", "value", "made"),
    [
        ("iOS", "idfa", "9d2f-4b1e", "9D2F-4B1E"),
        ("tvos", "idfv", "9d2F-4B1E", "9d2F-4B1E"),
        ("ios", "att_status", "authorized", "AUTHORIZED"),
        ("Android", "gaid", "9D2F-4B1E", "9d2f-4b1e"),
    ],
)
def test_ids_are_easy_on_their_platform(
    platform: str, rule: str, value: str, made: str
) -> None:
    device = DeviceInfo(platform=platform, limit_ad_tracking=False)
    other = DeviceInfo(platform="Roku")

    assert easily(rule, value, fresh_scope(device=device)) == made
    assert easily(rule, value, fresh_scope(device=other)) is NOT_EASY
    assert easily(rule, value, fresh_scope()) is NOT_EASY


@pytest.mark.parametrize("limit", [True, 1, "no", []])
@pytest.mark.parametrize(("platform", "rule"), [("ios", "idfa"), ("android", "gaid")])
def test_ids_are_not_easy_where_tracking_may_be_limited(
    platform: str, rule: str, limit: Any
) -> None:
    device = DeviceInfo(platform=platform, limit_ad_tracking=limit)

    assert easily(rule, "9d2f-4b1e", fresh_scope(device=device)) is NOT_EASY


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        *(("name", one) for one in ("f" * 64, "\u0130lker", "O'Hara", " ")),
        *(("zip_code", "0" * 36), ("zip_code", "90012-1234"), ("city", "S\u00e3o")),
        *(("state", "New York"), ("country", "us"), ("country", "ZZ")),
        *(("email", [("email", one)]) for one in ("jo@", "@example.com", " a@b", 1)),
        ("email", [("email", "a@example.com"), ("other_email", "b@example.com")]),
        *(("phone", [("other", one)]) for one in ("12135550101", "+49 151", "+490151")),
        *(("external_id", [("other", one)]) for one in ("f" * 64, "0", " a", 7)),
        *(("locale", one) for one in (("EN", "us"), ("en", "us"), ("EN", "US"))),
        *(("locale", one) for one in (("e1", "US"), ("en", None), ("eng", "US"))),
    ],
)
def test_what_its_rule_has_to_judge_is_not_easy(rule: str, value: Any) -> None:
    assert easily(rule, value, fresh_scope("US")) is NOT_EASY


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        *(("text", "Stoneware mug"), ("number", 19.99), ("number", 5), ("integer", 2)),
        *(("currency", "EUR"), ("page_url", "https://shop.example.com/cart?a=1")),
        *(("referrer", "https://www.example.com/"), ("click_id", "E.C.P.made-up")),
        *(("event_id", "5a3f6c1d-6b0e-4d55-8a35-5a0f8f4b3c33"), ("flag", True)),
        ("public_ip", "203.0.113.7"),
    ],
)
def test_what_most_senders_write_is_plain(rule: str, value: Any) -> None:
    assert asked(PLAIN[rule], value)


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_says_anything_of_empty_text(rule: str) -> None:
    value = ("", "") if rule == "locale" else () if rule in IDENTITIES else ""

    assert ruled(rule, value) is (ABSENT if rule in MAY_BE_ABSENT else None)
