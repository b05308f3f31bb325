"""What the READMEs tell to type, typed as it is in a fresh clone."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from polyglot.languages import ROOT, Clone, Example, blocks, shell

pytestmark = [pytest.mark.polyglot, pytest.mark.timeout(900)]
NONE = "rejected=0 delivered={0} accepted=0 retryable=0 unknown=0 validated=0"
FORWARDED = f"""\
batch 0 event 0: OUTCOME_DELIVERED
batch 0 event 1: OUTCOME_DROPPED DROP_REASON_UNSUPPORTED_EVENT event
totals: received=2 dropped=1 {NONE.format(1)}
"""
STREAMED = f"""\
line 4 event 0: OUTCOME_DROPPED DROP_REASON_ENVIRONMENT batch.environment
totals: received=4 dropped=1 {NONE.format(3)}
"""
# Only the ports of the READMEs are waited for, and the sandbox is asked what it took.
WALK = """
{{ {server}
}} > server.log 2>&1
trap 'kill $(jobs -p) && wait' EXIT
for port in 8480 50051; do
  until (exec 3<>/dev/tcp/localhost/$port) 2>/dev/null; do sleep 0.05; done
done
cd client/examples/{language}
{commands}
{python} -c 'from urllib.request import urlopen
print(urlopen("http://127.0.0.1:8480/sandbox/requests").read().decode())'
"""


@dataclass(frozen=True, slots=True)
class Server:
    """What starts one, and the seconds that its first line takes; `before` are words
    that run a command where every port is free.
    """

    block: str
    seconds: float
    before: tuple[str, ...]


def own_network() -> tuple[str, ...]:
    """Give words that run a command where every port is free, if that can be had."""
    words = ("unshare", "--net", "--map-root-user", "sh", "-c")
    tried = [*words, "ip link set lo up"]
    if shutil.which("unshare") is None:
        return ()
    if subprocess.run(tried, capture_output=True, check=False).returncode:
        return ()
    return (*words, 'ip link set lo up && exec "$@"', "sh")


@pytest.fixture(scope="session")
def server(clone: Clone) -> Server:
    (block,) = blocks(clone.folder / "client" / "examples" / "README.md")
    began = time.monotonic()
    shell(block.splitlines()[0], clone.folder)  # the others reach no registry
    return Server(block, time.monotonic() - began, own_network())


def test_the_commands_of_the_readmes_run_in_an_empty_folder(
    example: Example,
    clone: Clone,
    server: Server,
    tmp_path: Path,
    record_property: Callable[[str, str], None],
) -> None:
    printed = [tmp_path / str(number) for number in range(3)]
    commands = "\n".join(
        f"{{ {line}\n}} > {file}"
        for line, file in zip(example.commands, printed, strict=True)
    )
    language = example.language.name
    walk = WALK.format(
        server=server.block,
        language=language,
        commands=commands,
        python=sys.executable,
    )

    with Path(__file__).open() as alone:  # where there is but one network
        fcntl.flock(alone, fcntl.LOCK_EX)
        began = time.time()
        counts = shell(walk, clone.folder, *server.before)

    seconds = example.seconds + server.seconds + printed[0].stat().st_mtime - began
    record_property(
        language,
        f"first Forward {seconds:.0f} s after clone"
        f" ({server.seconds:.0f} s of them for a server)",
    )
    assert printed[0].read_text() == FORWARDED
    assert printed[1].read_text().startswith('{"event":"PlaceAnOrder"')
    assert printed[2].read_text() == STREAMED
    assert '"taken":4' in counts.replace(" ", "")


def test_lock_files_name_no_registry() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "client/examples"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    locks = [
        name
        for name in listed.stdout.split("\0")
        if name.endswith((".sum", "lock.json"))
    ]
    assert len(locks) == 2

    for name in locks:
        assert not re.search(r"https?://[^/]*(npm|registry)", (ROOT / name).read_text())
