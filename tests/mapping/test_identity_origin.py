"""An explanation names the identities that a digest was made of, and no others."""

import json

import pytest

from strategies.cases import BATCH, EVENT, connection
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.read_json import read_json

IDENTITIES = "batch.user_identities"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"email": "a@example.com"}, f"{IDENTITIES}.email"),
        (
            {"other": "b@example.com", "email": "a@example.com"},
            f"{IDENTITIES}.email + {IDENTITIES}.other",
        ),
        ({"email": "nobody", "other": "b@example.com"}, f"{IDENTITIES}.other"),
        ({"email": "a@example.com", "other": "A@example.com "}, f"{IDENTITIES}.email"),
    ],
)
def test_the_origin_of_an_email_names_its_identities(
    given: dict[str, str], named: str
) -> None:
    one = connection(email_identity_types=["email", "other"])
    body = json.dumps({**BATCH, "user_identities": given, "events": [EVENT]}).encode()
    (outcome,) = Transformer(one, explain=True).transform(read_json(body))
    origins = {origin.tiktok: origin.mparticle for origin in outcome.events[0].origins}

    assert origins["user.email"] == named
