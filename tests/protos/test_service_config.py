"""Client and examples try again as the published service config says."""

import json
from pathlib import Path

import pytest

from tokferry._channel import SERVICE_CONFIG

ROOT = Path(__file__).parents[2]
PUBLISHED = (ROOT / "protos" / "service_config.json").read_text()
EXAMPLES = (
    "go/connect.go",
    "typescript/src/connect.ts",
    "java/src/main/java/com/example/Connection.java",
)


def test_the_python_client_has_it() -> None:
    assert json.loads(SERVICE_CONFIG) == json.loads(PUBLISHED)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_it(name: str) -> None:
    source = (ROOT / "client" / "examples" / name).read_text()

    assert "".join(PUBLISHED.split()) in "".join(source.split())
