"""How a channel to the server is opened: options, retries, deadlines, and the token."""

from __future__ import annotations

import ipaddress
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final

import grpc

from tokferry._tls import Tls

DEFAULT_TARGET: Final = "127.0.0.1:50051"
DEFAULT_TIMEOUT: Final = 30.0
_MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024

# Only UNAVAILABLE is tried again: the server promises that nothing was accepted then.
# No hedging, which would multiply the requests to TikTok.
SERVICE_CONFIG: Final = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{"service": "tokferry.v1.ForwardingService"}],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.2s",
                    "maxBackoff": "5s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
        "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
    }
)

Options = Sequence[tuple[str, str | int]]
Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSettings:
    """Where the server is and how to speak to it.

    `credentials` None means plaintext; `timeout` is the default deadline of a call,
    in seconds.
    """

    target: str
    token: str | None = field(repr=False)
    credentials: grpc.ChannelCredentials | None
    timeout: float

    @property
    def options(self) -> Options:
        """The channel options."""
        return channel_options(self.target)

    def deadline(self, timeout: float | None) -> float:
        """Give a call's deadline in seconds: its own, or the client's."""
        return self.timeout if timeout is None else checked_timeout(timeout)

    def metadata(self) -> Metadata:
        """Give the metadata of a call: the token, and the trace it belongs to."""
        if self.token is None:
            return _trace_context()
        return (("authorization", f"Bearer {self.token}"), *_trace_context())


def channel_settings(
    target: str,
    *,
    token: str | None,
    tls: bool | Tls | grpc.ChannelCredentials,
    timeout: float,
) -> ChannelSettings:
    """Check what a client was given.

    Raises:
        OSError: a file of `tls` cannot be read.
        ValueError: the token would travel in clear text, is not visible ASCII, or the
            timeout is not a positive number.
    """
    if token is not None and not (token and all("!" <= c <= "~" for c in token)):
        raise ValueError("token: must be visible ASCII characters without spaces")
    if tls is False and token is not None and not is_loopback(target):
        raise ValueError(
            f"token: refusing to send it in clear text to {target}; pass tls=True, or"
            " tls=Tls(...) with certificates of your own"
        )
    credentials: grpc.ChannelCredentials | None
    if isinstance(tls, bool):
        credentials = Tls().credentials() if tls else None
    else:
        credentials = tls.credentials() if isinstance(tls, Tls) else tls
    return ChannelSettings(
        target=target,
        token=token,
        credentials=credentials,
        timeout=checked_timeout(timeout),
    )


def checked_timeout(timeout: float) -> float:
    """Give back a timeout in seconds that makes sense.

    Raises:
        ValueError: it is not a positive, finite number. Calls without a deadline could
            hang for ever.
    """
    if not (timeout > 0 and math.isfinite(timeout)):
        raise ValueError(f"timeout: must be a positive number of seconds: {timeout!r}")
    return timeout


def channel_options(target: str) -> Options:
    """Give the channel options, with values that the server accepts."""
    return (
        ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 0),
        # Else all channels of a process share one connection, and its stream limit.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.primary_user_agent", f"tokferry-python/{version('tokferry')}"),
        ("grpc.enable_retries", 1),
        ("grpc.service_config", SERVICE_CONFIG),
        # By default a restarted server may be left alone for two minutes.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 5_000),
        # A proxy from the environment must never see what is meant for this machine.
        ("grpc.enable_http_proxy", 0 if is_loopback(target) else 1),
    )


def is_loopback(target: str) -> bool:
    """Say whether every address of a gRPC target is on this machine for certain."""
    scheme, colon, rest = target.partition(":")
    if colon and scheme in {"unix", "unix-abstract"}:
        return True
    if not (colon and scheme in {"dns", "ipv4", "ipv6"}):
        rest = target
    elif rest.startswith("//"):
        # What stands between // and / names a resolver, which may say anything.
        authority, _, rest = rest.removeprefix("//").partition("/")
        if authority:
            return False
    return all(_is_loopback_host(_host(address)) for address in rest.split(","))


def _host(address: str) -> str:
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.rpartition(":")[0] if address.count(":") == 1 else address


def _is_loopback_host(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _trace_context() -> Metadata:
    """Give the headers that tie the call to the caller's trace, if it has one."""
    try:
        from opentelemetry import propagate
    except ImportError:
        return ()
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return tuple((key.lower(), value) for key, value in carrier.items())
