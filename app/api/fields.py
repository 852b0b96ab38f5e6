"""Kinds of text that the database takes: bounded, and without NUL, which PostgreSQL's text cannot hold."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.auth.passwords import normalised_email


def _without_nul(value: str) -> str:
    if "\0" in value:
        msg = "must not contain NUL"
        raise ValueError(msg)
    return value


NO_NUL = AfterValidator(_without_nul)
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), NO_NUL]
Optional = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), NO_NUL]
"""May be empty."""
LongText = Annotated[str, StringConstraints(min_length=1, max_length=50_000), NO_NUL]
Email = Annotated[str, Field(max_length=254), NO_NUL, AfterValidator(normalised_email)]
Category = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,29}$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,120}$")]


class Asked(BaseModel):
    """What a client sends: nothing unknown, and no value in an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Change(Asked):
    """Fields to be changed; those that are left out stay."""

    @model_validator(mode="before")
    @classmethod
    def _has_something(cls, values: Any) -> Any:
        if isinstance(values, dict) and not values:
            msg = "must change something"
            raise ValueError(msg)
        return values
