"""The dashboard and the alert rules, asked of a real Prometheus that scrapes us."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from made_up import batch, purchase
from telemetry.conftest import TOKEN
from telemetry.process import served, settings_file
from tokferry import AsyncClient, TokferryError
from tokferry_server.sandbox.faults import Fault
from tokferry_server.sandbox.server import Sandbox
from tokferry_server.telemetry.metrics import ATTRIBUTES, INSTRUMENTS

DEPLOY = Path(__file__).resolve().parents[2] / "server" / "deploy"
INSTALL = "apt-get install prometheus"
COMPARISON = re.compile(r" (?:>|<|==) [0-9.]+$")


def rules() -> list[dict[str, Any]]:
    """Give the alert rules."""
    groups = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[tuple[str, str]]:
    """Give title and query of each target of the dashboard."""
    dashboard = json.loads((DEPLOY / "dashboard.json").read_text())
    return [
        (panel["title"], target["expr"])
        for panel in dashboard["panels"]
        for target in panel["targets"]
    ]


def test_promtool_takes_the_rules_and_their_cases(program: Any, tmp_path: Path) -> None:
    promtool = program("promtool", INSTALL)
    cases = Path(__file__).with_name("alerts_cases.yml")
    for file in (DEPLOY / "alerts.yml", cases):
        shutil.copy(file, tmp_path)
    for words in (("check", "rules", "alerts.yml"), ("test", "rules", cases.name)):
        ended = subprocess.run(
            [promtool, *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr


def test_each_alert_has_a_case_and_a_section_of_the_runbook() -> None:
    cases = Path(__file__).with_name("alerts_cases.yml").read_text()
    page = (DEPLOY.parent / "docs" / "operations.md").read_text()
    heads = re.findall(r"^### (\w+)$", page, re.MULTILINE)
    for rule in rules():
        assert rule["alert"] in heads
        path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert path.endswith("/server/docs/operations.md")
        assert anchor == rule["alert"].lower()
        assert f'alertname="{rule["alert"]}"' in cases


def test_queries_name_only_metrics_and_labels_that_there_are() -> None:
    metrics = {"up", "ALERTS"}
    for one in INSTRUMENTS:
        suffixes = ("_bucket", "_count", "_sum") if one.bounds else ("",)
        metrics |= {one.prometheus + suffix for suffix in suffixes}
    labels = {name.replace(".", "_") for name in ATTRIBUTES} | {"le", "instance", "job"}
    queries = [query for _, query in panels()] + [rule["expr"] for rule in rules()]
    for query in queries:
        bare = re.sub(r'"[^"]*"', '""', query)
        named = set(re.findall(r"\b(?:tokferry|rpc|process|error)_\w+", bare))
        assert named <= metrics | labels, query


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def prometheus(program: Path, folder: Path, scraped: int) -> AsyncIterator[str]:
    """Scrape and evaluate the rules each second; give the address of the API."""
    shutil.copy(DEPLOY / "alerts.yml", folder)
    (folder / "prometheus.yml").write_text(
        f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [alerts.yml]
scrape_configs:
  - job_name: tokferry
    static_configs: [{{targets: ["127.0.0.1:{scraped}"]}}]
"""
    )
    address = f"127.0.0.1:{free_port()}"
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        await process.wait()


async def ask(api: str, path: str, **parameters: str) -> Any:
    """Ask Prometheus; None while it does not listen yet."""

    def get() -> Any:
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"{api}/api/v1/{path}?{query}") as answer:
                return json.load(answer)["data"]
        except OSError:
            return None

    return await asyncio.to_thread(get)


async def some_of_everything(client: AsyncClient, sandbox: Sandbox) -> None:
    """Call in ways that move every series that is asked for."""
    sandbox.script([Fault(reply="code", code=50000)])
    await client.forward(batch(purchase(1), purchase(2)), connection="shop")
    for number in range(10, 18):
        await client.forward(
            [batch(purchase(number)), batch(purchase(99), user_identities={})],
            connection="shop",
            mode="durable",
        )
        await client.forward(batch(purchase(100 + number)), connection="shop")
        await asyncio.sleep(1.0)
    with pytest.raises(TokferryError):
        await client.forward(batch(purchase(3)), connection="nowhere")
    sandbox.script([Fault(code=40105)])
    await client.forward(batch(purchase(4)), connection="shop")


async def test_every_panel_and_every_rule_has_data(
    program: Any, tmp_path: Path
) -> None:
    server = program("prometheus", INSTALL)
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "prometheus").mkdir()
    port = free_port()
    async with Sandbox(token=TOKEN) as sandbox:
        file = settings_file(tmp_path, sandbox.url, metrics=f"127.0.0.1:{port}")
        async with (
            served(file, {"OTEL_SDK_DISABLED": "false"}) as service,
            AsyncClient(service.target) as client,
            prometheus(server, tmp_path / "prometheus", port) as api,
        ):
            await some_of_everything(client, sandbox)
            missing = {COMPARISON.sub("", rule["expr"]) for rule in rules()}
            missing |= {query for _, query in panels()}
            for _ in range(20):
                for query in list(missing):
                    asked = query.replace("$__rate_interval", "10s")
                    asked = asked.replace("$connection", "shop")
                    data = await ask(api, "query", query=asked)
                    if data and data["result"]:
                        missing.discard(query)
                if not missing:
                    break
                await asyncio.sleep(0.5)
            assert missing == set()
            told = await ask(api, "rules")
    read = [rule for group in told["groups"] for rule in group["rules"]]
    assert [rule["name"] for rule in read] == [rule["alert"] for rule in rules()]
    assert {rule["health"] for rule in read} == {"ok"}


async def test_the_endpoint_needs_no_more_than_its_address(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    port = free_port()
    file = settings_file(
        tmp_path, "http://127.0.0.1:9", metrics=f"127.0.0.1:{port}", outbox=False
    )
    async with served(file, {}) as service:
        async with AsyncClient(service.target) as client:
            await client.describe_connection("shop")

        def scrape() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                text: str = answer.read().decode()
                return text

        text = await asyncio.to_thread(scrape)
    assert 'rpc_response_status_code="OK"' in text
    assert 'service_name="tokferry"' in text
    shown = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE)) - {"target_info"}
    assert shown <= {one.prometheus for one in INSTRUMENTS}
    assert len(shown) > 5
