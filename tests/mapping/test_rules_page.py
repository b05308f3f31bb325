"""Addresses of users and pages: what is public, what is redacted, and click ids."""

import time
from typing import Any

import pytest

from strategies.cases import connection
from tokferry_server.mapping.rules import page
from tokferry_server.mapping.scope import Scope
from tokferry_server.mparticle.model import BatchData


def scope() -> Scope:
    return Scope(connection(), BatchData())


def warned(used: Scope) -> list[str]:
    return [warning.code.name for warning in used.warnings]


@pytest.mark.parametrize(
    "address",
    [
        *("8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.63.255.255"),
        *("100.128.0.1", "192.169.0.1", "169.253.1.1", "11.0.0.1", "223.255.255.254"),
        *("192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1"),
        *("2606:4700:4700::1111", "2A00:1450:4001:0:0:0:0:200E"),
        "2001:0db8:0000:0000:0000:0000:0000:0001",
    ],
)
def test_public_and_documentation_addresses_are_sent_as_given(address: str) -> None:
    used = scope()

    assert page.public_ip(f" {address} ", used) == address
    assert warned(used) == []


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "127.0.0.1"),
        *("0.0.0.0", "169.254.1.1", "100.64.0.1", "100.127.255.255", "192.0.0.1"),
        *("198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1"),
        *("2001:db8::1%1", "::ffff:10.0.0.1", "::ffff:192.168.1.1", "::ffff:7f00:1"),
        *("localhost", "8.8.8", "8.8.8.8.8", "8.8.8.256", "08.8.8.8", "8.8.8.8:80"),
        *(
            "8.8.8.8/32",
            "[2001:db8::1]",
            "1,2",
            "unknown",
            "134744072",
            "8.8.8.8, 1.1.1.1",
        ),
    ],
)
def test_other_addresses_are_left_out(address: str) -> None:
    used = scope()

    assert page.public_ip(address, used) is None
    assert warned(used) == ["IP_NOT_PUBLIC"]


def test_a_mapped_address_is_as_public_as_the_one_inside() -> None:
    assert page.is_public("::ffff:8.8.8.8")
    assert not page.is_public("::ffff:10.1.2.3")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("https://example.com/?e=alice@example.com", "https://example.com/?e=redacted"),
        (
            "https://example.com/?e=alice%40example.com&x",
            "https://example.com/?e=redacted&x",
        ),
        (
            "https://example.com/a.b+c@mail.example.co.uk/d",
            "https://example.com/redacted/d",
        ),
        (
            "https://example.com/?a=x%40example.com&b=y@example.org",
            "https://example.com/?a=redacted&b=redacted",
        ),
        ("https://example.com/#alice@example.com", "https://example.com/#redacted"),
    ],
)
def test_an_email_in_an_address_is_replaced(given: str, sent: str) -> None:
    for rule in (page.page_url, page.referrer):
        used = scope()

        assert rule(given, used) == sent
        assert warned(used) == ["URL_HOLDS_EMAIL"]


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://example.com/@alice",
            "https://example.com/?q=a@b",
            "http://example.com",
        ),
        *(
            "HTTPS://EXAMPLE.com/",
            "https://example.com/?at=%40",
            "https://münchen.example/",
        ),
    ],
)
def test_other_addresses_of_pages_are_sent_as_given(url: str) -> None:
    used = scope()

    assert page.page_url(f" {url}\n", used) == url
    assert warned(used) == []


@pytest.mark.parametrize(
    "url", ["example.com", "/cart", "ftp://example.com", "httpss://x", "app://x", "7"]
)
def test_addresses_without_scheme_are_refused_and_referrers_left_out(url: str) -> None:
    used = scope()
    assert page.page_url(url, used) is None
    assert used.drop
    assert used.drop.reason.name == "INVALID_PAGE_URL"

    used = scope()
    assert page.referrer(url, used) is None
    assert used.drop is None
    assert warned(used) == ["REFERRER_INVALID"]


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/?q=" + "a" * 60_000 + "/@",
        "https://example.com/?q=" + "a@" * 30_000,
        "https://example.com/?q=" + "%40" * 20_000,
        "https://example.com/?q=a@" + "1." * 30_000,
        "https://example.com/?q=" + "a%40" * 15_000 + "b",
    ],
)
def test_long_addresses_cost_little_time(url: str) -> None:
    start = time.process_time()
    page.page_url(url, scope())

    assert time.process_time() - start < 0.5


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("E.C.P.abc", "E.C.P.abc"),
        (" E.C.P.abc ", "E.C.P.abc"),
        ("E.C.P" + "x" * 995, "E.C.P" + "x" * 995),
        ("E.C.P" + "x" * 996, None),
        ("e.c.p.abc", None),
        ("abc", None),
        (7, None),
    ],
)
def test_click_ids_are_never_cut(given: Any, sent: str | None) -> None:
    used = scope()

    assert page.click_id(given, used) == sent
    assert warned(used) == ([] if sent else ["CLICK_ID_INVALID"])
