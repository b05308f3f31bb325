"""The container files keep the promises that a reviewer looks for first."""

from __future__ import annotations

import re
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from telemetry.process import served, settings_file
from tokferry_server.cli.app import app
from tokferry_server.cli.serve import NOTICE_SECONDS
from tokferry_server.rpc.server import DRAIN_GRACE_SECONDS
from tokferry_server.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "server" / "deploy"


def instructions() -> list[tuple[str, str]]:
    """Give the instructions of the last stage of the Dockerfile."""
    text = re.sub(r"\\\n\s*", "", (DEPLOY / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pairs = [(line.split()[0], line.partition(" ")[2]) for line in lines]
    last = max(place for place, (word, _) in enumerate(pairs) if word == "FROM")
    return pairs[last:]


def manifest() -> dict[str, Any]:
    """Give the Kubernetes objects by kind."""
    text = (DEPLOY / "kubernetes.yaml").read_text()
    return {one["kind"]: one for one in yaml.safe_load_all(text)}


def container() -> dict[str, Any]:
    found: dict[str, Any] = manifest()["StatefulSet"]["spec"]["template"]["spec"]
    return found


def test_the_image_runs_as_nobody_and_says_how_it_is() -> None:
    image = dict(instructions())
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", image["USER"])
    assert 'CMD ["tokferry", "health"]' in image["HEALTHCHECK"]
    assert image["ENTRYPOINT"] == '["tokferry"]'
    assert image["STOPSIGNAL"] == "SIGTERM"
    assert "ADD" not in image
    assert not re.search(r"token|secret|password", str(instructions()), re.IGNORECASE)


def test_the_image_is_made_with_the_locked_tools() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    pinned = re.search(r'"uv==([^"]+)"', (ROOT / "pyproject.toml").read_text())
    assert pinned is not None
    assert f"uv=={pinned[1]}" in text
    assert "--frozen" in text
    for image in re.findall(r"^FROM (\S+)", text, re.MULTILINE):
        assert re.fullmatch(r"[a-z]+:[0-9]\S+", image)


def test_the_pod_has_no_rights_that_it_does_not_need() -> None:
    pod = container()
    [one] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert one["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in one["resources"]["limits"]
    assert not one["image"].endswith(":latest")
    writable = [m["mountPath"] for m in one["volumeMounts"] if not m.get("readOnly")]
    assert writable == [dict(instructions())["VOLUME"]]


def test_the_pod_is_probed_by_grpc_and_has_time_to_drain() -> None:
    pod = container()
    [one] = pod["containers"]
    port = next(p["containerPort"] for p in one["ports"] if p["name"] == "grpc")
    for probe in ("startupProbe", "readinessProbe"):
        assert one[probe]["grpc"] == {"port": port}
    _, seconds = one["lifecycle"]["preStop"]["exec"]["command"]
    needed = float(seconds) + NOTICE_SECONDS + DRAIN_GRACE_SECONDS
    assert pod["terminationGracePeriodSeconds"] > needed


def test_the_service_is_headless_and_finds_the_pods() -> None:
    objects = manifest()
    service, sets = objects["Service"]["spec"], objects["StatefulSet"]["spec"]
    assert service["clusterIP"] == "None"
    assert service["selector"] == sets["template"]["metadata"]["labels"]
    assert sets["serviceName"] == objects["Service"]["metadata"]["name"]


def test_compose_keeps_the_root_read_only() -> None:
    [one] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"].values()
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in one["ports"])


def test_the_settings_are_right_and_the_same_everywhere() -> None:
    text = (DEPLOY / "tokferry.toml").read_text()
    assert manifest()["ConfigMap"]["data"]["tokferry.toml"] == text
    settings = load_settings(DEPLOY / "tokferry.toml")
    assert settings.outbox is not None
    assert settings.outbox.path.is_relative_to(dict(instructions())["VOLUME"])
    [one] = container()["containers"]
    ports = {f"0.0.0.0:{port['containerPort']}" for port in one["ports"]}
    assert ports == {settings.server.listen, settings.server.metrics}
    assert "tokens" in tomllib.loads(text)["server"]["principals"][0]


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[str]:
    (tmp_path / "token").write_text("a-made-up-token")
    file = settings_file(tmp_path, "http://127.0.0.1:9", outbox=False)
    async with served(file, {}) as service:
        yield service.target


def test_health_asks_the_service(target: str) -> None:
    done = CliRunner().invoke(app, ["health", "--target", target])
    assert (done.exit_code, done.stdout) == (0, "SERVING\n")


def test_health_fails_where_nobody_answers() -> None:
    done = CliRunner().invoke(app, ["health", "--target", "127.0.0.1:9"])
    assert done.exit_code == 1
    assert "does not answer: UNAVAILABLE" in done.stderr
