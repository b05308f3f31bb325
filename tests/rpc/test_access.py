"""Who may call what: every method, with every kind of credentials."""

import asyncio
import hmac
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from made_up import batch, purchase
from rpc.raw_calls import channel_to, ended, methods, naming, path
from tokferry import AsyncClient, PermissionDenied, ResourceExhausted, Unauthenticated
from tokferry.v1 import admin_service_pb2, forwarding_service_pb2
from tokferry_server.rpc import rights, tokens
from tokferry_server.rpc.access import Access
from tokferry_server.rpc.admission import OPEN_STREAMS, Admission
from tokferry_server.rpc.body_memory import BodyMemory
from tokferry_server.rpc.guard import Guard
from tokferry_server.rpc.listener import listener
from tokferry_server.rpc.service import ForwardingService
from tokferry_server.rpc.turns import Turns
from tokferry_server.settings import Principal, Secret, SecretError, SecretRef

TOKENS = {
    "orders": "orders-" + "a1" * 16,
    "viewer": "viewer-" + "b2" * 16,
    "sender": "sender-" + "c3" * 16,
    "stranger": "stranger-" + "d4" * 16,
    "all": "everything-" + "e5" * 16,
}
TAKES = {
    "Transform": {"transform"},
    "Forward": {"forward"},
    "ForwardStream": {"forward"},
    "DescribeConnection": {"transform", "forward"},
}
FORWARDING = list(
    methods(forwarding_service_pb2.DESCRIPTOR.services_by_name["ForwardingService"])
)
REFLECTION = list(
    methods(reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"])
)
HEALTH = list(methods(health_pb2.DESCRIPTOR.services_by_name["Health"]))
ADMIN = list(methods(admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"]))
UNPARSEABLE = b"\xff\xff\xff"

CREDENTIALS: dict[str, tuple[tuple[str, str | bytes], ...]] = {
    "none": (),
    "empty": (("authorization", ""),),
    "scheme only": (("authorization", "Bearer"),),
    "empty token": (("authorization", "Bearer "),),
    "garbage": (("authorization", "Bearer x"),),
    "no scheme": (("authorization", TOKENS["all"]),),
    "other scheme": (("authorization", f"Basic {TOKENS['all']}"),),
    "beginning": (("authorization", f"Bearer {TOKENS['all'][:-1]}"),),
    "longer": (("authorization", f"Bearer {TOKENS['all']}0"),),
    "other case": (("authorization", f"Bearer {TOKENS['all'].upper()}"),),
    "two tokens": (("authorization", f"Bearer {TOKENS['all']},{TOKENS['viewer']}"),),
    "twice": (("authorization", f"Bearer {TOKENS['all']}"),) * 2,
    "other header": (("x-authorization", f"Bearer {TOKENS['all']}"),),
    "a digest": (("authorization", f"Bearer {'0' * 64}"),),
    "very long": (("authorization", f"Bearer {'a' * 7000}"),),
}


def as_caller(name: str) -> tuple[tuple[str, str]]:
    return (("authorization", f"Bearer {TOKENS[name]}"),)


@pytest.fixture
def server(tmp_path: Path) -> dict[str, Any]:
    """Give settings with principals of all kinds."""
    for name, token in TOKENS.items():
        (tmp_path / name).write_text(f"{token}\n")

    def principal(name: str, rights: list[str], *connections: str) -> dict[str, Any]:
        return {
            "name": name,
            "tokens": [{"file": str(tmp_path / name)}],
            "rights": rights,
            "connections": [*connections],
        }

    return {
        "principals": [
            principal("orders", ["transform", "forward"], "shop"),
            principal("viewer", ["transform"], "shop"),
            principal("sender", ["forward"], "shop"),
            principal("stranger", ["transform", "forward"], "tokenless"),
            principal("all", ["transform", "forward"], "*"),
        ]
    }


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the list of the handlers that were entered."""
    names: list[str] = []
    for name in TAKES:
        handler = getattr(ForwardingService, name)

        def spy(*given: Any, name: str = name, handler: Any = handler) -> Any:
            names.append(name)
            return handler(*given)

        monkeypatch.setattr(ForwardingService, name, spy)
    return names


def test_every_method_has_a_rule_and_is_in_the_matrix() -> None:
    assert {method.name for method in FORWARDING} == set(TAKES)
    served = {path(one) for one in (*FORWARDING, *REFLECTION, *HEALTH)}
    missing = served - set(rights.RULES)
    assert missing <= {"/grpc.health.v1.Health/List"}
    assert {name for name, rule in rights.RULES.items() if rule.for_all} == {
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
    }


@pytest.mark.parametrize("method", FORWARDING + REFLECTION, ids=lambda m: m.name)
async def test_a_caller_who_is_not_known_is_refused_before_the_body_is_parsed(
    start: Any, server: Any, entered: list[str], method: MethodDescriptor
) -> None:
    running = await start(server=server, reflection=True)
    async with channel_to(running.target) as channel:
        for name, metadata in CREDENTIALS.items():
            for body in (naming(method, "shop"), UNPARSEABLE):
                found = await ended(channel, path(method), body, metadata)
                assert (found.code, found.reason) == (
                    grpc.StatusCode.UNAUTHENTICATED,
                    "UNAUTHENTICATED",
                ), name
                assert not any(token in found.message for token in TOKENS.values())
    assert not entered


@pytest.mark.parametrize("method", FORWARDING, ids=lambda m: m.name)
@pytest.mark.parametrize("caller", ["viewer", "sender"])
async def test_each_method_takes_its_right(
    start: Any, server: Any, entered: list[str], method: MethodDescriptor, caller: str
) -> None:
    running = await start(server=server)
    right = {"viewer": "transform", "sender": "forward"}[caller]
    async with channel_to(running.target) as channel:
        found = await ended(
            channel, path(method), naming(method, "shop"), as_caller(caller)
        )
        refused = await ended(channel, path(method), UNPARSEABLE, as_caller(caller))
    if right in TAKES[method.name]:
        assert found.code in (
            grpc.StatusCode.OK,  # of a stream without chunks, and of a description
            grpc.StatusCode.INVALID_ARGUMENT,  # the request is empty
        )
        assert set(entered) == {method.name}
        assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
    else:
        for one in (found, refused):
            assert one.code == grpc.StatusCode.PERMISSION_DENIED
            assert one.reason == "PERMISSION_DENIED"
        assert not entered


@pytest.mark.parametrize("method", FORWARDING, ids=lambda m: m.name)
async def test_a_foreign_connection_is_refused_whether_it_exists_or_not(
    start: Any, server: Any, method: MethodDescriptor
) -> None:
    running = await start(server=server)
    async with channel_to(running.target) as channel:
        there, missing = [
            await ended(
                channel, path(method), naming(method, name), as_caller("stranger")
            )
            for name in ("shop", "no-such-connection")
        ]
    assert there.code == grpc.StatusCode.PERMISSION_DENIED
    assert there == missing
    assert not running.sandbox.events


@pytest.mark.parametrize("method", FORWARDING, ids=lambda m: m.name)
async def test_who_may_use_all_connections_is_told_of_those_that_are_missing(
    start: Any, server: Any, method: MethodDescriptor
) -> None:
    running = await start(server=server)
    async with channel_to(running.target) as channel:
        found = await ended(
            channel, path(method), naming(method, "no-such"), as_caller("all")
        )
    assert found.reason == "UNKNOWN_CONNECTION"


@pytest.mark.parametrize("method", ADMIN, ids=lambda m: m.name)
@pytest.mark.parametrize("caller", [None, "all"])
async def test_the_admin_service_is_not_on_the_network(
    start: Any, server: Any, method: MethodDescriptor, caller: str | None
) -> None:
    running = await start(server=server)
    metadata = () if caller is None else as_caller(caller)
    async with channel_to(running.target) as channel:
        found = await ended(channel, path(method), naming(method, "shop"), metadata)
    assert found.code == grpc.StatusCode.UNIMPLEMENTED


async def test_a_method_without_a_rule_is_closed_to_all(tmp_path: Path) -> None:
    (tmp_path / "all").write_text(TOKENS["all"])
    called: list[Any] = []

    handler = grpc.unary_unary_rpc_method_handler(called.append, bytes, bytes)
    access = Access([principal(tmp_path / "all")])
    running = listener(
        Guard(asyncio.Event()), Admission(access, BodyMemory()), turns=Turns()
    )
    running.add_registered_method_handlers("tokferry.v1.New", {"Call": handler})
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    async with channel_to(f"127.0.0.1:{port}") as channel:
        found = await ended(channel, "/tokferry.v1.New/Call", b"", as_caller("all"))
    await running.stop(None)
    assert found.reason == "PERMISSION_DENIED"
    assert not called


async def test_health_can_be_asked_for_by_anyone_but_watched_by_few(
    start: Any, server: Any
) -> None:
    running = await start(server=server)
    watch = "/grpc.health.v1.Health/Watch"
    async with channel_to(running.target) as channel:
        checked = await ended(channel, "/grpc.health.v1.Health/Check", b"")
        assert checked.answer == b"\x08\x01"
        wrong = await ended(channel, "/grpc.health.v1.Health/Check", UNPARSEABLE)
        assert wrong.code == grpc.StatusCode.INVALID_ARGUMENT

        def watching() -> Any:
            empty: Any = iter((b"",))
            return channel.stream_stream(watch)(empty)

        watches = [watching() for _ in range(OPEN_STREAMS)]
        for call in watches:
            assert await call.read() == b"\x08\x01"
        refused = await ended(channel, watch, b"")
        assert refused.code == grpc.StatusCode.RESOURCE_EXHAUSTED
        watches.pop().cancel()
        assert await watching().read() == b"\x08\x01"


async def test_two_tokens_are_good_while_one_takes_the_place_of_the_other(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "LOOK_SECONDS", 0.0)
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text(TOKENS["orders"])
    new.write_text(TOKENS["viewer"])
    principal = {
        "name": "orders",
        "tokens": [{"file": str(old)}, {"file": str(new)}],
        "connections": ["shop"],
        "rights": ["transform"],
    }
    running = await start(server={"principals": [principal]})

    async def call(name: str) -> None:
        async with AsyncClient(running.target, token=TOKENS[name]) as client:
            await client.describe_connection("shop")

    await call("orders")
    await call("viewer")
    old.write_text(TOKENS["sender"])  # another of the same length
    with pytest.raises(Unauthenticated):
        await call("orders")
    await call("sender")
    new.unlink()
    with pytest.raises(Unauthenticated):
        await call("viewer")
    await call("sender")


async def test_a_caller_with_a_token_delivers(start: Any, server: Any) -> None:
    running = await start(server=server, client={"token": TOKENS["orders"]})
    answer = await running.client.forward(batch(purchase()), connection="shop")
    assert answer.totals.delivered == 1
    stream = running.client.forward_stream([batch(purchase(1))], connection="shop")
    assert [one.totals.delivered async for one in stream] == [1]
    with pytest.raises(PermissionDenied):
        await running.client.describe_connection("tokenless")


async def test_without_principals_this_machine_may_call_everything(start: Any) -> None:
    running = await start()
    async with channel_to(running.target) as channel:
        for method in FORWARDING:
            found = await ended(channel, path(method), UNPARSEABLE)
            assert found.code == grpc.StatusCode.INVALID_ARGUMENT
            assert found.reason == "UNREADABLE_INPUT"


def principal(*files: Path, name: str = "orders") -> Principal:
    return Principal(
        name=name,
        connections=("*",),
        rights=("forward",),
        tokens=tuple(SecretRef(file=file) for file in files),
    )


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ("short", "x" * 16, "openssl rand"),
        ("x" * 16, "x" * 16, "have the same token"),
        ("", "x" * 16, "is blank"),
        (None, "x" * 16, "No such file"),
    ],
)
def test_tokens_that_guard_nothing_start_no_server(
    first: str | None, second: str, text: str, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    if first is not None:
        one.write_text(first)
    two.write_text(second)
    with pytest.raises(SecretError, match=text) as caught:
        Access([principal(one), principal(two, name="other")])
    assert "x" * 16 not in str(caught.value)


def test_a_token_that_becomes_anothers_is_nobodys(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1" * 16)
    two.write_text("2" * 16)
    now = [0.0]
    known = tokens.Tokens(
        [principal(one), principal(two, name="other")], clock=lambda: now[0]
    )
    assert known.owner("1" * 16) == "orders"
    two.write_text("1" * 16)
    now[0] += tokens.LOOK_SECONDS / 2
    assert known.owner("2" * 16) == "other"  # nobody has looked yet
    now[0] += tokens.LOOK_SECONDS
    assert known.owner("1" * 16) is None
    assert known.owner("2" * 16) is None
    two.write_text("22" * 16)
    now[0] += tokens.LOOK_SECONDS
    assert known.owner("1" * 16) == "orders"


def test_a_token_is_compared_in_constant_time_with_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / str(number) for number in range(3)]
    for number, file in enumerate(files):
        file.write_text(str(number) * 16)
    known = tokens.Tokens([principal(f, name=f.name) for f in files])
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def spy(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    assert known.owner("0" * 16) == "0"
    assert compared == [(32, 32)] * 3


def test_a_token_shows_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKENS["orders"])
    access = Access([principal(file)])
    known = access._tokens
    assert TOKENS["orders"] not in repr(vars(known)) + repr(
        Secret(SecretRef(file=file))
    )
    assert TOKENS["orders"] not in repr(vars(access))


async def test_a_quota_refuses_before_the_body_is_read_and_says_when_to_come_back(
    start: Any, server: Any
) -> None:
    server["principals"][0]["events_per_second"] = 0.5
    running = await start(server=server, client={"token": TOKENS["orders"]})
    await running.client.transform(
        batch(purchase(1), purchase(2)), connection="shop", timeout=5
    )
    with pytest.raises(ResourceExhausted, match="events a second") as caught:
        await running.client.transform(batch(purchase(3)), connection="shop")
    assert caught.value.reason == "QUOTA_EXCEEDED"
    assert 2.5 < (caught.value.retry_after or 0) <= 3.0
    async with channel_to(running.target) as channel:
        method = FORWARDING[0]
        found = await ended(channel, path(method), UNPARSEABLE, as_caller("orders"))
        others = await ended(
            channel, path(method), naming(method, "shop"), as_caller("viewer")
        )
    assert found.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert others.reason == "EMPTY_REQUEST"
    (failure,) = details(found, error_details_pb2.QuotaFailure)
    assert failure.violations[0].subject == "principal:orders"


async def test_a_caller_may_have_so_many_streams(start: Any, server: Any) -> None:
    server["principals"][0]["streams"] = 2
    running = await start(server=server)
    method = next(one for one in FORWARDING if one.name == "ForwardStream")
    opening = naming(method, "shop")
    async with channel_to(running.target) as channel:
        streams: list[Any] = [
            channel.stream_stream(path(method))(metadata=as_caller("orders"))
            for _ in range(2)
        ]
        for stream in streams:
            await stream.write(opening)
            await stream.read()
        found = await ended(channel, path(method), opening, as_caller("orders"))
        assert found.reason == "QUOTA_EXCEEDED"
        await streams[0].done_writing()
        while await streams[0].read() is not grpc.aio.EOF:
            pass
        found = await ended(channel, path(method), opening, as_caller("orders"))
        assert found.code == grpc.StatusCode.OK
        streams[1].cancel()


def details(found: Any, kind: Any) -> list[Any]:
    packed = dict(found.trailers)["grpc-status-details-bin"]
    unpacked = []
    for detail in status_pb2.Status.FromString(packed).details:
        one = kind()
        if detail.Unpack(one):
            unpacked.append(one)
    return unpacked
