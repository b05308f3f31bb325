"""The sandbox's own addresses: what it took, what it counted, what it shall do wrong.

``GET /sandbox/events``, ``DELETE /sandbox/events``, ``GET /sandbox/requests``,
``POST /sandbox/faults`` (a JSON list), ``DELETE /sandbox/faults``.
"""

import msgspec

from tokferry_server.sandbox.faults import Fault, Script
from tokferry_server.sandbox.ledger import Ledger

_encode = msgspec.json.encode
_faults = msgspec.json.Decoder(list[Fault])


class Control:
    """Answers requests to the sandbox's own addresses."""

    def __init__(self, ledger: Ledger, script: Script) -> None:
        self._ledger = ledger
        self._script = script

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Give the HTTP status and the JSON body of an answer."""
        match method, path.rstrip("/"):
            case "GET", "/sandbox/events":
                answer = {"counts": self._ledger.counts, "events": self._ledger.events}
                return 200, _encode(answer)
            case "DELETE", "/sandbox/events":
                self._ledger.clear()
                return 200, _encode(self._ledger.counts)
            case "GET", "/sandbox/requests":
                return 200, _encode(self._ledger.counts)
            case "POST", "/sandbox/faults":
                return self._add(body)
            case "DELETE", "/sandbox/faults":
                self._script.clear()
                return 200, b"{}"
        return 404, _encode({"error": f"nothing at {method} {path}"})

    def _add(self, body: bytes) -> tuple[int, bytes]:
        try:
            faults = _faults.decode(body)
        except msgspec.DecodeError as error:
            return 400, _encode({"error": f"faults: {error}"})
        self._script.add(faults)
        return 200, _encode({"added": len(faults)})
