"""Checks of the two addresses: where the service listens, and where TikTok is."""

import ipaddress
import re
from typing import TypeGuard
from urllib.parse import SplitResult, urlsplit

from pydantic import ValidationInfo

from tokferry_server.settings.values import refuse

_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})")
_LARGEST_PORT = 65_535
_ALL_ADDRESSES = {"0.0.0.0", "[::]"}  # noqa: S104  compared with, not listened at


def is_loopback(host: str) -> bool:
    """Whether the host is this very machine, by name or by address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def unguarded(listen: str, *, encrypted: bool, known: bool) -> str | None:
    """Say what an address to listen at lacks, if other machines can reach it.

    ``encrypted`` says whether calls are, or need not be; ``known`` the same of callers.
    """
    if is_loopback(listen.rpartition(":")[0].strip()):
        return None
    missing = []
    if not encrypted:
        missing.append(
            "[server.tls] (or, behind a proxy that has TLS, allow_plaintext = true)"
        )
    if not known:
        missing.append(
            "[[server.principals]] (or, to let anyone call, allow_anonymous = true)"
        )
    if not missing:
        return None
    takes = " and ".join(missing)
    return f"is open to other machines, which takes {takes}; or use 127.0.0.1"


def crowded(metrics: str, listen: str, workers: int) -> str | None:
    """Say why the workers cannot have a port for metrics each, one after the other."""
    (host, first), (other, taken) = _parts(metrics), _parts(listen)
    if first == 0:  # each takes a free one
        return None
    last = first + workers - 1
    if last > _LARGEST_PORT:
        return f"leaves no port for each of the workers: the last one's would be {last}"
    if first <= taken <= last and (host == other or {host, other} & _ALL_ADDRESSES):
        ports = f"ports {first} to {last}" if workers > 1 else f"port {first}"
        return f"takes {ports}, and server.listen has {taken}: choose another"
    return None


def is_address(value: object) -> TypeGuard[str]:
    """Whether it is ``host:port``."""
    return isinstance(value, str) and _LISTEN.fullmatch(value.strip()) is not None


def check_listen(text: str) -> str:
    """Check ``host:port``."""
    parts = _LISTEN.fullmatch(text)
    if parts is None or int(parts[2]) > _LARGEST_PORT:
        raise refuse("must be host:port, such as 127.0.0.1:50051 or [::1]:50051")
    return text


def check_base_url(text: str, info: ValidationInfo) -> str:
    """Check the scheme and host under which TikTok's paths stand."""
    address, host = _split(text)
    if address.username or address.password or address.query or address.fragment:
        raise refuse("must hold nothing but scheme, host, port and path")
    if is_loopback(host):
        if not info.data.get("allow_loopback", True):
            raise refuse("is on this machine: set allow_loopback = true to mean it")
    elif address.scheme == "http":
        raise refuse("must begin with https://; http is for the sandbox on loopback")
    return text.rstrip("/")


def _parts(address: str) -> tuple[str, int]:
    host, _, port = address.strip().rpartition(":")
    return host.lower(), int(port)


def _split(text: str) -> tuple[SplitResult, str]:
    problem = "must be an address such as https://business-api.tiktok.com"
    try:
        address = urlsplit(text)
        host, port = address.hostname, address.port
    except ValueError:
        raise refuse(problem) from None
    if address.scheme not in ("https", "http") or not host or port == 0 or " " in text:
        raise refuse(problem)
    return address, host
