"""Makes a run of `tokferry forward` of its options and what earlier runs left."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from tokferry_server.cli.forward_failed import FailedFile
from tokferry_server.cli.forward_marks import (
    Marks,
    Saved,
    StateError,
    check_same,
    load,
    marks_of,
)
from tokferry_server.cli.forward_run import Job, Run
from tokferry_server.cli.forward_tally import Tally
from tokferry_server.cli.paper import complain, shown


class JobError(Exception):
    """What was asked for cannot be begun; the text says why, and what to do."""


def prepared(job: Job, names: Sequence[str], failed: Path | None) -> Run:
    """Give the run, which goes on where the state says that the last one ended.

    Raises:
        JobError: a file cannot be read, the state is another job's, or the file of
            failures holds something already.
    """
    if job.state is not None and "-" in names:
        raise JobError("--state: the standard input cannot be resumed")
    if len(set(names)) < len(names):
        raise JobError("the same file is given twice")
    job = replace(job, inputs=[_marks(name) for name in names], resume=_resume(job))
    if job.state is None:
        return Run(job, Tally(), _fresh(failed))
    failed = failed or job.state.with_name(job.state.name + ".failed.ndjson")
    try:
        saved = load(job.state)
        if saved is None:
            return Run(job, Tally(), _fresh(failed))
        check_same(saved, _nothing_done(job))
    except StateError as error:
        raise JobError(f"--state {job.state}: {error}") from None
    inputs = [
        Marks(msgspec.structs.replace(one, name=name))
        for one, name in zip(saved.files, names, strict=True)
    ]
    complain(f"resuming: {sum(one.done for one in inputs):,} batches are done")
    tally = Tally(saved.rows)
    return Run(replace(job, inputs=inputs), tally, _opened(failed, saved.failed_bytes))


def _marks(name: str) -> Marks:
    try:
        return marks_of(name)
    except OSError as error:
        raise JobError(f"{shown(name)}: {error.strerror or 'cannot be read'}") from None


def _nothing_done(job: Job) -> Saved:
    return Saved(
        connection=job.target.connection,
        wrap_events=job.wrap_events,
        files=[marks.saved for marks in job.inputs],
        rows=[],
        failed_bytes=0,
    )


def _fresh(path: Path | None) -> FailedFile | None:
    if path is None:
        return None
    if path.exists() and path.stat().st_size:
        raise JobError(f"--failed {path}: exists already; name another file")
    return _opened(path, 0)


def _opened(path: Path, size: int) -> FailedFile:
    try:
        return FailedFile(path, size=size)
    except OSError as error:
        raise JobError(f"--failed {error}") from None


def _resume(job: Job) -> str:
    command = shlex.join(["tokferry", *sys.argv[1:]])
    if job.state is not None:
        return f"To go on: {command}"
    return (
        "Without --state it begins anew; events keep their ids, so that TikTok counts "
        "them once within 48 hours"
    )
