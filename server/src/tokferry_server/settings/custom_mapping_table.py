"""``[[connections.NAME.custom_mappings]]`` as a model, and what it is made into."""

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from tokferry_server.mapping.custom.model import (
    CustomMapping,
    FieldMapping,
    Match,
    Values,
)
from tokferry_server.mapping.rules.texts import as_text
from tokferry_server.mparticle.model import Product
from tokferry_server.settings.table import Table
from tokferry_server.settings.values import Text, one_of, refuse

EVENT_TYPES = (
    "session_start",
    "session_end",
    "screen_view",
    "custom_event",
    "crash_report",
    "opt_out",
    "first_run",
    "pre_attribution",
    "push_registration",
    "application_state_transition",
    "push_message",
    "network_performance",
    "breadcrumb",
    "profile",
    "push_reaction",
    "commerce_event",
    "user_attribute_change",
    "user_identity_change",
    "uninstall",
)
"""https://docs.mparticle.com/schema/mparticle.inbound.eventsapi.schema.json"""

ACTIONS = (
    "add_to_cart",
    "remove_from_cart",
    "checkout",
    "checkout_option",
    "click",
    "view_detail",
    "purchase",
    "refund",
    "add_to_wishlist",
    "remove_from_wish_list",
    "view",
    "unknown",
)
"""Product actions, and ``view`` and ``click`` of promotions (same schema)."""

_PRODUCT_FIELDS = tuple(
    name for name in Product.__struct_fields__ if name != "custom_attributes"
)


def _as_texts(value: Any) -> Any:
    """Take one value for a list of one, and numbers and switches for their text."""
    return [_as_one(item) for item in (value if isinstance(value, list) else [value])]


def _as_one(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return as_text(value) if isinstance(value, int | float) else value


_Texts = Annotated[list[Text], BeforeValidator(_as_texts)]
"""An empty list takes any value that is there."""
_ProductField = Annotated[str, one_of(*_PRODUCT_FIELDS)]


def _literal(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise refuse("must be text or a number")
    return value


_Literal = Annotated[Any, BeforeValidator(_literal)]


class MatchTable(Table):
    """``match``: what an event must be like; all that is set must hold."""

    event_type: Annotated[str, one_of(*EVENT_TYPES)] | None = None
    event_name: Text | None = None
    action: Annotated[str, one_of(*ACTIONS)] | None = None
    attributes: dict[str, _Texts] = Field(default={})
    product: dict[_ProductField, _Texts] = Field(default={})
    product_attributes: dict[str, _Texts] = Field(default={})


class FieldTable(Table):
    """``fields.NAME``: where one TikTok property comes from."""

    model_config = ConfigDict(populate_by_name=False)

    from_path: Text | None = Field(default=None, alias="from")
    value: _Literal = None
    default: _Literal = None
    required: bool = False
    rule: Text | None = None


class CustomMappingTable(Table):
    """One mapping to a TikTok event."""

    name: Text
    event: Text
    match: MatchTable = MatchTable()
    fields: dict[str, FieldTable] = Field(default={})
    per: Annotated[str, one_of("event", "product")] = "event"
    is_default: bool = False

    @model_validator(mode="after")
    def _matches_something(self) -> "CustomMappingTable":
        if not self.is_default and self.match == MatchTable():
            raise refuse(
                "needs 'match' with at least one condition, or is_default = true: it "
                "would take every event"
            )
        return self


def build_mapping(table: CustomMappingTable) -> CustomMapping:
    """Give the mapping as the core has it."""
    match = table.match
    return CustomMapping(
        name=table.name,
        event=table.event,
        match=Match(
            event_type=match.event_type,
            event_name=match.event_name,
            action=match.action,
            attributes=_values(match.attributes),
            product=_values(match.product),
            product_attributes=_values(match.product_attributes),
        ),
        fields=tuple(
            FieldMapping(
                name=name,
                path=field.from_path,
                value=field.value,
                default=field.default,
                required=field.required,
                rule=field.rule,
            )
            for name, field in table.fields.items()
        ),
        per="product" if table.per == "product" else "event",
        is_default=table.is_default,
    )


def _values(conditions: dict[str, list[str]]) -> Values:
    return tuple((name, tuple(texts)) for name, texts in conditions.items())
