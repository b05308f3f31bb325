"""The comments of the protos, by full name: what their own pages quote."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    FileDescriptorProto,
    FileDescriptorSet,
)

PROTOS = Path(__file__).resolve().parents[3] / "protos"

_MESSAGE, _ENUM = 4, 5
_MEMBER = 2
"""Numbers of the lists in descriptor.proto: of a file, and of a message or enum."""


@cache
def comments() -> dict[str, str]:
    """Give ``tokferry.v1.DropReason.DROP_REASON_HISTORICAL`` → its comment, one line.

    Holds top-level messages and enums, their fields and values.
    """
    found: dict[str, str] = {}
    for file in _files():
        names = dict(_names(file))
        for place in file.source_code_info.location:
            name = names.get(tuple(place.path))
            if name is not None:
                found[name] = " ".join(place.leading_comments.split())
    return found


def enum_values(name: str) -> dict[str, str]:
    """Give value → comment of an enum, in its order, without prefix and unspecified."""
    prefix = "".join(f"_{c}" if c.isupper() else c for c in name)[1:].upper() + "_"
    start = f"tokferry.v1.{name}.{prefix}"
    values = {k.removeprefix(start): v for k, v in comments().items() if start in k}
    values.pop("UNSPECIFIED")
    return values


def _files() -> Sequence[FileDescriptorProto]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "described.binpb"
        command = [
            *(sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}"),
            *("--include_source_info", f"--descriptor_set_out={out}"),
            *(str(path) for path in sorted(PROTOS.rglob("*.proto"))),
        ]
        subprocess.run(command, check=True)  # noqa: S603 - own arguments
        return FileDescriptorSet.FromString(out.read_bytes()).file


def _names(file: FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    """Give the path of each component → its full name."""
    for i, message in enumerate(file.message_type):
        fields = [field.name for field in message.field]
        yield from _members(file.package, (_MESSAGE, i), message.name, fields)
    for i, enum in enumerate(file.enum_type):
        values = [value.name for value in enum.value]
        yield from _members(file.package, (_ENUM, i), enum.name, values)


def _members(
    package: str, place: tuple[int, ...], name: str, members: Sequence[str]
) -> Iterator[tuple[tuple[int, ...], str]]:
    yield place, f"{package}.{name}"
    for number, member in enumerate(members):
        yield (*place, _MEMBER, number), f"{package}.{name}.{member}"
