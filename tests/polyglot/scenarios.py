"""What every language does alike, as `scenarios.toml` has it, and the files for it."""

import json
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from made_up import batch, purchase
from polyglot.every_field import filled
from tokferry.mparticle.v1 import Batch
from tokferry.v1 import ForwardResponse, TransformResponse

# Its kinds of details are known by name once it is loaded.
assert error_details_pb2.DESCRIPTOR

_TABLES: Final = tomllib.loads(
    (Path(__file__).parent / "scenarios.toml").read_text(encoding="utf-8")
)
_PER_BATCH: Final = 10
EVERY_FIELD: Final[dict[str, Batch]] = {
    f"every_field_{way}": filled(values)
    for way, values in _TABLES["every_field"].items()
}
_INPUTS: Final[dict[str, str]] = {
    **{name: text.lstrip("\n") for name, text in _TABLES["inputs"].items()},
    **{
        name: json_format.MessageToJson(made, ensure_ascii=False)
        for name, made in EVERY_FIELD.items()
    },
}


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run of an example; `scenarios.toml` says what each member means."""

    name: str
    run: tuple[str, ...]
    server: str = "real"
    caller: str = "orders"
    calls: int = 1
    events: int = 0
    signal: str | None = None
    answer: dict[str, Any] | None = None
    failure: dict[str, Any] | None = None
    stdout: tuple[str, ...] = ()
    stderr: tuple[str, ...] = ()
    taken: int = 0
    ids: tuple[str, ...] | None = None
    requests: int = 0
    sent: str | None = None

    def arguments(self, folder: Path) -> list[str]:
        """Write the inputs that it names into a folder, and give its arguments."""
        return [
            re.sub(r"\{(\w+)\}", lambda name: str(self._written(name[1], folder)), one)
            for one in self.run
        ]

    def lines(self) -> list[str]:
        """Give the lines that it prints."""
        words = {**_TABLES["outputs"], "events": str(self.events)}
        return [re.sub(r"\{(\w+)\}", lambda n: words[n[1]], one) for one in self.stdout]

    def answered(self) -> Message:
        """Give what the recorder answers."""
        if self.failure is not None:
            status: Message = status_pb2.Status()
            json_format.ParseDict(self.failure, status)
            return status
        if self.answer is not None:
            response = ForwardResponse()
            json_format.ParseDict(self.answer, response)
            return response
        return TransformResponse()

    def batch(self) -> Batch:
        """Give the batch that the recorder is to get."""
        assert self.sent is not None
        made = Batch()
        json_format.Parse(_INPUTS[self.sent], made)
        return made

    def _written(self, name: str, folder: Path) -> Path:
        file = folder / name
        text = _INPUTS[name] if name != "events" else "\n".join(self._batches())
        file.write_text(text, encoding="utf-8")
        return file

    def _batches(self) -> Iterator[str]:
        for first in range(0, self.events, _PER_BATCH):
            numbers = range(first, first + _PER_BATCH)
            yield json.dumps(batch(*(purchase(number) for number in numbers)))


def _scaled(scenario: Scenario) -> Scenario:
    """Let the environment say how long the long stream is."""
    events = int(os.environ.get("POLYGLOT_EVENTS", scenario.events))
    is_long = scenario.signal == "SIGKILL"
    return msgspec.structs.replace(scenario, events=events) if is_long else scenario


SCENARIOS: Final = tuple(
    map(_scaled, msgspec.convert(_TABLES["scenario"], tuple[Scenario, ...]))
)
