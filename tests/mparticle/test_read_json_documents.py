"""What counts as one batch: a document, an array of them, or one a line."""

import json

import pytest

from strategies.cases import batch
from tokferry_server.mparticle.model import Batch, Malformed
from tokferry_server.mparticle.read_json import read_json

ONE = json.dumps(batch({"message_id": "one"}, [{}])).encode()
TWO = json.dumps(batch({"message_id": "two"}, [{}])).encode()
NAN = ONE.replace(b'"add_to_cart"', b'"add_to_cart", "total_amount": NaN')
SINGLE_EVENT = b'{"event_type": "commerce_event", "data": {"event_id": 5}}'
BOM = b"\xef\xbb\xbf"


def ids(data: bytes) -> list[object]:
    """Give the message id of each batch, or where a malformed one has its problem."""
    return [
        read.field if isinstance(read, Malformed) else read.data.message_id
        for read in read_json(data)
    ]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b" \r\n\t ", []),
        (BOM, []),
        (b"[]", []),
        (b"[ ]\n", []),
        (ONE, ["one"]),
        (BOM + ONE, ["one"]),
        (BOM + b"\r\n" + ONE, ["one"]),
        (b"[" + ONE + b"," + TWO + b"]", ["one", "two"]),
        (BOM + b"\n[" + ONE + b"]", ["one"]),
        (ONE + b"\n" + TWO, ["one", "two"]),
        (ONE + b"\r\n" + TWO + b"\r\n", ["one", "two"]),
        (b"\n\n" + ONE + b"\n \n\n" + TWO + b"\n\n", ["one", "two"]),
        (BOM + ONE + b"\n" + TWO, ["one", "two"]),
        (b"[" + ONE + b"," + TWO + b"]\n" + TWO + b"\n[]\n", ["one", "two", "two"]),
        (json.dumps([json.loads(ONE)], indent=2).encode(), ["one"]),
        (ONE + TWO, ["batch"]),
        (ONE + TWO + b"\n" + ONE, ["batch", "one"]),
        (ONE + b"\n" + NAN + TWO, ["one", "batch"]),
        (ONE + TWO + b"\n\n" + ONE, ["batch", "one"]),
        (ONE + b'{"batch_id": "x",\n"events": []}', ["batch"]),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, bytes) else "",
)
def test_documents_are_found(data: bytes, expected: list[object]) -> None:
    assert ids(data) == expected


@pytest.mark.parametrize("wrong", [b"1", b"null", b'"x"', b"[]", b"true", b'{"ip": {}'])
def test_a_malformed_line_keeps_the_others(wrong: bytes) -> None:
    found = ids(ONE + b"\n" + wrong + b"\n" + TWO)

    assert found[0] == "one"
    assert found[-1] == "two"
    assert found[1:-1] == ([] if wrong == b"[]" else ["batch"])


@pytest.mark.parametrize("wrong", [b"1", b"null", b'"x"', b"[]", b"true"])
def test_a_malformed_batch_in_an_array_keeps_the_others(wrong: bytes) -> None:
    found = ids(b"[" + ONE + b"," + wrong + b"," + TWO + b"]")

    assert found == ["one", "batch", "two"]


def test_a_cut_file_keeps_its_whole_lines() -> None:
    assert ids(ONE + b"\n" + TWO[:40]) == ["one", "batch"]


@pytest.mark.parametrize(
    "data",
    [b"{", b"[", ONE[:-1], b"[" + ONE, b"hello", b"\xff\xfe", b"{}}", b"[1,2"],
)
def test_what_is_no_json_is_one_malformed_batch(data: bytes) -> None:
    (read,) = read_json(data)

    assert isinstance(read, Malformed)
    assert read.field == "batch"


def test_nan_costs_neither_its_batch_nor_its_neighbours() -> None:
    assert ids(NAN) == ["one"]
    assert ids(b"[" + NAN + b"," + TWO + b"]") == ["one", "two"]
    assert ids(TWO + b"\n" + NAN) == ["two", "one"]


def test_nan_in_every_line() -> None:
    assert ids(NAN + b"\n" + NAN + b"\r\n" + NAN) == ["one", "one", "one"]


def test_nan_in_an_array_with_one_batch_a_line() -> None:
    assert ids(b"[\n" + NAN + b",\n" + TWO + b"\n]") == ["one", "two"]


def test_a_single_event_is_told_to_need_an_envelope() -> None:
    (read,) = read_json(SINGLE_EVENT)

    assert read == Malformed(
        field="batch", problem='this is a single event: wrap it as {"events": [...]}'
    )


def test_single_events_are_wrapped_on_demand() -> None:
    reads = read_json(SINGLE_EVENT + b"\n" + ONE, wrap_events=True)

    assert [type(read) for read in reads] == [Batch, Batch]
    event = reads[0].events[0]  # type: ignore[union-attr]
    assert event.data.event_id == 5  # type: ignore[union-attr]
    assert len(reads[1].events) == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("wrap_events", [True, False])
def test_a_batch_with_an_event_type_of_its_own_stays_a_batch(wrap_events: bool) -> None:
    data = b'{"event_type": "x", "events": [{"event_type": "first_run"}]}'
    (read,) = read_json(data, wrap_events=wrap_events)

    assert isinstance(read, Batch)
    assert [event.event_type for event in read.events] == ["first_run"]  # type: ignore[union-attr]


@pytest.mark.parametrize("events", [b"null", b"[]"])
def test_batches_without_events_have_none(events: bytes) -> None:
    (read,) = read_json(b'{"ip": "203.0.113.7", "events": ' + events + b"}")

    assert isinstance(read, Batch)
    assert read.events == []
    assert read.data.ip == "203.0.113.7"
