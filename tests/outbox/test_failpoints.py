"""Failpoints act where and when they are told to, and nowhere else."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tokferry_server.delivery.failpoints import POINTS, VARIABLE, failpoint

POINT = "outbox.before_commit"
OTHER = "outbox.after_commit"


def test_without_the_variable_every_point_is_the_same_empty_function() -> None:
    points = {failpoint(name, environment={}) for name in POINTS}
    assert len(points) == 1
    points.pop()()


def test_a_point_acts_from_the_given_pass_on() -> None:
    point = failpoint(POINT, environment={VARIABLE: f"{POINT}=eio@3"})
    point()
    point()
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output") as raised:
            point()
        assert raised.value.errno == errno.EIO


def test_only_the_named_points_act(tmp_path: Path) -> None:
    log = tmp_path / "log"
    environment = {VARIABLE: f"{POINT}=log:{log}, {OTHER}=enospc"}
    failpoint("outbox.before_settle", environment=environment)()
    failpoint(POINT, environment=environment)()
    with pytest.raises(OSError, match="No space"):
        failpoint(OTHER, environment=environment)()
    assert log.read_text() == f"{POINT}\n"


@pytest.mark.parametrize(
    "text",
    [
        "outbox.before_comit=eio",
        POINT,
        f"{POINT}=explode",
        f"{POINT}=eio@often",
        f"{POINT}=sleep:long",
    ],
)
def test_a_misspelt_setting_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"FAILPOINTS|float"):
        failpoint(POINT, environment={VARIABLE: text})


def test_a_point_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="no failpoint"):
        failpoint("outbox.never", environment={})
