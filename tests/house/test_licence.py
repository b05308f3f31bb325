"""The licence is Apache's own text, and goes with each distribution."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APACHE_2 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
"""https://www.apache.org/licenses/LICENSE-2.0.txt"""


@pytest.mark.parametrize("folder", [".", "client", "server"])
def test_the_licence_is_the_standard_text(folder: str) -> None:
    text = (ROOT / folder / "LICENSE").read_bytes()

    assert hashlib.sha256(text).hexdigest() == APACHE_2
