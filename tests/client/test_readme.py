"""The README's examples run as they stand."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from rpc.authority import Authority

README = Path(__file__).parents[2] / "client" / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


async def test_the_first_example_previews_and_delivers(
    target: str, service: Any, capsys: Any
) -> None:
    program = EXAMPLES[0].replace("127.0.0.1:50051", target).replace("[...]", "[]")

    await asyncio.to_thread(exec, program, {})

    assert [type(r).__name__ for r in service.requests] == [
        "TransformRequest",
        "ForwardRequest",
    ]
    assert "delivered: 3" in capsys.readouterr().out


def test_the_typed_example_makes_a_batch() -> None:
    names: dict[str, Any] = {}

    exec(EXAMPLES[1].replace("\nBatch(", "\nbatch = Batch("), names)

    assert names["batch"].user_identities[0].identity == "ada@example.com"


async def test_the_bulk_example_forwards_a_file(
    target: str, service: Any, capsys: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "batches.ndjson").write_text('{"events": []}\n{"events": []}\n\n')
    monkeypatch.chdir(tmp_path)
    program = EXAMPLES[2].replace("127.0.0.1:50051", target)

    await asyncio.to_thread(exec, program, {})

    assert service.lines == [b'{"events": []}', b'{"events": []}']
    assert "rejected: 2" in capsys.readouterr().out


def test_the_example_with_certificates_makes_a_client(
    tmp_path: Path, monkeypatch: Any
) -> None:
    authority = Authority(tmp_path, "ca")
    authority.pair("orders")
    monkeypatch.chdir(tmp_path)

    exec(EXAMPLES[4], {})


def test_the_tls_example_makes_a_client() -> None:
    program = f"from tokferry import Client\nclient = {EXAMPLES[3]}"
    names: dict[str, Any] = {"token": "made-up-token"}

    exec(program, names)
    names["client"].close()
