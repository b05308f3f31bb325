"""Every layout gives the same batches, whether it is read whole or streamed."""

import gzip
import io
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from tokferry_server.cli import inputs
from tokferry_server.cli.elements import array_elements
from tokferry_server.cli.inputs import UnusableInputError, open_input, read_batches
from tokferry_server.mparticle.model import Batch, Malformed

BATCHES: list[dict[str, Any]] = [
    {
        "ip": f"203.0.113.{number}",
        "user_attributes": {"note": 'brackets ]}[{ and a \\" quote, "quoted"'},
        "events": [
            {"event_type": "custom_event", "data": {"event_name": f"e{number}"}}
        ],
    }
    for number in range(40)
]

Layout = Callable[[list[Any]], bytes]
LAYOUTS: dict[str, Layout] = {
    "one a line": lambda many: b"\n".join(json.dumps(b).encode() for b in many),
    "one a line, blank lines": lambda many: (
        b"\n\r\n".join(json.dumps(b).encode() for b in many) + b"\n\n"
    ),
    "arrays of one, one a line": lambda many: b"\n".join(
        json.dumps([b]).encode() for b in many
    ),
    "array on one line": lambda many: json.dumps(many).encode(),
    "array, one element a line": lambda many: (
        b"[\n" + b",\n".join(json.dumps(b).encode() for b in many) + b"\n]\n"
    ),
    "array, pretty": lambda many: json.dumps(many, indent=2).encode(),
    "array, with byte order mark": lambda many: (
        b"\xef\xbb\xbf" + json.dumps(many, indent=1).encode()
    ),
}


def read(data: bytes) -> list[Batch | Malformed]:
    return list(read_batches(io.BufferedReader(io.BytesIO(data))))


def names(batches: list[Batch | Malformed]) -> list[str]:
    return [
        batch.problem
        if isinstance(batch, Malformed)
        else f"{batch.data.ip}/{batch.events[0].data.event_name}"  # type: ignore[union-attr]
        for batch in batches
    ]


WANT = [f"203.0.113.{number}/e{number}" for number in range(40)]


@pytest.fixture(params=["whole", "streamed"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "streamed":
        monkeypatch.setattr(inputs, "WHOLE", 300)
        monkeypatch.setattr(inputs, "_CHUNK", 7)
    return str(request.param)


@pytest.mark.usefixtures("reading")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("packed", [False, True])
def test_every_layout_gives_the_same_batches(layout: str, *, packed: bool) -> None:
    data = LAYOUTS[layout](BATCHES)
    assert names(read(gzip.compress(data) if packed else data)) == WANT


@pytest.mark.usefixtures("reading")
def test_one_pretty_batch_is_one_batch() -> None:
    batch = {**BATCHES[0], "events": BATCHES[0]["events"] * 20}
    (found,) = read(json.dumps(batch, indent=4).encode())
    assert isinstance(found, Batch)
    assert len(found.events) == 20


@pytest.mark.usefixtures("reading")
@pytest.mark.parametrize("broken", [0, 1, 39])
def test_a_broken_line_costs_only_itself(broken: int) -> None:
    lines = [json.dumps(batch).encode() for batch in BATCHES]
    lines[broken] = lines[broken][: len(lines[broken]) // 2]
    found = read(b"\n".join(lines))
    assert [isinstance(batch, Malformed) for batch in found] == [
        number == broken for number in range(40)
    ]


def test_an_element_that_is_no_object_costs_only_itself() -> None:
    found = [*array_elements([b'[{"a":1}, 17, "x" ,{"b":[2]}] junk'], longest=99)]
    assert found == [b'{"a":1}', b"17", b'"x"', b'{"b":[2]}', b"junk"]


def test_an_array_cut_off_gives_its_whole_elements_and_the_rest() -> None:
    found = [*array_elements([b'[{"a":1},{"b":[1,', b'2],"c":"d'], longest=99)]
    assert found == [b'{"a":1}', b'{"b":[1,2],"c":"d']


def test_an_array_is_cut_alike_wherever_the_chunks_end() -> None:
    data = json.dumps(BATCHES).encode()
    chance = random.Random(7)
    for _ in range(50):
        cuts = sorted(chance.sample(range(len(data)), 60))
        chunks = [
            data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)
        ]
        found = [json.loads(part) for part in array_elements(chunks, longest=10_000)]
        assert found == BATCHES


@pytest.mark.parametrize("layout", ["one a line", "array, pretty", "array on one line"])
def test_a_batch_without_end_is_refused_before_memory_is_full(
    layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "WHOLE", 300)
    monkeypatch.setattr(inputs, "_CHUNK", 50)
    monkeypatch.setattr(inputs, "_LONGEST", 2_000)
    endless = {**BATCHES[1], "user_attributes": {"note": "x" * 5_000}}
    with pytest.raises(UnusableInputError, match="longer than 2,000 bytes"):
        read(LAYOUTS[layout]([*BATCHES[:3], endless, *BATCHES[3:]]))


@pytest.mark.parametrize("kept", [5, 200])
def test_damaged_gzip_is_unusable(kept: int) -> None:
    packed = gzip.compress(random.Random(7).randbytes(500))
    with pytest.raises(UnusableInputError, match="damaged gzip"):
        read(packed[:kept])


@pytest.mark.parametrize("name", ["/nonexistent/input.json", "/"])
def test_a_file_that_cannot_be_opened_is_unusable(name: str) -> None:
    with pytest.raises(UnusableInputError), open_input(name):
        pass
