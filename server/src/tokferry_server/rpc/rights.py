"""Which right each call takes, and where its request names a connection."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tokferry_server.settings import RIGHTS


def _own(request: Any) -> str:
    return str(request.connection)


def _of_options(request: Any) -> str:
    """Only the first message of a stream may hold options; it is the one looked at."""
    return str(request.options.connection)


def _none(request: Any) -> str:  # noqa: ARG001  every reader takes one
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Any one of ``rights`` is enough; ``for_all`` needs no principal at all."""

    rights: frozenset[str] = frozenset(RIGHTS)
    connection: Callable[[Any], str] = _none
    for_all: bool = False


_FORWARDING: Final = "/tokferry.v1.ForwardingService/"
_HEALTH: Final = "/grpc.health.v1.Health/"

RULES: Final[Mapping[str, Rule]] = {
    f"{_FORWARDING}Transform": Rule(rights=frozenset({"transform"}), connection=_own),
    f"{_FORWARDING}Forward": Rule(rights=frozenset({"forward"}), connection=_own),
    f"{_FORWARDING}ForwardStream": Rule(
        rights=frozenset({"forward"}), connection=_of_options
    ),
    f"{_FORWARDING}DescribeConnection": Rule(connection=_own),
    # What watches a server's health has no token.
    f"{_HEALTH}Check": Rule(for_all=True),
    f"{_HEALTH}Watch": Rule(for_all=True),
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Rule(),
}
CLOSED: Final = Rule(rights=frozenset())
"""For a call without a rule: nobody has a right to it."""
