"""A flood without back-off costs itself time, and hardly those who call beside it."""

from collections.abc import Callable
from pathlib import Path
from statistics import median

import grpc
import pytest

from bench import h2load
from hostile.conftest import Service
from hostile.overload import HEADING, Overload, overload, peak

MEMORY = 256 * 2**20


def check(found: Overload, service: Service) -> None:
    """See that polite calls are answered, and the flood gets what there is."""
    if found.factor <= 5:
        assert found.polite.good >= 0.95, found.row()
    assert set(found.polite.ends) <= {
        grpc.StatusCode.OK,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNAVAILABLE,
    }
    # Nothing is refused or broken off: the flood waits, each of its calls ends in OK.
    assert found.flood.failed == 0
    assert found.good == found.flood.answered > 0
    assert found.worth >= 0.5, found.row()  # a busy machine takes some of 0.8
    assert service.process.returncode is None
    assert service.resident < MEMORY


@pytest.mark.gate
async def test_beside_a_flood_polite_calls_are_answered(
    service: Service,
    program: Callable[[str, str], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    program(h2load.PROGRAM, h2load.INSTALL)
    most = await peak(service, seconds=3)
    found = [
        await overload(service, most, factor=factor, connections=20, seconds=5)
        for factor in (2, 5)
    ]
    with capsys.disabled():
        print("", HEADING, *(one.row() for one in found), sep="\n")
    for one in found:
        check(one, service)
    await service.alive()


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_floods_of_any_size_wait_for_themselves(
    service: Service,
    program: Callable[[str, str], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    program(h2load.PROGRAM, h2load.INSTALL)
    most = await peak(service, seconds=5)
    found = [
        await overload(service, most, factor=factor, connections=many, seconds=8)
        for factor, many in ((2, 20), (5, 20), (20, 60))
        for _ in range(3)
    ]
    with capsys.disabled():
        print("", HEADING, *(one.row() for one in found), sep="\n")
        for factor in (2, 5, 20):
            times = [o.polite.percentile(0.99) for o in found if o.factor == factor]
            print(f"{factor} times: p99 {median(times):.0f} ms, most {max(times):.0f}")
    for one in found:
        check(one, service)
    await service.alive()
