"""How the arguments of a client's methods become request messages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from tokferry.mparticle.v1 import Batch
from tokferry.v1 import (
    ConnectionSettings,
    DeliveryMode,
    DescribeConnectionRequest,
    ForwardRequest,
    StreamOptions,
    TransformRequest,
)

JsonObject = Mapping[str, Any]
Batches = Batch | JsonObject | bytes | str | Iterable[Batch] | Iterable[JsonObject]
"""One batch, several, or raw mParticle JSON.

Text and bytes are taken as JSON: one batch, an array, or one batch a line. Mappings
are mParticle's JSON after decoding.
"""

Mode = Literal["sync", "durable"]

_MODES: Mapping[Mode | None, DeliveryMode.ValueType] = {
    None: DeliveryMode.DELIVERY_MODE_UNSPECIFIED,
    "sync": DeliveryMode.DELIVERY_MODE_SYNC,
    "durable": DeliveryMode.DELIVERY_MODE_DURABLE,
}


def transform_request(
    batches: Batches,
    *,
    connection: str,
    settings: ConnectionSettings | None,
    explain: bool,
    test_event_code: str | None,
) -> TransformRequest:
    """Make a request of Transform.

    Raises:
        TypeError: `batches` is nothing that could hold batches.
        ValueError: not exactly one of `connection` and `settings` is given, or a number
            in `batches` is not finite.
    """
    if bool(connection) == (settings is not None):
        raise ValueError("transform: give either a connection or settings")
    request = TransformRequest(
        connection=connection,
        settings=settings,
        explain=explain,
        test_event_code=test_event_code,
    )
    _fill(request, batches)
    return request


def forward_request(  # noqa: PLR0913 - the call's own options, by keyword
    batches: Batches,
    *,
    connection: str,
    mode: Mode | None,
    validate_only: bool,
    label: str,
    test_event_code: str | None,
) -> ForwardRequest:
    """Make a request of Forward.

    Raises:
        TypeError: `batches` is nothing that could hold batches.
        ValueError: `mode` is unknown, or a number in `batches` is not finite.
    """
    request = ForwardRequest(
        connection=connection,
        mode=_mode(mode),
        validate_only=validate_only,
        label=label,
        test_event_code=test_event_code,
    )
    _fill(request, batches)
    return request


def stream_options(
    *,
    connection: str,
    mode: Mode | None,
    label: str,
    test_event_code: str | None,
    validate_only: bool,
) -> StreamOptions:
    """Make the first message of ForwardStream.

    Raises:
        ValueError: `mode` is unknown.
    """
    return StreamOptions(
        connection=connection,
        mode=_mode(mode),
        label=label,
        test_event_code=test_event_code,
        validate_only=validate_only,
    )


def describe_connection_request(name: str) -> DescribeConnectionRequest:
    """Make a request of DescribeConnection."""
    return DescribeConnectionRequest(connection=name)


def _mode(mode: Mode | None) -> DeliveryMode.ValueType:
    if mode not in _MODES:
        raise ValueError(f'mode: must be "sync", "durable" or None, not {mode!r}')
    return _MODES[mode]


def _fill(request: TransformRequest | ForwardRequest, batches: Batches) -> None:
    """Set the member of the request's oneof `input` that fits."""
    if isinstance(batches, Batch):
        request.batches.batches.append(batches)
    elif isinstance(batches, (bytes, bytearray, memoryview)):
        request.json = bytes(batches)
    elif isinstance(batches, str):
        request.json = batches.encode()
    elif isinstance(batches, Mapping):
        request.json = encode(batches)
    elif isinstance(batches, Iterable):
        _fill_several(request, list(batches))
    else:
        raise TypeError(f"batches: {type(batches).__name__} does not hold batches")


def _fill_several(request: TransformRequest | ForwardRequest, items: list[Any]) -> None:
    if all(isinstance(item, Batch) for item in items):
        request.batches.SetInParent()
        request.batches.batches.extend(items)
    elif all(isinstance(item, Mapping) for item in items):
        request.json = encode(items)
    else:
        kinds = " and ".join(sorted({type(item).__name__ for item in items}))
        raise TypeError(f"batches: must be all Batch or all dict, found {kinds}")


def encode(value: object) -> bytes:
    """Give decoded JSON as bytes.

    Raises:
        TypeError: it holds something that has no JSON form.
        ValueError: a number in it is not finite.
    """
    # NaN is refused here: as JSON it would be refused by the server, without the place.
    return json.dumps(
        value,
        allow_nan=False,
        ensure_ascii=False,
        separators=(",", ":"),
        default=_plain,
    ).encode()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"batches: {type(value).__name__} has no JSON form")
