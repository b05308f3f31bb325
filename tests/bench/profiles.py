"""The two loads that are measured: a realistic purchase, and a shop's day."""

from dataclasses import dataclass
from random import Random
from typing import Final

from bench import shop, shoppers
from strategies.dialects import INBOUND, write
from tokferry.mparticle import v1 as mparticle

CONNECTIONS: Final = ("web", "app")
PURCHASE: Final = "purchase"
DAY: Final = "shop's day"
PROFILES: Final = (PURCHASE, DAY)
_DAY_EVENTS: Final = 400
_MOBILE_SHARE: Final = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One batch, as JSON and as a typed message, for the connection it belongs to."""

    connection: str
    json: bytes
    typed: mparticle.Batch

    @property
    def events(self) -> int:
        """How many events it has."""
        return len(self.typed.events)


def loads(profile: str, events: int, *, products: int = 3) -> list[Load]:
    """Make the batches of a profile, each of that many events.

    A purchase comes once from the web and once from an app; a day has at least 400
    events, the same ones on each call. ``products`` is the number in each purchase.
    """
    if profile == PURCHASE:
        return [purchase(events, mobile=m, products=products) for m in (False, True)]
    return _day(max(_DAY_EVENTS // events, 2), events, _MOBILE_SHARE)


def web_loads(profile: str, events: int, batches: int) -> list[Load]:
    """Make so many batches of the web; no two of their events share an id."""
    if profile == PURCHASE:
        starts = range(0, batches * events, events)
        return [purchase(events, mobile=False, first=start) for start in starts]
    return _day(batches, events, 0.0)


def purchase(events: int, *, mobile: bool, products: int = 3, first: int = 0) -> Load:
    """Make a batch of purchases by one person, numbered from ``first`` on."""
    made = shoppers.batch(1, mobile=mobile)
    for number in range(first, first + events):
        event = shop.event("purchase", number)
        del event.commerce_event.product_action.products[:]
        shop.products(event.commerce_event.product_action.products, number, products)
        made.events.append(event)
    return _load(made, mobile=mobile)


def _day(batches: int, events: int, mobile_share: float) -> list[Load]:
    random = Random(5)
    made = []
    for person in range(batches):
        mobile = person > 0 and random.random() < mobile_share
        batch = shoppers.batch(person, mobile=mobile)
        kinds = shop.draw(random, events)
        batch.events.extend(
            shop.event(kind, person * events + index)
            for index, kind in enumerate(kinds)
        )
        made.append(_load(batch, mobile=mobile))
    return made


def _load(typed: mparticle.Batch, *, mobile: bool) -> Load:
    return Load(
        connection=CONNECTIONS[mobile],
        json=write([typed], INBOUND)[1:-1],
        typed=typed,
    )
