"""A TikTok that answers by lot, and counts what it was sent and what it took."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import msgspec

from durable.protocol.answers import EVERY
from tokferry_server.tiktok.answer import Answer
from tokferry_server.tiktok.reasons import Outcome
from tokferry_server.tiktok.verdicts import classify


@dataclass
class Sink:
    """Answers by lot; ``taken`` and ``posted`` count each event's copies."""

    random: Random
    share: float = 0.0
    taken: Counter[str] = field(default_factory=Counter)
    posted: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)

    async def post(self, *given: Any, **named: Any) -> Answer:
        del named
        events = msgspec.json.decode(given[2])["data"]
        keys = [f"{one['event']} {one['event_id']}" for one in events]
        self.posted.update(keys)
        await asyncio.sleep(self.random.uniform(0.01, 0.2))
        answer = self._answer(keys)
        verdict = classify(answer)
        taken = verdict.outcome is Outcome.DELIVERED
        if verdict.outcome is Outcome.UNKNOWN:
            taken = self.random.random() < 0.5 and not any(map(_bad, keys))
        if taken:
            self.taken.update(keys)
        self.answers[str(verdict.reason or verdict.outcome)] += 1
        return answer

    def _answer(self, keys: list[str]) -> Answer:
        bad = [index for index, key in enumerate(keys) if _bad(key)]
        if bad:
            named = bad[0] if self.random.random() < 0.7 else None
            return Answer(http_status=200, code=40002, index=named)
        if self.random.random() < self.share:
            return self.random.choice(OTHERS)
        return Answer(http_status=200, code=0)


OTHERS: Final = [one for one in EVERY if classify(one).outcome is not Outcome.REJECTED]


def _bad(key: str) -> bool:
    return key.endswith("-bad")
