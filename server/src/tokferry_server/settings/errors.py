"""Puts what the models refuse into words: pydantic's errors to problems."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tokferry_server.settings.problems import Problem, key_path, nearest

_TYPES = {
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "missing": "is required",
}
_KEY_ITSELF = "[key]"

Place = tuple[str | int, ...]


def places_and_problems(
    error: ValidationError, model: type[BaseModel], file: str | None
) -> Iterator[tuple[Place, Problem]]:
    """Yield each error's place as pydantic has it, and the problem in words."""
    for details in error.errors(include_url=False):
        place = tuple(part for part in details["loc"] if part != _KEY_ITSELF)
        yield place, _problem(details, place, model, file)


def _problem(
    details: ErrorDetails, place: Place, model: type[BaseModel], file: str | None
) -> Problem:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "refused":
        return _refused(context, place, file)
    if kind == "extra_forbidden":
        return _unknown_key(place, model, file)
    if kind in ("greater_than", "greater_than_equal"):
        words = "more than" if kind == "greater_than" else "at least"
        text = f"must be {words} {context.get('gt', context.get('ge')):g}"
    else:
        text = _TYPES.get(kind, details["msg"])
    if kind == "string_type" and isinstance(details["input"], bool | int | float):
        text += ": write it in quotes"
    if kind == "list_type" and isinstance(details["input"], str):
        text += ": write it in brackets"
    return Problem(file=file, key=key_path(place), problem=text)


def _refused(context: Mapping[str, Any], place: Place, file: str | None) -> Problem:
    given, allowed = context["given"], context["allowed"]
    return Problem(
        file=file,
        key=key_path(place),
        problem=context["problem"],
        allowed=allowed,
        nearest=nearest(given, allowed) if given is not None else None,
    )


def _unknown_key(place: Place, model: type[BaseModel], file: str | None) -> Problem:
    given = str(place[-1])
    table = _model_at(model, place[:-1])
    known = tuple(one.alias or key for key, one in table.model_fields.items())
    likely = nearest(given, known)
    for name, field in table.model_fields.items():
        inner = _model_in(field.annotation)
        if inner is not None and given in inner.model_fields:
            likely = f"{name}.{given}"
    return Problem(
        file=file,
        key=key_path(place),
        problem="is no known setting",
        allowed=known,
        nearest=likely,
    )


def _model_at(model: type[BaseModel], place: Place) -> type[BaseModel]:
    """Follow a place down: what is no member of a model is an index, or a name."""
    for part in place:
        field = model.model_fields.get(str(part))
        if field is not None:
            model = _model_in(field.annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
