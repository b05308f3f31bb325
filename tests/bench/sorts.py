"""The sorts of calls that are measured, by callers of two makes."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import grpc

from bench import h2load, messages
from bench.calls import Called, Stream, unary, until
from bench.echo import STREAM, UNARY
from bench.profiles import DAY, PROFILES, PURCHASE, loads

SIZES = (1, 10, 100)
CHUNKS = (10, 100, 1000)
CALLERS = 64
TRANSFORM, FORWARD, ECHO = "Transform", "Forward", "echo"
STREAMED, ECHOED = "ForwardStream", "echo stream"
PYTHON = "grpc.aio"
_BATCH = 10
_WINDOW = 16
_CONNECTIONS = 8
_RATE = 2500
"""About as many calls a second as are answered: how many are made for some time."""

_PATHS: Final = {
    TRANSFORM: messages.SERVICE + TRANSFORM,
    FORWARD: messages.SERVICE + FORWARD,
    STREAMED: messages.SERVICE + STREAMED,
    ECHO: UNARY,
    ECHOED: STREAM,
}


class Target(NamedTuple):
    """The server, and the connections to it that are open."""

    address: str
    channels: Sequence[grpc.aio.Channel]


class CallKey(NamedTuple):
    """What sort of call it is; ``size`` counts the events of each call, or chunk.

    ``by`` is what makes the calls.
    """

    profile: str
    name: str
    kind: str
    size: int
    callers: int = CALLERS
    by: str = PYTHON


SHORTEST: Final = CallKey(DAY, TRANSFORM, "typed", 1)
ALONE: Final = CallKey(PURCHASE, FORWARD, "json", 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """One sort of call; ``make`` makes them for so many seconds and awaits the last."""

    key: CallKey
    make: Callable[[Target, float], Awaitable[Called]]


def sorts() -> Iterator[Sort]:
    """Give every sort; those by h2load only where it is installed."""
    for size in SIZES:
        for profile in PROFILES:
            used = loads(profile, size)
            for kind in ("typed", "json"):
                written = [
                    messages.transform(one, typed=kind == "typed") for one in used
                ]
                yield _unary(CallKey(profile, TRANSFORM, kind, size), written)
        yield _unary(CallKey(PURCHASE, FORWARD, "json", size), _forwards(size))
        yield _unary(CallKey(DAY, ECHO, "typed", size), _typed(DAY, size))
    for profile, name in ((PURCHASE, TRANSFORM), (DAY, ECHO)):
        yield _unary(CallKey(profile, name, "typed", 1, callers=1), _typed(profile, 1))
    yield from _by_h2load()
    for chunk in CHUNKS:
        data = messages.chunk_json(DAY, chunk=chunk, batch=_BATCH)
        first = messages.options(messages.SYNC)
        yield _stream(CallKey(DAY, STREAMED, "json", chunk), data, first)
        yield _stream(CallKey(DAY, ECHOED, "typed", chunk), data, None)


def _by_h2load() -> Iterator[Sort]:
    """Give the shortest calls by a caller that takes little of the machine."""
    if not h2load.is_here():
        return
    for key, message in (
        (CallKey(PURCHASE, TRANSFORM, "typed", 1), _typed(PURCHASE, 1)[0]),
        (CallKey(PURCHASE, FORWARD, "json", 1), _forwards(1)[0]),
        (CallKey(DAY, ECHO, "typed", 1), _typed(DAY, 1)[0]),
    ):
        for callers in (CALLERS, 1):
            yield _h2load(key._replace(callers=callers, by=h2load.PROGRAM), message)


def _h2load(key: CallKey, message: bytes) -> Sort:
    async def make(target: Target, seconds: float) -> Called:
        path, callers = _PATHS[key.name], key.callers
        # mypy knows only the calls of generated stubs.
        once: Any = target.channels[0].unary_unary(path)
        connections = min(_CONNECTIONS, callers)
        load = h2load.Load(
            address=target.address,
            path=path,
            message=message,
            connections=connections,
            streams=callers // connections,
        )
        return await h2load.calls(
            load,
            count=max(callers, round(_RATE * seconds)),
            answer_bytes=len(await once(message)),
        )

    return Sort(key=key, make=make)


def _typed(profile: str, size: int) -> list[bytes]:
    return [messages.transform(load, typed=True) for load in loads(profile, size)]


def _forwards(size: int) -> list[bytes]:
    return [messages.forward(load) for load in loads(PURCHASE, size)]


def _unary(key: CallKey, written: list[bytes]) -> Sort:
    async def make(target: Target, seconds: float) -> Called:
        path, callers = _PATHS[key.name], key.callers
        opened = target.channels
        return await unary(opened, path, written, seconds=seconds, callers=callers)

    return Sort(key=key, make=make)


def _stream(key: CallKey, data: bytes, options: bytes | None) -> Sort:
    async def make(target: Target, seconds: float) -> Called:
        out = until(seconds, messages.chunks(data))
        path, stream = _PATHS[key.name], Stream(window=_WINDOW)
        return await stream.run(target.channels[0], path, options=options, messages=out)

    return Sort(key=key, make=make)
