"""Client of Tokferry, which delivers mParticle events to TikTok's Events API.

`Client` blocks, `AsyncClient` is for asyncio. Messages are in `tokferry.v1`,
`tokferry.mparticle.v1` and `tokferry.tiktok.v1`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokferry._aio import AsyncClient
    from tokferry._client import Client
    from tokferry._errors import (
        Cancelled,
        DeadlineExceeded,
        FailedPrecondition,
        FieldViolation,
        InternalError,
        InvalidRequest,
        NotFound,
        NotImplementedByServer,
        PermissionDenied,
        QuotaViolation,
        ResourceExhausted,
        TokferryError,
        Unauthenticated,
        Unavailable,
    )
    from tokferry._stream import ChunkAnswer
    from tokferry._stream_aio import AsyncForwardStream
    from tokferry._stream_sync import ForwardStream
    from tokferry._tls import Tls

__all__ = [
    "AsyncClient",
    "AsyncForwardStream",
    "Cancelled",
    "ChunkAnswer",
    "Client",
    "DeadlineExceeded",
    "FailedPrecondition",
    "FieldViolation",
    "ForwardStream",
    "InternalError",
    "InvalidRequest",
    "NotFound",
    "NotImplementedByServer",
    "PermissionDenied",
    "QuotaViolation",
    "ResourceExhausted",
    "Tls",
    "TokferryError",
    "Unauthenticated",
    "Unavailable",
]


def __getattr__(name: str) -> object:
    # Loaded on first use: programs that only need the messages never load grpc.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    homes = {
        "AsyncClient": "_aio",
        "AsyncForwardStream": "_stream_aio",
        "ChunkAnswer": "_stream",
        "Client": "_client",
        "ForwardStream": "_stream_sync",
        "Tls": "_tls",
    }
    return getattr(import_module(f"{__name__}.{homes.get(name, '_errors')}"), name)
