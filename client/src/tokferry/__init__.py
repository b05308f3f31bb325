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
        ResourceExhausted,
        TokferryError,
        Unauthenticated,
        Unavailable,
    )

__all__ = [
    "AsyncClient",
    "Cancelled",
    "Client",
    "DeadlineExceeded",
    "FailedPrecondition",
    "FieldViolation",
    "InternalError",
    "InvalidRequest",
    "NotFound",
    "NotImplementedByServer",
    "PermissionDenied",
    "ResourceExhausted",
    "TokferryError",
    "Unauthenticated",
    "Unavailable",
]


def __getattr__(name: str) -> object:
    # Loaded on first use: programs that only need the messages never load grpc.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    homes = {"AsyncClient": "_aio", "Client": "_client"}
    return getattr(import_module(f"{__name__}.{homes.get(name, '_errors')}"), name)
