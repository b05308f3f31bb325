"""What a failed call of the admin service says, over a socket or in this process."""

from typing import Any


def reason_and_text(error: Any) -> tuple[str, str]:
    """Give the reason, as the protos name it, and the text of a failed call."""
    from tokferry.v1 import ErrorReason
    from tokferry_server.rpc.errors import CallError

    if isinstance(error, CallError):
        name = ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_")
        return name, error.message
    return _told(error)


def _told(error: Any) -> tuple[str, str]:
    from google.rpc import error_details_pb2
    from grpc_status import rpc_status

    status = rpc_status.from_call(error)
    if status is None:
        return "", f"the service did not answer the call ({error.code().name})"
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info):
            break
    return info.reason, status.message
