"""A server that keeps the bytes of each request, and answers what it is told."""

from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2

from tokferry.v1 import TransformResponse

SERVICE = "/tokferry.v1.ForwardingService/"


@dataclass
class Recorder:
    """What was asked, and what is answered; a status is how a call fails."""

    target: str = ""
    requests: list[bytes] = field(default_factory=list)
    answer: Message = field(default_factory=TransformResponse)

    def call(self, request: bytes, context: Any) -> bytes:
        """Answer one call."""
        self.requests.append(request)
        if isinstance(self.answer, status_pb2.Status):
            details = ("grpc-status-details-bin", self.answer.SerializeToString())
            context.set_trailing_metadata((details,))
            codes = {code.value[0]: code for code in grpc.StatusCode}
            context.abort(codes[self.answer.code], self.answer.message)
        return self.answer.SerializeToString()


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, call: Callable[[bytes, Any], bytes]) -> None:
        self._call = call

    def service(self, details: Any) -> Any:
        known = details.method in (f"{SERVICE}Transform", f"{SERVICE}Forward")
        return grpc.unary_unary_rpc_method_handler(self._call) if known else None


@contextmanager
def recording() -> Iterator[Recorder]:
    """Run one on a free port."""
    recorder = Recorder()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    server.add_generic_rpc_handlers((_Handlers(recorder.call),))
    recorder.target = f"localhost:{server.add_insecure_port('localhost:0')}"
    server.start()
    yield recorder
    server.stop(None).wait()
