"""What is no answer in HTTP/1.1 is noticed, however its bytes are cut."""

import gc
import weakref

import pytest

from tokferry_server.delivery.transport.reading import MalformedError, Reading

HEAD = b"HTTP/1.1 200 OK\r\n"
WHOLE = HEAD + b"Content-Length: 2\r\n\r\n{}"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
HINTS = b"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n"


@pytest.mark.parametrize("step", [1, 7, 1000])
@pytest.mark.parametrize(
    ("data", "keep"),
    [
        (WHOLE, True),
        (CHUNKED + b"\r\n", True),
        (HINTS + HINTS + WHOLE, True),
        (WHOLE.replace(b"1.1", b"1.0"), False),
        (HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}", False),
    ],
)
def test_an_answer_is_read_in_parts_of_any_size(
    data: bytes, keep: bool, step: int
) -> None:
    reading = Reading()
    for start in range(0, len(data), step):
        assert not reading.whole
        reading.feed(data[start : start + step])
    assert (reading.status, b"".join(reading.parts)) == (200, b"{}")
    assert (reading.whole, reading.keep) == (True, keep)
    assert b"Link" not in dict(reading.headers)


def test_a_whole_answer_is_freed_without_looking_for_cycles() -> None:
    reading = Reading()
    gone = weakref.ref(reading)
    gc.disable()
    try:
        reading.feed(WHOLE)
        del reading
        assert gone() is None
    finally:
        gc.enable()


def test_bytes_after_a_whole_answer_are_refused() -> None:
    reading = Reading()
    reading.feed(WHOLE)
    with pytest.raises(MalformedError):
        reading.feed(b"more")


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-example\r\n",
        WHOLE.replace(b"\r\n", b"\n"),
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n"),
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        WHOLE + WHOLE,
    ],
    ids=["not HTTP", "no returns", "two lengths", "chunked", "upgrade", "two answers"],
)
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Reading().feed(data)


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (HEAD, b"X-Filler: " + b"x" * 990 + b"\r\n"),
        (CHUNKED, b"X-Filler: " + b"x" * 990 + b"\r\n"),
        (HINTS, HINTS * 30),
    ],
    ids=["head", "trailers", "interim answers"],
)
def test_what_holds_no_body_comes_to_an_end(begin: bytes, more: bytes) -> None:
    reading = Reading()
    reading.feed(begin)
    reading.feed(more * 40)
    with pytest.raises(MalformedError):
        reading.feed(more * 40)


def test_only_an_answer_without_a_length_ends_with_its_connection() -> None:
    for data, whole in ((HEAD + b"\r\n{", True), (WHOLE[:-1], False), (HEAD, False)):
        reading = Reading()
        reading.feed(data)
        reading.end()
        assert reading.whole is whole
