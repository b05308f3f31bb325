"""Secrets: read when needed, never shown."""

import os
from pathlib import Path

import pytest

from tokferry_server.settings import Secret, SecretError, SecretRef, read_secret

FROM_ENV = SecretRef(env="TIKTOK_TOKEN")


def test_a_secret_is_trimmed() -> None:
    assert read_secret(FROM_ENV, environ={"TIKTOK_TOKEN": " t0ken\n"}) == "t0ken"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "is blank"),
        (" \n", "is blank"),
        ("to\nken", "not visible ASCII"),
        ("to ken", "not visible ASCII"),
        ("tökén", "not visible ASCII"),
        ("t" * 20_000, "longer than"),
    ],
)
def test_a_secret_that_cannot_stand_in_a_header_is_refused_unseen(
    value: str, words: str
) -> None:
    with pytest.raises(SecretError, match=words) as caught:
        read_secret(FROM_ENV, environ={"TIKTOK_TOKEN": value})
    assert "env TIKTOK_TOKEN" in str(caught.value)
    assert not value.strip() or value.strip() not in str(caught.value)


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(SecretError, match="env TIKTOK_TOKEN: is not set"):
        read_secret(FROM_ENV, environ={})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="No such file"):
        read_secret(SecretRef(file=tmp_path / "token"))


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    secret = Secret(SecretRef(file=path))
    assert secret.value() == "first"
    path.write_text("other\n")
    os.utime(path, ns=(1, 1))
    assert secret.value() == "other"


def test_a_file_replaced_by_one_of_the_same_age_is_read_again(tmp_path: Path) -> None:
    path, newer = tmp_path / "token", tmp_path / "newer"
    path.write_text("first")
    secret = Secret(SecretRef(file=path))
    assert secret.value() == "first"
    newer.write_text("other")
    stamp = path.stat().st_mtime_ns
    os.utime(newer, ns=(stamp, stamp))
    newer.replace(path)
    assert secret.value() == "other"


def test_a_file_that_breaks_after_it_was_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    secret = Secret(SecretRef(file=path))
    assert secret.value() == "first"
    path.write_bytes(b"\xff\xfe binary")
    with pytest.raises(SecretError, match="not visible ASCII"):
        secret.value()


def test_a_secret_never_shows_itself(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("s3cr3t")
    secret = Secret(SecretRef(file=path))
    assert secret.value() == "s3cr3t"
    assert "s3cr3t" not in f"{secret} {secret!r} {secret.ref!r}"
