"""The mapping takes no more instructions than it did when its bounds were set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench import instructions

MARGIN = 1.05


@pytest.mark.gate
@pytest.mark.timeout(600)
def test_mapping_an_event_takes_no_more_instructions_than_it_may(
    program: Callable[[str, str], Path],
) -> None:
    build, bounds = instructions.bounds()
    if build != instructions.build():
        pytest.skip(f"the bounds are for {build}; renew: {instructions.RENEW}")
    valgrind = program("valgrind", "apt-get install valgrind")

    counts = instructions.counted(str(valgrind))

    over = {work: n for work, n in counts.items() if n > bounds[work] * MARGIN}
    assert not over, f"bounds {bounds}; make it cheaper or: {instructions.RENEW}"
