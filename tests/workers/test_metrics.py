"""Each worker's metrics have a port of their own; together they are the service's."""

import random
import re
import socket
import sys
import urllib.request

import pytest

from made_up import batch, purchase
from tokferry import AsyncClient
from workers.conftest import Service

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="processes are found in /proc"
)

CALLS = 16
COUNT = re.compile(
    r"^rpc_server_call_duration_seconds_count\{.*/Transform\".*\} ([\d.]+)$",
    re.MULTILINE,
)


def free_ports(number: int) -> int:
    """Give the first of so many free ports, below those of outgoing connections."""
    while True:
        first = random.randint(20_000, 32_000)
        try:
            for port in range(first, first + number):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first


def calls_counted_at(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as page:
        return sum(int(float(one)) for one in COUNT.findall(page.read().decode()))


async def test_every_call_is_counted_at_the_port_of_one_worker(
    service: Service,
) -> None:
    first = free_ports(2)
    server = f'[server]\nmetrics = "127.0.0.1:{first}"\n'
    service.settings.write_text(server + service.settings.read_text())
    await service.start(2)
    for _ in range(CALLS):
        async with AsyncClient(service.target) as client:
            await client.transform(batch(purchase(1)), connection="shop")
    counted = [calls_counted_at(port) for port in (first, first + 1)]
    assert sum(counted) == CALLS
    assert max(counted) < CALLS


async def test_ports_that_workers_would_share_with_calls_are_refused(
    service: Service,
) -> None:
    server = '[server]\nmetrics = "127.0.0.1:30000"\n'
    service.settings.write_text(server + service.settings.read_text())
    await service.spawn(2, listen="127.0.0.1:30001")
    status, _, err = await service.ended()
    assert status == 2
    assert "takes ports 30000 to 30001, and server.listen has 30001" in err
