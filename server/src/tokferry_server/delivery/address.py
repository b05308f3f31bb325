"""Where requests may go: only hosts that the operator allows, and never in clear text
except to this very machine.
"""  # noqa: D205  one sentence

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

TIKTOK_HOST: Final = "business-api.tiktok.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseUrl:
    """A base URL that was found good; ``text`` has no slash at its end.

    ``loopback``: it is on this very machine, and requests may go nowhere else.
    """

    text: str
    host: str
    port: int
    secure: bool
    loopback: bool


def check_base_url(
    url: str, *, allow_loopback: bool = False, allowed_hosts: Collection[str] = ()
) -> BaseUrl:
    """Check a base URL: https and TikTok's host, or one in ``allowed_hosts``.

    ``allow_loopback`` also lets http and https through to a loopback address.

    Raises:
        ValueError: the URL is not allowed; the text says why and what to do.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError("base_url: not a URL; write https://host") from error
    if parts.scheme not in ("https", "http") or not host:
        raise ValueError("base_url: write it as https://host, without a path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("base_url: user and password do not belong there")
    if parts.path not in ("", "/") or "?" in url or "#" in url or not url.isprintable():
        raise ValueError("base_url: must end after the host, without path or query")
    if allow_loopback and _is_loopback(host):
        return _base_url(parts.scheme, host, port, loopback=True)
    if _is_loopback(host):
        raise ValueError(f"base_url: {host} needs allow_loopback = true")
    if parts.scheme != "https":
        raise ValueError("base_url: plain http is for loopback only; write https")
    if host not in (TIKTOK_HOST, *(allowed.lower() for allowed in allowed_hosts)):
        raise ValueError(
            f"base_url: host {host} is neither {TIKTOK_HOST} nor among the allowed"
            " hosts; add it there if it is meant"
        )
    return _base_url(parts.scheme, host, port, loopback=False)


def _base_url(scheme: str, host: str, port: int | None, *, loopback: bool) -> BaseUrl:
    secure = scheme == "https"
    bracketed = f"[{host}]" if ":" in host else host
    return BaseUrl(
        text=f"{scheme}://{bracketed}" + ("" if port is None else f":{port}"),
        host=host,
        port=port or (443 if secure else 80),
        secure=secure,
        loopback=loopback,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
