"""The mapping makes of generated batches what it made of them before, byte for byte."""

import json

import pytest

from corpus.outcomes import BATCHES, FEW, FOLDER, digests

KEPT = json.loads((FOLDER / "digests.json").read_text("utf-8"))
"""How many batches → connection → way in → digest; see ``corpus``."""


def test_a_thousand_batches_become_what_they_did() -> None:
    assert digests(FEW) == KEPT[str(FEW)]


@pytest.mark.gate
@pytest.mark.timeout(600)
def test_ten_thousand_batches_become_what_they_did() -> None:
    assert digests(BATCHES) == KEPT[str(BATCHES)]
