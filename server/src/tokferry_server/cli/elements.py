"""Cuts a long JSON array into its elements while it is being read."""

import re
from collections.abc import Iterable, Iterator

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*("?)|[\[\]{}]', re.DOTALL)


def array_elements(chunks: Iterable[bytes], *, longest: int) -> Iterator[bytes]:
    """Yield the bytes of each element, none of them read; text begins with ``[``.

    What stands between objects and is no separator, or follows a broken end, comes as
    an element of its own, so that it is reported and not passed over.

    Raises:
        ValueError: An element is longer than so many bytes.
    """
    cutter = _Cutter()
    for chunk in chunks:
        yield from cutter.feed(chunk)
        if cutter.waiting > longest:
            raise ValueError(f"an element is longer than {longest:,} bytes")
    yield from cutter.rest()


class _Cutter:
    """Holds what was read of the element that is not complete yet."""

    def __init__(self) -> None:
        self._buffer = b""
        self._start = 0
        self._position = 0
        self._depth = 0

    @property
    def waiting(self) -> int:
        """How many bytes of an incomplete element there are."""
        return len(self._buffer) - self._start

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the elements that end in this chunk."""
        self._buffer = self._buffer[self._start :] + chunk
        self._position -= self._start
        self._start = 0
        while token := _TOKEN.search(self._buffer, self._position):
            is_string = token[0].startswith(b'"')
            if is_string and not token[1]:
                # It goes on in the next chunk, and is looked at again then.
                self._position = token.start()
                return
            self._position = token.end()
            if not is_string:
                yield from self._bracket(token)
        self._position = len(self._buffer)

    def rest(self) -> Iterator[bytes]:
        """Yield what is left at the end of the input."""
        left = self._buffer[self._start :]
        if self._depth > 1:
            yield left
        else:
            yield from _between(left)

    def _bracket(self, token: re.Match[bytes]) -> Iterator[bytes]:
        outer = self._depth
        self._depth = outer + 1 if token[0] in b"[{" else max(outer - 1, 0)
        if min(outer, self._depth) > 1:
            return
        inside = self._buffer[self._start : token.start()]
        if outer == 1 and self._depth > 1:
            yield from _between(inside)
            self._start = token.start()
            return
        if outer > 1:
            yield inside + token[0]
        else:
            yield from _between(inside)
        self._start = token.end()


def _between(text: bytes) -> Iterator[bytes]:
    for part in text.split(b","):
        if part.strip():
            yield part.strip()
