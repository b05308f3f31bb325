"""The options by which dead letters are chosen, the same for every command."""

import functools
import inspect
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from tokferry.v1 import DeadLetterFilter, DeliveryReason

_AGE: Final = re.compile(r"(\d+)([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def chosen_by_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that takes ``chosen``, a filter, the options to make it of."""

    @functools.wraps(command)
    def chosen(**given: Any) -> None:
        options = {name: given.pop(name) for name in _OPTIONS.parameters}
        command(chosen=_filter(**options), **given)

    parameters = [
        *_OPTIONS.parameters.values(),
        *inspect.signature(command).parameters.values(),
    ]
    chosen.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for one in parameters
            if one.name != "chosen"
        ]
    )
    chosen.__annotations__ = {}
    return chosen


def _options(  # noqa: PLR0913  the options of the commands
    *,
    connection: Annotated[str, typer.Option(help="Of this connection.")] = "",
    reason: Annotated[
        list[str] | None,
        typer.Option(help="With this reason, such as INVALID_EVENT; may be repeated."),
    ] = None,
    code: Annotated[
        list[int] | None,
        typer.Option(help="With this code of TikTok's; may be repeated."),
    ] = None,
    since: Annotated[
        str, typer.Option(help="Dead for at most 90s, 30m, 2h or 7d, or since a time.")
    ] = "",
    until: Annotated[str, typer.Option(help="Dead before that, in the same way.")] = "",
    label: Annotated[str, typer.Option(help="Sent with this label.")] = "",
    id_: Annotated[
        list[str] | None, typer.Option("--id", help="With this id; may be repeated.")
    ] = None,
    identity: Annotated[
        str,
        typer.Option(
            metavar="HASH",
            help="That hold this identity: its SHA-256 digest in lower-case hex.",
        ),
    ] = "",
    ambiguous: Annotated[
        bool | None,
        typer.Option(
            "--ambiguous/--certain",
            help="That TikTok perhaps took, or certainly not.",
        ),
    ] = None,
) -> None:
    """Hold the options; it is never called."""


_OPTIONS: Final = inspect.signature(_options)


def _filter(  # noqa: PLR0913  the options of the commands
    *,
    connection: str,
    reason: list[str] | None,
    code: list[int] | None,
    since: str,
    until: str,
    label: str,
    id_: list[str] | None,
    identity: str,
    ambiguous: bool | None,
) -> "DeadLetterFilter":
    from tokferry.v1 import DeadLetterFilter

    made = DeadLetterFilter(
        ids=id_ or [],
        connection=connection,
        label=label,
        reasons=[_reason(name) for name in reason or ()],
        codes=code or [],
        ambiguous=ambiguous,
        hashed_identity=identity,
    )
    for name, text in (("since", since), ("until", until)):
        if text:
            getattr(made, name).FromDatetime(parse_time(text, name))
    return made


def parse_time(text: str, option: str, *, now: datetime | None = None) -> datetime:
    """Give the time that an option means; without an offset it is in UTC.

    Raises:
        typer.BadParameter: it is neither a duration nor a time.
    """
    age = _AGE.fullmatch(text)
    try:
        if age is not None:
            ago = timedelta(**{_UNITS[age[2]]: int(age[1])})
            return (now or datetime.now(UTC)) - ago
        time = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            "must be a duration such as 2h or 7d, or a time such as "
            "2026-11-23T08:00:00Z",
            param_hint=f"--{option}",
        ) from None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _reason(name: str) -> "DeliveryReason.ValueType":
    from tokferry.v1 import DeliveryReason

    full = f"DELIVERY_REASON_{name.upper()}"
    known = DeliveryReason.keys()
    if full not in known[1:]:
        names = ", ".join(one.removeprefix("DELIVERY_REASON_") for one in known[1:])
        raise typer.BadParameter(f"must be one of {names}", param_hint="--reason")
    return DeliveryReason.Value(full)
