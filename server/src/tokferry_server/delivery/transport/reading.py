"""What has come of the answer to one request, parsed as HTTP/1.1 by httptools."""

from typing import Final

import httptools

_MAX_OVERHEAD: Final = 65_536
_FIRST_FINAL: Final = 200


class MalformedError(Exception):
    """What came is not the answer to one request in HTTP/1.1."""


class Reading:
    """One answer, filled as its bytes come; interim ones before it are passed over.

    ``status`` (0 before) and ``headers`` stand once its head is whole, ``whole`` when
    its body is, ``keep`` if the connection may be used again then. ``parts`` is for
    whoever takes the body away. The methods that begin with ``on_`` are the parser's.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []
        self.whole = False
        self.keep = False
        self._overhead = 0
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Parse the next bytes.

        Raises:
            MalformedError: it is not HTTP/1.1, more than one answer, or all head.
        """
        if self.whole:
            raise MalformedError
        before = len(self.parts)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise MalformedError from error
        self._overhead = 0 if len(self.parts) > before else self._overhead + len(data)
        if self._overhead > _MAX_OVERHEAD:
            raise MalformedError
        if self.whole:
            del self._parser  # it refers to this, and cycles are looked for seldom

    def end(self) -> None:
        """Note that no more will come: an answer without a length ends with that."""
        named = {name.lower() for name, _ in self.headers}
        lengthless = named.isdisjoint((b"content-length", b"transfer-encoding"))
        self.whole |= self.status > 0 and lengthless

    def on_message_begin(self) -> None:
        """Begin an answer: the first one, or one after interim ones."""
        if self.whole:
            raise MalformedError
        self.headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Take the head as a whole."""
        status = self._parser.get_status_code()
        if status >= _FIRST_FINAL:
            self.status = status
            self.keep = self._parser.should_keep_alive()

    def on_body(self, part: bytes) -> None:
        """Take a part of the body."""
        self.parts.append(part)

    def on_message_complete(self) -> None:
        """Note the end of an answer."""
        self.whole = self.status > 0
