import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _logging_again() -> Iterator[None]:
    """Let later tests of the process log, whatever a played story silenced in it."""
    yield
    logging.disable(logging.NOTSET)
