"""What every table of the settings file has in common, and references to secrets."""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    model_validator,
)

from tokferry_server.settings.values import (
    Text,
    Variable,
    not_empty,
    refuse,
    without_duplicates,
)

Distinct = AfterValidator(without_duplicates)
NotEmpty = AfterValidator(not_empty)


class Table(BaseModel):
    """A table with known keys only, and values of their own type only."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )


def _no_clear_text(value: Any) -> Any:
    if isinstance(value, str):
        raise refuse(
            "a secret never stands in the settings themselves: "
            'write { env = "NAME" } or { file = "PATH" }'
        )
    return value


class SecretTable(Table):
    """``{ env = "…" }`` or ``{ file = "…" }``."""

    env: Variable | None = None
    file: Text | None = None

    @model_validator(mode="after")
    def _one_place(self) -> "SecretTable":
        if (self.env is None) == (self.file is None):
            raise refuse('must name one place: { env = "NAME" } or { file = "PATH" }')
        return self


SecretPlace = Annotated[SecretTable, BeforeValidator(_no_clear_text)]
