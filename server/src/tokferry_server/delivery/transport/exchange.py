"""One request and what comes back for it."""

from typing import Final, cast

import httpx

from tokferry_server.tiktok.answer import Answer, Failure, read_answer

_MAX_ANSWER: Final = 1_048_576


class Exchange:
    """Sends one request; ``answer`` is what is known so far."""

    def __init__(self) -> None:
        self.answer = Answer(failure=Failure.OTHER)
        self._status: int | None = None

    async def run(self, http: httpx.AsyncBaseTransport, request: httpx.Request) -> None:
        """Send the request and read the answer, up to the size limit.

        Raises:
            httpx.TransportError: it failed; ``fail`` is to be called.
        """
        response = await http.handle_async_request(request)
        self._status = response.status_code
        stream = cast("httpx.AsyncByteStream", response.stream)
        parts: list[bytes] = []
        size = 0
        try:
            async for part in stream:
                parts.append(part)
                size += len(part)
                if size > _MAX_ANSWER:
                    break
        finally:
            await stream.aclose()
        headers = response.headers
        retry_after = headers.get("retry-after")
        self.answer = read_answer(
            http_status=response.status_code,
            body=b"".join(parts),
            content_type=headers.get("content-type"),
            retry_after=retry_after,
            date=None if retry_after is None else headers.get("date"),
        )

    def fail(self, failure: Failure) -> None:
        """Note why there is no whole answer."""
        if self._status is not None and failure is not Failure.READ_TIMEOUT:
            failure = Failure.TRUNCATED
        self.answer = Answer(http_status=self._status, failure=failure)
