"""Reads what a request carries: batches as typed messages, or as raw JSON."""

from collections.abc import Collection

from tokferry.v1 import Chunk, ErrorReason, ForwardRequest, TransformRequest
from tokferry_server.mparticle.model import Batch, Malformed
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.mparticle.read_proto import read_proto
from tokferry_server.rpc.errors import Violation, invalid


def read_batches(
    request: TransformRequest | ForwardRequest, wanted: Collection[str]
) -> list[Batch | Malformed]:
    """Give the request's batches, typed ones as far as they are wanted.

    Raises:
        CallError: INVALID_ARGUMENT if there is no input, or none of it can be read.
    """
    batches = _read(request, wanted)
    if not batches:
        raise invalid(
            ErrorReason.ERROR_REASON_EMPTY_REQUEST,
            [Violation("input", "set 'batches' or 'json' to at least one batch")],
        )
    if all(isinstance(batch, Malformed) for batch in batches):
        raise invalid(
            ErrorReason.ERROR_REASON_UNREADABLE_INPUT,
            [
                Violation(f"json[{index}]", batch.problem)
                for index, batch in enumerate(batches)
                if isinstance(batch, Malformed)
            ],
        )
    return batches


def read_chunk(chunk: Chunk, wanted: Collection[str]) -> list[Batch | Malformed]:
    """Give a chunk's batches; what cannot be read has its result like the others."""
    return _read(chunk, wanted)


def _read(
    carrier: TransformRequest | ForwardRequest | Chunk, wanted: Collection[str]
) -> list[Batch | Malformed]:
    given = carrier.WhichOneof("input")
    if given == "batches":
        return read_proto(carrier.batches.batches, wanted)
    return read_json(carrier.json) if given == "json" else []
