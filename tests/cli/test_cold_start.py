"""What commands load before they answer: no time is tested, only what takes time."""

from __future__ import annotations

import subprocess
import sys
from importlib import resources

SCRIPT = """
import sys
from tokferry_server.cli import main
try:
    main()
except SystemExit:
    print("\\nloaded", *sys.modules)
"""
NETWORK = {
    "aiohttp",
    "google",
    "grpc",
    "h11",
    "httptools",
    "httpx",
    "opentelemetry",
    "tokferry",
}
HEAVY = NETWORK | {"asyncio", "msgspec", "phonenumbers", "pydantic", "rich", "sqlite3"}


def loaded(*arguments: str) -> list[str]:
    """Give the names of the modules that a command has loaded when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.rpartition("\nloaded ")[2].split()


def tops(modules: list[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


def test_help_loads_the_command_line_and_nothing_else_of_the_product() -> None:
    modules = loaded("--help")

    assert not tops(modules) & HEAVY
    own = {".".join(m.split(".")[:2]) for m in modules if m.startswith("tokferry_")}
    assert own == {"tokferry_server", "tokferry_server.cli"}


def test_transform_loads_no_network_and_no_checker_of_settings() -> None:
    sample = resources.files("tokferry_server.samples") / "view_detail.json"
    modules = loaded("transform", str(sample))

    assert "tokferry_server.mapping.transform" in modules
    assert not tops(modules) & (NETWORK | {"rich", "sqlite3"})
    assert "tokferry_server.settings.read" not in modules


def test_numbers_with_a_country_code_load_no_library_of_them() -> None:
    sample = resources.files("tokferry_server.samples") / "purchase.json"
    modules = loaded("transform", str(sample))

    assert '"mobile_number": "+1' in sample.read_text()
    assert "phonenumbers" not in modules
