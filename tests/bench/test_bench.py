"""What `make bench` measures is what the server does, with all that it may get."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench import configured, h2load, messages
from bench.floors import digests, floors
from bench.path import json_batches, read_typed, to_request, to_typed, typed_bytes
from bench.profiles import DAY, PROFILES, PURCHASE, loads
from bench.section import replaced
from bench.shop import SHARES, event
from tokferry import AsyncClient
from tokferry.mparticle import v1 as mparticle
from tokferry.v1 import TransformResponse
from tokferry_server.assembly import assembled
from tokferry_server.settings import settings_from_mapping


async def test_what_is_measured_is_what_forward_would_post(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(configured.TOKEN_VARIABLE, configured.TOKEN)
    tables = tomllib.loads(configured.settings_text())
    tables["server"] = {"state_dir": str(tmp_path)}
    used = [load for profile in PROFILES for load in loads(profile, 10)[:5]]
    async with assembled(settings_from_mapping(tables)) as service:
        port = await service.server.start("127.0.0.1:0")
        async with AsyncClient(f"127.0.0.1:{port}") as client:
            for load in used:
                answer = await client.forward(
                    load.json, connection=load.connection, validate_only=True
                )
                posted = [one.json for r in answer.results for one in r.deliveries]
                made = configured.connection(load.connection)
                for read, data in (
                    (json_batches, load.json),
                    (read_typed, typed_bytes(load)),
                ):
                    body = json.loads(to_request(made, read)(data))
                    assert body["data"] == [json.loads(one) for one in posted]
        await service.server.drain()


async def test_calls_by_h2load_count_by_the_status_of_grpc(
    tmp_path: Path, program: Callable[[str, str], Path]
) -> None:
    program(h2load.PROGRAM, h2load.INSTALL)
    tables = tomllib.loads(configured.settings_text())
    tables["server"] = {"state_dir": str(tmp_path)}
    one = loads(PURCHASE, 1)[0]
    async with assembled(settings_from_mapping(tables)) as service:
        address = f"127.0.0.1:{await service.server.start('127.0.0.1:0')}"
        async with AsyncClient(address) as client:
            answer = await client.transform(one.json, connection=one.connection)
        good = h2load.Load(
            address=address,
            path=f"{messages.SERVICE}Transform",
            message=messages.transform(one, typed=False),
            connections=2,
            streams=3,
        )
        called = await h2load.calls(good, count=50, answer_bytes=answer.ByteSize())
        bad = replace(good, message=b"\xff")
        refused = await bad.run("-n", "10")
        with pytest.raises(RuntimeError, match="only 0 of 10 calls"):
            await h2load.calls(bad, count=10, answer_bytes=answer.ByteSize())
        await service.server.drain()
    assert len(called.latencies) == 50
    assert refused.answered == 10
    assert refused.good(answer.ByteSize()) == 0


def test_transform_measured_gives_a_result_for_each_event() -> None:
    for load in loads(DAY, 10):
        way = to_typed(configured.connection(load.connection), json_batches)
        results = TransformResponse.FromString(way(load.json)).results
        assert len(results) == load.events


def test_a_day_has_every_type_of_event() -> None:
    made = {event(kind, 1).WhichOneof("data") for kind in SHARES}
    types = mparticle.Event.DESCRIPTOR.oneofs_by_name["data"].fields
    assert made == {field.name for field in types}


def test_a_purchase_from_the_web_needs_six_hashes() -> None:
    load = loads("purchase", 1)[0]
    way = to_request(configured.connection("web"), json_batches)
    assert len(digests(way(load.json))) == 6
    assert floors(load, way).keys() == {"decode", "JSON only", "upb", "hash", "encode"}


def test_a_run_replaces_its_own_section_only() -> None:
    page = "# Results\n\n## Mutants\n\nold\n\n## Speed\n\nold\n\n## Chaos\n\nold\n"
    assert replaced(page, "## Speed", "new") == (
        "# Results\n\n## Mutants\n\nold\n\n## Speed\n\nnew\n\n## Chaos\n\nold\n"
    )
    assert replaced("# Results\n", "## Speed", "new") == (
        "# Results\n\n## Speed\n\nnew\n"
    )
