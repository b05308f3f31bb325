import pytest

from tokferry_server.tiktok.answer import (
    Answer,
    named_place,
    read_answer,
    retry_after_seconds,
)

UNREADABLE = Answer(http_status=200)


def test_code_place_and_request_id_are_read() -> None:
    body = (
        b'{"code":40002,"message":"Batch.3.properties.contents.0.content_id: Not a'
        b' valid string. Got \'jo@example.com\'","request_id":"2026-AB_c","data":{}}'
    )
    assert read_answer(http_status=200, body=body) == Answer(
        http_status=200,
        code=40002,
        index=3,
        field="properties.contents.0.content_id",
        request_id="2026-AB_c",
    )


def test_nothing_of_the_message_but_the_place_is_kept() -> None:
    body = b'{"code":40002,"message":"Batch.0.user.email: Got jo@example.com"}'
    assert "jo@example" not in repr(read_answer(http_status=200, body=body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Bad Gateway</body></html>",
        b'{"code":0,"mess',
        b"[]",
        b"0",
        b"null",
        b'"code"',
        b"{}",
        b'{"message":"OK"}',
        b'{"code":"0"}',
        b'{"code":true}',
        b'{"code":false}',
        b'{"code":null}',
        b'{"code":NaN}',
        b'{"code":0.5}',
        b'{"code":-1}',
        b'{"code":1e400}',
        b'{"code":1000000}',
        b'{"code":99999999999999999999999999}',
        b'{"code":{"code":0}}',
        b'{"code":0}{"code":0}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 50_000,
    ],
)
def test_a_body_without_a_code_gives_none(body: bytes) -> None:
    assert read_answer(http_status=200, body=body) == UNREADABLE


@pytest.mark.parametrize("message", [b"7", b"null", b"{}", b'["Batch.1.event:"]'])
def test_a_message_of_the_wrong_type_does_not_hide_the_code(message: bytes) -> None:
    body = b'{"code":40100,"message":%b,"request_id":5}' % message
    assert read_answer(http_status=401, body=body) == Answer(
        http_status=401, code=40100
    )


@pytest.mark.parametrize(
    ("content_type", "code"),
    [
        (None, 0),
        ("application/json", 0),
        ("application/json; charset=utf-8", 0),
        ("Application/JSON", 0),
        ("application/problem+json", 0),
        ("text/html", None),
        ("text/plain", None),
        ("", None),
    ],
)
def test_only_json_is_read(content_type: str | None, code: int | None) -> None:
    answer = read_answer(http_status=200, body=b'{"code":0}', content_type=content_type)
    assert answer.code == code


@pytest.mark.parametrize(
    "request_id", ["a" * 65, "a b", "jo@example.com", "", "a\\nb", "ä"]
)
def test_a_request_id_that_could_hold_a_value_is_left_out(request_id: str) -> None:
    body = b'{"code":0,"request_id":"%b"}' % request_id.encode()
    assert read_answer(http_status=200, body=body).request_id is None


@pytest.mark.parametrize(
    ("message", "index", "field"),
    [
        ("Batch.0.event: x", 0, "event"),
        ("Batch.999.user.email.1: x", 999, "user.email.1"),
        ("Batch.12: x", 12, None),
        ("Batch.4.page.url", 4, "page.url"),
        ("Invalid parameter: Batch.2.user.phone: x", 2, "user.phone"),
        ("Batch.1.context.user.phone_number: x", 1, "context.user.phone_number"),
        ("event_source_id: Not a valid string", None, "event_source_id"),
        ("Batch.5.no_such_member: x", 5, None),
        ("Batch.5.event.jo@example.com: x", 5, None),
        ("Batch.5.event.jo: x", 5, None),
        ("Batch.10000.event: x", None, None),
        ("Batch.-1.event: x", None, None),
        ("'Batch.1.event: x'", None, None),
        ("Got jo@example.com, Batch.1.event: x", None, None),
        ("the event is bad", None, None),
        ("", None, None),
    ],
)
def test_only_known_names_make_a_place(
    message: str, index: int | None, field: str | None
) -> None:
    assert named_place(message) == (index, field)


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        (None, None, None),
        ("7", None, 7),
        (" 30 ", None, 30),
        ("0", None, 0),
        ("999999999", None, 86400),
        ("-5", None, None),
        ("soon", None, None),
        ("", None, None),
        ("Fri, 27 Nov 2026 10:00:30 GMT", "Fri, 27 Nov 2026 10:00:00 GMT", 30),
        ("Fri, 27 Nov 2026 09:00:00 GMT", "Fri, 27 Nov 2026 10:00:00 GMT", 0),
        ("Fri, 27 Nov 2026 10:00:30 GMT", None, None),
        ("9" * 400, None, 86400),
        ("²", None, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_time(
    value: str | None, date: str | None, seconds: float | None
) -> None:
    assert retry_after_seconds(value, date) == seconds


@pytest.mark.parametrize("member", ["message", "request_id", "code"])
def test_a_text_that_is_not_utf_8_is_left_out(member: str) -> None:
    members = {"code": b"40002", "message": b'"No"', "request_id": b'"a-1"'}
    members[member] = b'"\xff\x9d"'
    body = b",".join(
        b'"%b":%b' % (name.encode(), value) for name, value in members.items()
    )
    answer = read_answer(http_status=200, body=b"{%b}" % body)
    assert answer.code == (None if member == "code" else 40002)
    assert answer.request_id == (None if member == "request_id" else "a-1")
