import pytest

from tokferry_server.delivery.address import check_base_url


@pytest.mark.parametrize(
    "url",
    [
        "https://business-api.tiktok.com",
        "https://business-api.tiktok.com/",
        "https://business-api.tiktok.com:8443",
        "https://Business-API.TikTok.com",
    ],
)
def test_tiktoks_own_host_is_allowed_over_https(url: str) -> None:
    base = check_base_url(url)
    assert base.host == "business-api.tiktok.com"
    assert base.secure
    assert not base.text.endswith("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "business-api.tiktok.com",
        "http://business-api.tiktok.com",
        "ftp://business-api.tiktok.com",
        "https://",
        "https://business-api.tiktok.com.example.com",
        "https://example.com",
        "https://business-api.tiktok.com@example.com",
        "https://user:pass@business-api.tiktok.com",
        "https://business-api.tiktok.com/open_api",
        "https://business-api.tiktok.com?x=1",
        "https://business-api.tiktok.com#x",
        "https://business-api.tiktok.com:99999",
        "https://business-api.tiktok.com\r\nX: y",
        "https://127.0.0.1",
        "http://127.0.0.1:8080",
        "http://localhost:8080",
        "http://[::1]:8080",
        "https://169.254.169.254",
        "https://2130706433",
        "https://0x7f000001",
        "https://127.1",
        "https://[::ffff:127.0.0.1]",
        "https://10.0.0.1",
        "https://[bad",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        check_base_url(url)


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://127.0.0.1:8080", 8080),
        ("http://127.8.8.8", 80),
        ("http://[::1]:8080", 8080),
        ("http://localhost:8080", 8080),
        ("https://127.0.0.1", 443),
    ],
)
def test_loopback_is_for_those_who_ask_for_it(url: str, port: int) -> None:
    base = check_base_url(url, allow_loopback=True)
    assert (base.text, base.port) == (url, port)


@pytest.mark.parametrize(
    "url",
    ["http://example.com", "http://10.0.0.1", "http://0.0.0.0", "http://128.0.0.1"],
)
def test_clear_text_leaves_the_machine_never(url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        check_base_url(url, allow_loopback=True, allowed_hosts=["example.com"])


def test_an_operator_may_allow_another_host() -> None:
    base = check_base_url(
        "https://gate.example.com", allowed_hosts=["Gate.example.com"]
    )
    assert base.text == "https://gate.example.com"


def test_a_password_in_the_url_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="user and password") as caught:
        check_base_url("https://user:hunter2@business-api.tiktok.com")
    assert "hunter2" not in str(caught.value)
