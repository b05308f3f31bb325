"""Says what is wrong with a request to the Events API, as strictly as is sensible.

TikTok ignores unknown members; here they are refused, so that a typo is seen.
"""

import json
from dataclasses import dataclass
from typing import Final

from tokferry_server.sandbox.shape import Finding, Shape, array_of, object_of
from tokferry_server.sandbox.shapes_1 import EVENT_1, ROOT_1
from tokferry_server.sandbox.shapes_2 import EVENT_2, ROOT_2

TRACK_2: Final = "/open_api/v1.3/event/track/"
TRACK_1: Final = "/open_api/v1.3/pixel/track/"
BATCH_1: Final = "/open_api/v1.3/pixel/batch/"
PATHS: Final = (TRACK_2, TRACK_1, BATCH_1)

_MOST_EVENTS_2 = 1000
_MOST_EVENTS_1 = 50
_FUTURE_S = 86_400
_ECHO_LIMIT = 200
_INVALID = 40002


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a whole request is refused: TikTok's code, and the first bad event.

    ``index`` counts from 0 and is None when no single event is at fault; ``path`` is
    below the event then, else below the root; ``reason`` may echo the value sent, as
    TikTok's messages do.
    """

    code: int
    reason: str
    path: str = ""
    index: int | None = None

    @property
    def message(self) -> str:
        """The text in TikTok's form, ``Batch.N.path: reason``."""
        place = self.path
        if self.index is not None:
            place = f"Batch.{self.index}" + (f".{self.path}" if self.path else "")
        return f"{place}: {self.reason}" if place else self.reason


class _JsonError(ValueError):
    pass


def first_problem(
    path: str, body: bytes, *, now: float | None = None
) -> Problem | None:
    """Find the first thing that is wrong with a request; None if nothing is.

    ``path`` is one of PATHS. With ``now`` (Unix seconds) events of more than a day
    ahead are refused too.

    Raises:
        ValueError: the path is not an endpoint.
    """
    if path not in PATHS:
        raise ValueError(f"no endpoint at {path}: use one of {', '.join(PATHS)}")
    try:
        root = json.loads(
            body, object_pairs_hook=_no_twins, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        return Problem(code=_INVALID, reason="Not valid JSON")
    if not isinstance(root, dict):
        return Problem(code=_INVALID, reason="Not a valid object")
    if path == TRACK_1:
        return _problem(object_of({**ROOT_1, **EVENT_1})(root, "web"))
    if path == BATCH_1:
        return _batch(root, "batch", ROOT_1, EVENT_1, None)
    return _batch(root, "data", ROOT_2, EVENT_2, now)


def _batch(
    root: dict[str, object],
    name: str,
    head: Shape,
    event: Shape,
    now: float | None,
) -> Problem | None:
    rest = {key: value for key, value in root.items() if key != name}
    stated = root.get("event_source")
    source = stated if isinstance(stated, str) and name == "data" else "web"
    problem = _problem(object_of(head)(rest, source))
    if problem is not None:
        return problem
    if name not in root:
        return _problem(Finding(reason="Missing data for required field").below(name))
    most = _MOST_EVENTS_2 if name == "data" else _MOST_EVENTS_1
    events = root[name]
    finding = array_of(object_of(event), most)(events, source)
    if finding is None and now is not None and isinstance(events, list):
        finding = _too_early(events, now)
    if finding is None or not finding.path:
        return _problem(finding.below(name) if finding else None)
    return _problem(finding, index=int(finding.path[0]))


def _too_early(events: list[dict[str, object]], now: float) -> Finding | None:
    for index, event in enumerate(events):
        time = event.get("event_time")
        if isinstance(time, int) and time > now + _FUTURE_S:
            finding = Finding(reason="In the future", value=time)
            return finding.below("event_time").below(str(index))
    return None


def _problem(finding: Finding | None, index: int | None = None) -> Problem | None:
    if finding is None:
        return None
    steps = finding.path if index is None else finding.path[1:]
    reason = finding.reason + "."
    if finding.value is not None:
        reason += f" Got {finding.value!r}"[:_ECHO_LIMIT]
    return Problem(code=finding.code, reason=reason, path=".".join(steps), index=index)


def _no_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _JsonError("a member occurs twice")
    return members


def _no_constant(name: str) -> object:
    raise _JsonError(f"{name} is not JSON")
