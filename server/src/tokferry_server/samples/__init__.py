"""Made-up mParticle batches: nobody and nothing in them exists."""

from importlib import resources

SAMPLES = {
    "purchase": "a purchase of two products on the web, with click id and cookie",
    "add_to_cart": "a product put into the cart",
    "view_detail": "a product looked at by a customer known only by an id",
    "checkout": "a checkout begun",
    "add_to_wishlist": "a product put on the wish list; a national phone number",
    "webhook_purchase": "a purchase as mParticle's webhooks and queues write it",
    "extended": 'a screen view, a search, a sign-up: native_events = "extended"',
    "mixed": "four batches: malformed, opted out, from development, without identity",
}
"""Name of each sample → what it shows."""


def read_sample(name: str) -> bytes:
    """Give the JSON of a sample."""
    return (resources.files(__name__) / f"{name}.json").read_bytes()
