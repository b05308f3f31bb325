"""Calls of Transform by h2load, all the same."""

from bench.h2load import Load
from hostile.conftest import AUTHORIZED, FORWARDING, Service
from made_up import batch, purchase
from tokferry import _requests


async def transforms(
    service: Service, *, connections: int, streams: int
) -> tuple[Load, int]:
    """Give the calls, and how many bytes each answer has."""
    request = _requests.transform_request(
        batch(purchase()),
        connection="shop",
        settings=None,
        explain=False,
        test_event_code=None,
    )
    load = Load(
        address=f"127.0.0.1:{service.port}",
        path=f"{FORWARDING}Transform",
        message=request.SerializeToString(),
        connections=connections,
        streams=streams,
        metadata=dict([AUTHORIZED]),
    )
    async with service.client() as client:
        answer = await client.transform(batch(purchase()), connection="shop")
    return load, answer.ByteSize()
