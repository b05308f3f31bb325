"""The rules of the mapping table, by name: one function a rule.

A rule takes a value that is present and the scope, and gives what is sent: ``None`` to
leave the field out, ``absent.ABSENT`` to go on with the row's next alternative.
"""

from collections.abc import Callable
from typing import Any

from tokferry_server.mapping.rules import (
    amounts,
    attributes,
    device,
    event_id,
    identity,
    page,
    texts,
    times,
)
from tokferry_server.mapping.scope import Scope

Rule = Callable[[Any, Scope], Any]

RULES: dict[str, Rule] = {
    "text": texts.text,
    "locale": texts.locale,
    "idfa": device.idfa,
    "idfv": device.idfv,
    "gaid": device.gaid,
    "att_status": device.att_status,
    "name": attributes.name,
    "city": attributes.city,
    "state": attributes.state,
    "country": attributes.country,
    "zip_code": attributes.zip_code,
    "flag": texts.flag,
    "number": amounts.number,
    "integer": amounts.integer,
    "currency": amounts.currency,
    "public_ip": page.public_ip,
    "page_url": page.page_url,
    "referrer": page.referrer,
    "click_id": page.click_id,
    "content_ids": texts.text,
    "event_id": event_id.event_id,
    "unix_seconds": times.unix_seconds,
    "email": identity.emails,
    "phone": identity.phones,
    "external_id": identity.external_ids,
}
