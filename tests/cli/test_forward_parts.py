"""The parts of `tokferry forward`: marks and states, kept failures, counts."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from made_up import batch, purchase
from tokferry.v1 import Delivery, EventResult, Outcome
from tokferry_server.cli.forward_failed import FailedFile, failed_line
from tokferry_server.cli.forward_marks import (
    Marks,
    Saved,
    SavedFile,
    StateError,
    check_same,
    load,
    marks_of,
    save,
)


def marks(**saved: Any) -> Marks:
    return Marks(SavedFile(name="a.ndjson", size=1, head="", **saved))


def to_do(one: Marks, number: int = 10) -> list[int]:
    return [index for index, _ in one.to_do([b"{}"] * number)]


def test_marks_in_any_order_leave_exactly_what_is_to_do() -> None:
    one = marks()
    for number in (4, 0, 5, 1, 8):
        one.mark(number)

    assert to_do(one) == [2, 3, 6, 7, 9]
    assert (one.to_save().done, one.to_save().beyond) == (2, [(4, 6), (8, 9)])

    again = Marks(
        msgspec.json.decode(msgspec.json.encode(one.to_save()), type=SavedFile)
    )
    assert to_do(again) == [2, 3, 6, 7, 9]
    for number in (2, 3, 6, 7, 9):
        again.mark(number)
    assert (again.to_save().done, again.to_save().beyond) == (10, [])


def test_what_is_marked_while_reading_does_not_shift_the_reading() -> None:
    one = marks(done=1)
    seen = []
    for number, _ in one.to_do([b"{}"] * 5):
        seen.append(number)
        one.mark(number)
    assert seen == [1, 2, 3, 4]


def saved(*files: SavedFile, connection: str = "shop") -> Saved:
    return Saved(
        connection=connection,
        wrap_events=False,
        files=list(files),
        rows=[],
        failed_bytes=0,
    )


def test_a_state_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    assert load(path) is None
    one = saved(marks(done=3, beyond=[(5, 6)]).saved)
    save(path, one)
    assert load(path) == one
    assert [file.name for file in tmp_path.iterdir()] == ["s.json"]


@pytest.mark.parametrize("content", [b"", b"{}", b'{"version": 2}', b"\xff", b"[1]"])
def test_what_is_no_state_is_never_taken_for_one(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "s.json"
    path.write_bytes(content)
    with pytest.raises(StateError, match="no state"):
        load(path)
    assert path.read_bytes() == content


def test_a_file_is_known_by_its_size_and_beginning_not_its_name(tmp_path: Path) -> None:
    first, moved, other = (tmp_path / name for name in ("a", "b", "c"))
    first.write_bytes(b"{}\n")
    moved.write_bytes(b"{}\n")
    other.write_bytes(b"[]\n")
    state = saved(marks_of(str(first)).saved)

    check_same(state, saved(marks_of(str(moved)).saved))
    for different in (
        saved(marks_of(str(other)).saved),
        saved(marks_of(str(first)).saved, marks_of(str(moved)).saved),
        saved(marks_of(str(first)).saved, connection="stores"),
    ):
        with pytest.raises(StateError):
            check_same(state, different)


def test_failures_beyond_the_state_are_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "failed.ndjson"
    first = FailedFile(path)
    assert not path.exists()
    first.write([b"1", b"2"])
    size = first.size
    first.write([b"3"])

    again = FailedFile(path, size=size)
    again.write([b"4"])
    again.sync()

    assert path.read_bytes() == b"1\n2\n4\n"
    with pytest.raises(OSError, match="shorter"):
        FailedFile(path, size=100)


def result(event: int, *ids: str) -> EventResult:
    deliveries = [Delivery(event="Purchase", event_id=one) for one in ids]
    return EventResult(
        event=event, outcome=Outcome.OUTCOME_REJECTED, deliveries=deliveries
    )


@pytest.mark.parametrize(
    ("data", "message_id", "given", "flag"),
    [
        ({}, "m-1", (), None),
        ({"source_message_id": None}, "m-1", ("m-1.1", "m-1.1.2"), "m-1.1"),
        ({"source_message_id": None}, "m-1", (), "m-1.1"),
        ({"source_message_id": ""}, 17, (), "17.1"),
        ({"source_message_id": None}, None, ("h1_abc",), "h1_abc"),
        ({"source_message_id": None}, None, (), None),
        ({"source_message_id": None, "event_id": -5}, "m-1", ("-5",), None),
        ({"source_message_id": None, "event_id": 1.5}, "m-1", ("m-1.1",), "m-1.1"),
        ({"source_message_id": None, "custom_flags": []}, "m-1", (), "m-1.1"),
        (
            {"source_message_id": None, "custom_flags": {"TikTok.EventId": "mine"}},
            "m-1",
            ("mine",),
            "mine",
        ),
    ],
)
def test_an_event_that_is_moved_keeps_the_id_of_its_place(
    data: Any, message_id: Any, given: tuple[str, ...], flag: str | None
) -> None:
    source = batch(purchase(1), purchase(2, **data), purchase(3), message_id=message_id)

    line = failed_line(json.dumps(source, indent=1).encode(), {1: result(1, *given)})

    assert b"\n" not in line
    kept = json.loads(line)
    (event,) = kept.pop("events")
    want = purchase(2, **data)
    flags = event["data"].get("custom_flags") or {}
    assert flags.get("TikTok.EventId") == flag
    if flag is not None:
        want["data"]["custom_flags"] = event["data"]["custom_flags"]
    assert event == want
    source.pop("events")
    assert kept == source


def test_numbers_of_a_kept_event_lose_no_digit() -> None:
    text = b'{"mpid": -9143093801278538123, "events": [{}, {"data": {"x": 1.10}}]}'

    line = failed_line(text, {1: result(1, "id")})

    assert b"-9143093801278538123" in line
    assert b"1.10" in line


@pytest.mark.parametrize(
    "data", [b"{broken}", b"[]", b'{"events": 7}', b'{"a": 1}', b"\xff", b"{}\n{"]
)
def test_what_cannot_be_reduced_is_kept_as_it_is(data: bytes) -> None:
    assert failed_line(data, {0: result(0)}) == data.replace(b"\n", b" ")
    assert failed_line(data, None) == data.replace(b"\n", b" ")


def test_a_repaired_batch_is_reduced_like_any_other() -> None:
    line = failed_line(b'{"x": NaN, "events": [{"a": 1}, {"b": 2}]}', {1: result(1)})
    assert json.loads(line) == {"x": "NaN", "events": [{"b": 2}]}
