"""Who makes the call under way, and what they may do."""

from contextvars import ContextVar
from dataclasses import dataclass

import grpc

from tokferry.v1 import ErrorReason
from tokferry_server.rpc.errors import CallError
from tokferry_server.rpc.quota import Quota
from tokferry_server.settings import EVERY_CONNECTION, RIGHTS, Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who may call; ``connections`` None means all of them."""

    name: str
    rights: frozenset[str]
    connections: frozenset[str] | None
    quota: Quota

    def check_right(self, rights: frozenset[str]) -> None:
        """Refuse a call that takes one of the rights.

        Raises:
            CallError: PERMISSION_DENIED.
        """
        if not rights & self.rights:
            raise _denied("the caller has no right to this call")

    def check_connection(self, name: str) -> None:
        """Refuse a connection that is not the caller's, whether it exists or not.

        Raises:
            CallError: PERMISSION_DENIED.
        """
        if name and self.connections is not None and name not in self.connections:
            raise _denied("the caller has no right to a connection of this name")


def caller_of(principal: Principal) -> Caller:
    """Give the caller that the settings describe."""
    return Caller(
        name=principal.name,
        rights=frozenset(principal.rights),
        connections=(
            None
            if principal.connections == (EVERY_CONNECTION,)
            else frozenset(principal.connections)
        ),
        quota=Quota(
            principal.name,
            events_per_second=principal.events_per_second,
            streams=principal.streams,
        ),
    )


ANYONE = Caller(
    name="", rights=frozenset(RIGHTS), connections=None, quota=Quota("anyone")
)
"""Who calls where no principals are named."""

calling: ContextVar[Caller] = ContextVar("calling", default=ANYONE)
"""Who makes the call under way; each call runs in a context of its own."""


def _denied(text: str) -> CallError:
    return CallError(
        code=grpc.StatusCode.PERMISSION_DENIED,
        reason=ErrorReason.ERROR_REASON_PERMISSION_DENIED,
        message=f"{text}; ask who runs the server",
    )
