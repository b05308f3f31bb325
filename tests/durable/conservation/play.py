"""Plays random requests from a seed, in virtual time."""

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass

from durable.conservation.estate import Estate
from durable.virtual_time import run_virtually

_CALM_S = 3 * 86_400.0


@dataclass(frozen=True, slots=True)
class Sums:
    """What a run came to: ``replies`` by outcome, ``answers`` by what they meant."""

    problems: tuple[str, ...]
    events: int
    refused: int
    replies: Counter[str]
    answers: Counter[str]


def play(seed: int, requests: int) -> Sums:
    """Make so many requests, let all come to its end, and check the sums."""
    logging.disable()

    async def story() -> Sums:
        estate = Estate(seed)
        running = asyncio.create_task(estate.worker.run())
        calls = []
        for number in range(requests):
            if number % 200 == 0:
                estate.sink.share = estate.random.choice((0.0, 0.05, 0.3, 0.8))
                estate.outbox.refuses = estate.random.random() < 0.1
            calls.append(asyncio.create_task(estate.call(number)))
            await asyncio.sleep(estate.random.expovariate(5))
        estate.sink.share, estate.outbox.refuses = 0.0, False
        await asyncio.gather(*calls)
        await asyncio.sleep(_CALM_S)
        estate.close()
        await estate.worker.stop()
        await running
        return Sums(
            tuple(estate.problems),
            estate.events,
            estate.refused,
            estate.replies,
            estate.sink.answers,
        )

    return run_virtually(story())
