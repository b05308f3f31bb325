"""Numbers, currencies, texts, locales and times, value by value."""

from typing import Any

import pytest

from strategies.cases import connection
from tokferry_server.mapping.phone import to_e164
from tokferry_server.mapping.rules import amounts, texts, times
from tokferry_server.mapping.rules.texts import as_text
from tokferry_server.mapping.scope import Scope
from tokferry_server.mparticle.model import BatchData


def scope() -> Scope:
    return Scope(connection(), BatchData())


def warned(used: Scope) -> list[str]:
    return [warning.code.name for warning in used.warnings]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        *((100, "100"), (100.0, "100"), ("100", "100"), ("100.00", "100")),
        *((19.99, "19.99"), (" 19.99 ", "19.99"), ("+5", "5"), ("-3.5", "-3.5")),
        *((".5", "0.5"), ("5.", "5"), ("1e3", "1000"), ("1E-2", "0.01"), (-0.0, "0")),
        *((0, "0"), ("0.1", "0.1"), (0.1 + 0.2, "0.30000000000000004")),
        *((2**53 - 1, "9007199254740991"), (1e300, "1e+300"), ("007", "7")),
    ],
)
def test_numbers_are_the_shortest_double(given: Any, sent: str) -> None:
    used = scope()
    number = amounts.number(given, used)

    assert repr(number) == sent
    assert warned(used) == []


@pytest.mark.parametrize(
    "given",
    [
        *("1,000", "1 000", "$5", "5 USD", "NaN", "inf", "-Infinity", "0x10", "1_000"),
        *("1e400", "\u0661", "five", float("nan"), float("inf"), True, [1], {"a": 1}),
        *(10**400, "1.2.3", "--1", "e5"),
    ],
)
def test_what_is_no_number_is_left_out(given: Any) -> None:
    used = scope()

    assert amounts.number(given, used) is None
    assert warned(used) == ["NUMBER_INVALID"]


@pytest.mark.parametrize("given", ["", " ", "\n"])
def test_blank_numbers_are_absent(given: str) -> None:
    used = scope()

    assert amounts.number(given, used) is None
    assert amounts.integer(given, used) is None
    assert warned(used) == []


@pytest.mark.parametrize(
    ("given", "sent", "codes"),
    [
        (2, 2, []),
        (2.0, 2, []),
        ("2", 2, []),
        ("2.0", 2, []),
        (0.5, None, ["QUANTITY_NOT_INTEGER"]),
        ("1.5", None, ["QUANTITY_NOT_INTEGER"]),
        (1e20, None, ["QUANTITY_NOT_INTEGER"]),
        ("two", None, ["NUMBER_INVALID"]),
        (True, None, ["NUMBER_INVALID"]),
    ],
)
def test_quantities_are_whole(given: Any, sent: int | None, codes: list[str]) -> None:
    used = scope()
    quantity = amounts.integer(given, used)

    assert (quantity, type(quantity)) == (sent, type(sent))
    assert warned(used) == codes


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        *(("USD", "USD"), ("usd", "USD"), (" Eur ", "EUR"), ("VES", "VES")),
        *(("XAU", None), ("US", None), ("US Dollar", None), ("$", None), (840, None)),
        *(("BGN", None), ("USD,EUR", None)),
    ],
)
def test_currencies_are_those_that_tiktok_takes(given: Any, sent: str | None) -> None:
    used = scope()

    assert amounts.currency(given, used) == sent
    assert warned(used) == ([] if sent else ["CURRENCY_UNKNOWN"])


@pytest.mark.parametrize(
    ("language", "country", "sent", "codes"),
    [
        ("en", "US", "en-US", []),
        ("EN", "us", "en-US", []),
        ("en", None, "en", []),
        ("en", "", "en", []),
        ("en-GB", None, "en-GB", []),
        ("en_gb", "US", "en-US", []),
        ("zh-hans", "cn", "zh-Hans-CN", []),
        ("zh_Hant_TW", None, "zh-Hant-TW", []),
        ("es-419", None, "es-419", []),
        ("fil", "PH", "fil-PH", []),
        ("en", "USA", "en", ["batch.device_info.locale_country"]),
        ("en-GB", "840", "en-GB", ["batch.device_info.locale_country"]),
        ("English", "US", None, ["batch.device_info.locale_language"]),
        ("e", "US", None, ["batch.device_info.locale_language"]),
        (7, "US", None, ["batch.device_info.locale_language"]),
        (None, "US", None, []),
        (" ", "US", None, []),
    ],
)
def test_locales_are_bcp_47(
    language: Any, country: Any, sent: str | None, codes: list[str]
) -> None:
    used = scope()

    assert texts.locale((language, country), used) == sent
    assert [warning.field for warning in used.warnings] == codes


@pytest.mark.parametrize(
    ("given", "text"),
    [
        *((" a ", "a"), ("", None), ("\t\n", None), ("\u00a0", None), (None, None)),
        *((0, "0"), (5, "5"), (2**63, "9223372036854775808"), (5.0, "5"), (1.5, "1.5")),
        *((-0.0, "0"), (1e22, "1e+22"), (True, None), (False, None), ([], None)),
        *(({}, None), (["a"], None), ("00000000-0000-0000-0000-000000000000", None)),
        *(("-" * 36, "-" * 36), ("-" + "0" * 35, "-" + "0" * 35)),
        (
            "00000000-0000-0000-0000-000000000001",
            "00000000-0000-0000-0000-000000000001",
        ),
        ("0", "0"),
    ],
)
def test_scalars_as_text(given: Any, text: str | None) -> None:
    assert as_text(given) == text


@pytest.mark.parametrize(
    ("given", "milliseconds"),
    [
        *((5, 5), ("5", 5), (5.0, 5), ("5.0", 5), ("5.", 5), ("-5", -5), ("+5", 5)),
        *((5.5, None), ("5.5", None), ("1e12", None), (True, None), (None, None)),
        *(([5], None), ("", None), ("9" * 19, None), (float("nan"), None)),
        (float("inf"), None),
    ],
)
def test_times_are_whole_milliseconds(given: Any, milliseconds: int | None) -> None:
    assert times.as_milliseconds(given) == milliseconds


@pytest.mark.parametrize(
    ("given", "region", "number"),
    [
        ("+1 213 373 4253", None, "+12133734253"),
        ("+12133734253", "GB", "+12133734253"),
        ("00 44 20 7183 8750", None, "+442071838750"),
        ("+44(0)2071838750", None, "+442071838750"),
        ("020 7183 8750", "GB", "+442071838750"),
        ("+852 2345 6789", None, "+85223456789"),
        ("+123456789012345", None, "+123456789012345"),
        ("2133734253", None, "PHONE_WITHOUT_COUNTRY"),
        ("12", None, "PHONE_WITHOUT_COUNTRY"),
        ("n/a", None, "PHONE_INVALID"),
        ("+", None, "PHONE_INVALID"),
        ("+0123456789", None, "PHONE_INVALID"),
        ("123", "US", "PHONE_INVALID"),
        ("+1234567890123456", None, "PHONE_INVALID"),
    ],
)
def test_phones_are_e164(given: str, region: str | None, number: str) -> None:
    result = to_e164(given, lambda: region)

    assert (result if isinstance(result, str) else result.name) == number
