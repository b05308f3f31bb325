"""A server on a disk that is full, read-only or gone loses nothing it acknowledged."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.caller import CLIENT_SIDE
from chaos.disk_run import DiskRun, retry_delay
from chaos.processes import Setup
from disk import cut_off, fill_rest, in_memory, make_image, make_read_only, of_image


def setup(folder: Path) -> Setup:
    return Setup(folder=folder, share=0.0, full=2.0, scale=20.0)


@pytest.mark.gate
@pytest.mark.timeout(200)
@pytest.mark.parametrize("mebibytes", [8, 32])
async def test_a_full_disk_refuses_callers_until_there_is_room(
    tmp_path: Path, mebibytes: int
) -> None:
    with in_memory(tmp_path / "state", mebibytes) as disk:
        one = DiskRun(setup(tmp_path))
        async with one.run():
            one.freeze(frozen=True)
            await one.refused()  # the outbox has taken its share of the disk
            filler = fill_rest(disk)
            before = one.work.done
            await one.refused(times=2)
            while_full = one.work.done - before
            one.freeze(frozen=False)
            await one.delivers()
            filler.unlink()
            await one.more(chunks=20)
        findings = await one.judged()

    assert one.server.status == 0
    assert findings.problems == []
    assert findings.acked == findings.taken
    assert before > 0
    assert while_full == 0
    errors = [error for error in one.caller.errors if error.details() != CLIENT_SIDE]
    assert {error.code().name for error in errors} == {"RESOURCE_EXHAUSTED"}
    assert all(retry_delay(error) > 0 for error in errors)
    assert one.most_sent() <= 2


@pytest.mark.gate
@pytest.mark.timeout(200)
@pytest.mark.parametrize("break_disk", [make_read_only, cut_off])
async def test_a_broken_disk_ends_the_server_and_keeps_what_was_acknowledged(
    tmp_path: Path, break_disk: Callable[[Path], None]
) -> None:
    """The disk breaks between two syncs, as ext4 promises nothing of one under way.

    When its journal ends meanwhile, fdatasync returns success, and what it was called
    for is gone: so in 4 of 60 runs of a program that does nothing else (Linux 6.18).
    """
    state, image = tmp_path / "state", tmp_path / "image"
    make_image(image, 256)
    one = DiskRun(setup(tmp_path))
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(of_image(state, image))
        async with one.run():
            await one.more(chunks=20)
            one.freeze(frozen=True)
            await one.more(chunks=20)
            async with one.outside_of_syncs():
                break_disk(disk)
            status = await one.server.ended(60)
            stack.close()
            stack.enter_context(of_image(state, image))
            one.freeze(frozen=False)
            await one.start()
            await one.more(chunks=20)
        findings = await one.judged()

    assert status == 3
    assert "start the process again" in (tmp_path / "server.err").read_text()
    assert findings.problems == []
    assert findings.acked == findings.taken
    said = {code for code, text in one.caller.statuses if text != CLIENT_SIDE}
    assert said <= {"UNAVAILABLE"}
