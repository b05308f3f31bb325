"""Health: no calls for a process that cannot store, or whose loop is late."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tokferry_server.rpc import health
from tokferry_server.rpc.health import LATE_S, Health
from workers.waiting import until

SERVICE = "tokferry.v1.ForwardingService"


@pytest.fixture(autouse=True)
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "EVERY_S", 0.02)


@asynccontextmanager
async def asked(watched: Health) -> AsyncIterator[Any]:
    """Give a function that asks for the health of the service."""
    server = grpc.aio.server()
    watched.add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await watched.begin()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)

        async def serving() -> bool:
            request = health_pb2.HealthCheckRequest(service=SERVICE)
            status = (await stub.Check(request)).status
            return bool(status == health_pb2.HealthCheckResponse.SERVING)

        yield serving
        await watched.end()
        assert not await serving()
    await server.stop(None)


def negated(serving: Any) -> Any:
    async def not_serving() -> bool:
        return not await serving()

    return not_serving


async def test_it_does_not_serve_while_nothing_can_be_stored() -> None:
    room: list[Any] = [True]

    async def has_room() -> bool:
        if isinstance(room[0], Exception):
            raise room[0]
        return bool(room[0])

    async with asked(Health((SERVICE,), has_room)) as serving:
        assert await serving()
        for no in (False, OSError("the disk is gone")):
            room[0] = no
            await until(negated(serving))
            room[0] = True
            await until(serving)


async def test_it_does_not_serve_while_the_loop_is_late_time_and_again() -> None:
    async with asked(Health((SERVICE,), None)) as serving:
        assert await serving()
        await asyncio.sleep(0.2)
        _block()
        await asyncio.sleep(0.1)
        assert await serving()  # one large request
        for _ in range(8):
            _block()
            await asyncio.sleep(0.001)
        await until(negated(serving))
        await until(serving)


def _block() -> None:
    time.sleep(LATE_S + 0.1)
