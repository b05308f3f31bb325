"""Requests that begun go on to their end, whatever their callers do."""

import asyncio
from typing import Any

import pytest

from tokferry_server.delivery import Timeouts, Transport
from tokferry_server.sandbox import Fault, Sandbox
from tokferry_server.tiktok.answer import Answer, Failure

PATH = "/open_api/v1.3/event/track/"
TOKEN = "a-made-up-token"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n"
END = b'\r\n{"code":0}'


def _body(event_id: int) -> bytes:
    return (
        b'{"event_source":"web","event_source_id":"C4MADEUP","data":[{"event":"Search",'
        b'"event_time":1795000000,"event_id":"%d"}]}' % event_id
    )


async def _post(transport: Transport, event_id: int, **more: Any) -> Answer:
    return await transport.post(PATH, TOKEN, _body(event_id), key="shop", **more)


def _transport(url: str, **settings: Any) -> Transport:
    return Transport(
        base_url=url,
        user_agent="tokferry-tests/1",
        allow_loopback=True,
        **settings,
    )


async def _abandon(transport: Transport, calls: int) -> None:
    """Begin calls, fifty at a time, and cancel them or let them run out of patience."""
    ended: list[object] = []
    for begin in range(0, calls, 50):
        tasks = [
            asyncio.create_task(
                _post(transport, event_id, patience=0.006 if event_id % 2 else None)
            )
            for event_id in range(begin, begin + 50)
        ]
        await asyncio.sleep(0.004 + begin % 3 * 0.004)
        for task in tasks:
            task.cancel()
        ended += await asyncio.gather(*tasks, return_exceptions=True)
    assert any(isinstance(one, asyncio.CancelledError) for one in ended)
    late = Answer(failure=Failure.QUEUE), Answer(failure=Failure.READ_TIMEOUT)
    assert set(late) <= {one for one in ended if isinstance(one, Answer)}


async def test_after_a_thousand_calls_given_up_the_next_hundred_succeed() -> None:
    slow = Fault(reply="handle", delay=0.01, times=None, every=2)
    async with (
        Sandbox(token=TOKEN, validate=False, faults=[slow]) as sandbox,
        _transport(sandbox.url, max_in_flight=8) as transport,
    ):
        await _abandon(transport, 1000)
        answers = await asyncio.gather(
            *[_post(transport, event_id) for event_id in range(100)]
        )
    assert {answer.code for answer in answers} == {0}


@pytest.mark.gate
@pytest.mark.parametrize("tls", [False, True])
async def test_after_five_thousand_calls_given_up_the_next_hundred_succeed(
    serve: Any, certificates: Any, tls: bool
) -> None:
    connections, now, most = [0], [0], [0]

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connections[0] += 1
        now[0] += 1
        most[0] = max(*most, *now)
        count = 0
        while count < 50 and await reader.read(65536):
            count += 1
            await asyncio.sleep(count % 3 * 0.005)
            writer.write(OK + (b"Connection: close\r\n" if count == 50 else b"") + END)
        now[0] -= 1

    url = await serve(answer, certificates.localhost if tls else None)
    async with _transport(
        url, max_in_flight=8, ssl_context=certificates.client
    ) as transport:
        await _abandon(transport, 5000)
        answers = await asyncio.gather(
            *[_post(transport, event_id) for event_id in range(100)]
        )
    assert {answer.code for answer in answers} == {0}
    assert most[0] <= 9  # one may still be closing
    assert connections[0] > 10  # some were made under way


async def test_a_cancelled_callers_request_is_answered_all_the_same(
    line: Any,
) -> None:
    line.sandbox.script([Fault(reply="handle", delay=0.1)])
    task = asyncio.create_task(_post(line.transport, 1))
    while not line.sandbox.counts.requests:  # noqa: ASYNC110  nothing to wait for
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await line.transport.aclose()
    assert line.taken() == {1}


async def test_who_is_cancelled_before_his_turn_has_sent_nothing() -> None:
    slow = Fault(reply="handle", delay=0.1)
    async with Sandbox(token=TOKEN, validate=False, faults=[slow]) as sandbox:
        async with _transport(sandbox.url, max_in_flight=1) as transport:
            first = asyncio.create_task(_post(transport, 1))
            await asyncio.sleep(0.02)
            second = asyncio.create_task(_post(transport, 2))
            await asyncio.sleep(0.02)
            second.cancel()
            assert (await first).code == 0
            assert (await _post(transport, 3)).code == 0
        assert sandbox.counts.requests == 2


async def test_patience_ends_the_wait_but_not_the_request(line: Any) -> None:
    line.sandbox.script([Fault(reply="handle", delay=0.1)])
    answer = await _post(line.transport, 1, patience=0.03)
    assert answer == Answer(failure=Failure.READ_TIMEOUT)
    await line.transport.aclose()
    assert line.taken() == {1}


async def test_patience_that_ends_before_the_turn_is_a_certain_failure() -> None:
    slow = Fault(reply="handle", delay=0.2)
    async with Sandbox(token=TOKEN, validate=False, faults=[slow]) as sandbox:
        async with _transport(sandbox.url, max_in_flight=1) as transport:
            first = asyncio.create_task(_post(transport, 1))
            await asyncio.sleep(0.02)
            second = await _post(transport, 2, patience=0.05)
            assert second == Answer(failure=Failure.QUEUE)
            assert (await first).code == 0
        assert sandbox.counts.requests == 1


async def test_no_more_requests_at_once_than_allowed_for_each_key() -> None:
    now, most = [0], [0]

    async def sleep(_seconds: float) -> None:
        now[0] += 1
        most[0] = max(most[0], now[0])
        await asyncio.sleep(0.02)
        now[0] -= 1

    slow = Fault(reply="handle", delay=1, times=None)
    async with (
        Sandbox(token=TOKEN, validate=False, faults=[slow], sleep=sleep) as sandbox,
        _transport(sandbox.url, max_in_flight=3) as transport,
    ):
        await asyncio.gather(*[_post(transport, index) for index in range(12)])
        assert most[0] == 3
        other = [
            transport.post(PATH, TOKEN, _body(index), key=f"other {index % 2}")
            for index in range(12)
        ]
        await asyncio.gather(*other)
        assert most[0] == 6


async def test_connections_are_kept_and_used_again(line: Any) -> None:
    for index in range(5):
        await _post(line.transport, index)
    assert len(line.sandbox._peers) == 1


async def test_an_attempt_that_times_out_leaves_the_next_one_alone() -> None:
    late = Fault(reply="handle", delay=1.5, times=8)
    limits = Timeouts(connect=1, write=1, read=2, attempt=0.5)
    async with (
        Sandbox(token=TOKEN, validate=False, faults=[late]) as sandbox,
        _transport(sandbox.url, timeouts=limits, max_in_flight=20) as transport,
    ):
        answers = await asyncio.gather(*[_post(transport, n) for n in range(8)])
        assert {answer.failure for answer in answers} == {Failure.READ_TIMEOUT}
        answers = await asyncio.gather(*[_post(transport, n) for n in range(8)])
        assert {answer.code for answer in answers} == {0}


async def test_forward_that_is_cancelled_leaves_its_request_to_itself(
    line: Any,
) -> None:
    line.sandbox.script([Fault(reply="handle", delay=0.1)])
    task = asyncio.create_task(line.send(3))
    while not line.sandbox.counts.requests:  # noqa: ASYNC110  nothing to wait for
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await line.transport.aclose()
    assert line.taken() == {0, 1, 2}
    assert {one.outcome for one in await line.send(3)} == {"DELIVERED"}
    assert line.sandbox.counts.duplicates == 3
