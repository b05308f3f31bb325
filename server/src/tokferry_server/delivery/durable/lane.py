"""One connection as the worker sees it: what it holds, and whether it may send."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from tokferry_server.delivery.durable.adaptive import AdaptiveLimit
from tokferry_server.delivery.durable.breaker import Breaker
from tokferry_server.delivery.durable.budget import RetryBudget
from tokferry_server.delivery.durable.clock import Clock
from tokferry_server.delivery.durable.connection import WorkerConnection
from tokferry_server.delivery.durable.pauses import Pause
from tokferry_server.delivery.durable.status import Counts, LastVerdict
from tokferry_server.delivery.outbox.interface import Death, Row
from tokferry_server.delivery.poster import token_of_now
from tokferry_server.tiktok.answer import Answer
from tokferry_server.tiktok.reasons import DeliveryReason, Outcome
from tokferry_server.tiktok.verdict import Verdict
from tokferry_server.tiktok.verdicts import classify

_PROBE_EVERY_S: Final = 60.0
_PROBE_EVENTS: Final = 1
_SUSPECT_PROBE_EVENTS: Final = 8
_TRUST_S: Final = 600.0


@dataclass(slots=True, kw_only=True)
class Admission:
    """Leave to send one chunk; ``most`` limits the events of a probe.

    ``token`` is that of its last request.
    """

    token: str
    probe: bool = False
    most: int | None = None


@dataclass(slots=True, kw_only=True)
class Fault:
    """Why TikTok takes nothing from a connection; ``token`` was in use.

    ``since`` is in Unix seconds, ``probe_at`` in monotonic ones.
    """

    reason: DeliveryReason
    since: float
    token: str
    probe_at: float


class Lane:
    """What waits and what is under way for one connection, and what holds it back.

    ``chunks`` are claimed rows, sorted into requests; ``claiming``: more are on their
    way, ``behind``: and more wait than one claim takes. ``operator`` is the pause that
    someone has set. ``deaths`` could not be stored while the dead letters are ``full``.
    """

    def __init__(self, name: str, settings: WorkerConnection, clock: Clock) -> None:
        self.name = name
        self.settings = settings
        self.chunks: deque[list[Row]] = deque()
        self.eager = True
        self.claiming = False
        self.behind = False
        self.in_flight = 0
        self.operator: Pause | None = None
        self.resumed: float | None = None
        self.fault: Fault | None = None
        self.deaths: list[Death] = []
        self.full = False
        self.tokenless = False
        self.limit = AdaptiveLimit(settings.concurrency)
        self.breaker = Breaker()
        self.budget = RetryBudget()
        self.counts = Counts()
        self.last: LastVerdict | None = None
        self.delivered_at: float | None = None
        self._clock = clock
        self._probing = False
        self._trusted_until = -math.inf

    def admit(self, share: int) -> Admission | None:
        """Say whether one more chunk may go; ``share`` limits those under way."""
        if self.operator or self.full or self._probing or self.in_flight >= share:
            return None
        token = self._token()
        if token is None or not self.settings.pace.admits():
            return None
        now = self._clock.monotonic()
        if self.fault is not None:
            return self._probe(self.fault, token, now)
        if not self.breaker.closed:
            ready = not self.breaker.remaining(now)
            return Admission(token=token, probe=True) if ready else None
        free = self.in_flight < self.most_in_flight
        return Admission(token=token) if free else None

    def _probe(self, fault: Fault, token: str, now: float) -> Admission | None:
        if now < fault.probe_at and token == fault.token:
            return None
        most = _SUSPECT_PROBE_EVENTS if self.suspected else _PROBE_EVENTS
        return Admission(token=token, probe=True, most=most)

    @property
    def most_in_flight(self) -> int:
        """How many requests may be under way; one, when the retry budget is spent."""
        return 1 if self.budget.spent else self.limit.current

    def begin(self, admission: Admission) -> None:
        """Note that a chunk is on its way."""
        self.in_flight += 1
        self.limit.begun(self.in_flight)
        self.settings.pace.busy += 1
        self._probing = admission.probe
        if admission.probe and self.fault is not None:
            self.fault.token = admission.token
            self.fault.probe_at = self._clock.monotonic() + _PROBE_EVERY_S

    def renew(self, admission: Admission) -> None:
        """Let it go on with the token of now, if there is one."""
        admission.token = self._token() or admission.token

    def end(self, admission: Admission) -> None:
        """Note that a chunk is done with."""
        self.in_flight -= 1
        self.settings.pace.busy -= 1
        if admission.probe:
            self._probing = False
        self.eager = True

    def observe(self, admission: Admission, answer: Answer, started: float) -> None:
        """Learn from an answer; ``started`` is when its request was sent."""
        verdict = classify(answer)
        now = self._clock.monotonic()
        self._remember(answer, verdict)
        self.settings.pace.note(answer, started)
        if verdict.outcome is Outcome.DELIVERED:
            self._trusted_until = now + _TRUST_S
        self.limit.ended(
            now,
            now - started,
            succeeded=verdict.outcome is Outcome.DELIVERED,
            pushed_back=verdict.backpressure,
        )
        if verdict.reason in (DeliveryReason.THROTTLED, DeliveryReason.QUEUE_FULL):
            return
        self.breaker.record(now, failed=verdict.breaker, probe=admission.probe)
        if verdict.breaker or verdict.outcome is Outcome.DELIVERED:
            self.budget.record(failed=verdict.breaker)
        if verdict.outcome is Outcome.REJECTED and not self.suspected:
            self.heal(admission)

    @property
    def trusted(self) -> bool:
        """Whether TikTok took events of the connection in the last ten minutes."""
        return self._clock.monotonic() < self._trusted_until

    @property
    def suspected(self) -> bool:
        """Whether its events fail so alike that it must be at fault itself."""
        fault = self.fault
        return fault is not None and fault.reason is DeliveryReason.CONNECTION_SUSPECTED

    def suspend(self, admission: Admission, reason: DeliveryReason) -> None:
        """Stop but for probes, unless another token has been put in place since."""
        if self._token() not in (admission.token, None):
            return
        if self.fault is not None:
            self.fault.reason = reason
            return
        self.fault = Fault(
            reason=reason,
            since=self._clock.now(),
            token=admission.token,
            probe_at=self._clock.monotonic() + _PROBE_EVERY_S,
        )

    def heal(self, admission: Admission) -> None:
        """Go on as usual if a probe has shown that TikTok listens again."""
        if admission.probe and self.fault is not None:
            self.fault = None

    def resume(self) -> None:
        """Go on because someone said so, who is to be trusted as a delivery is."""
        self.fault = None
        self._trusted_until = self._clock.monotonic() + _TRUST_S

    def _token(self) -> str | None:
        token = token_of_now(self.settings.token)
        self.tokenless = token is None
        return token

    def _remember(self, answer: Answer, verdict: Verdict) -> None:
        name = str(verdict.reason or verdict.outcome)
        self.counts.requests[name] += 1
        if verdict.outcome is Outcome.DELIVERED:
            self.delivered_at = self._clock.now()
        self.last = LastVerdict(
            name=name,
            code=answer.code,
            http_status=answer.http_status,
            at=self._clock.now(),
        )
