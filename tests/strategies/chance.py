"""How often a generator does what real senders do, and what they do not."""

from random import Random
from typing import Any


def pick(random: Random, values: tuple[Any, ...]) -> Any:
    """Pick the first value, the usual one, four times of five."""
    return values[0] if random.random() < 0.8 else random.choice(values)


def mostly(random: Random) -> bool:
    return random.random() < 0.9


def seldom(random: Random) -> bool:
    return random.random() < 0.4


def rarely(random: Random) -> bool:
    return random.random() < 0.12
