"""What needs attention: `[tool.headroom.review]` in pyproject.toml, for all stacks; an exit code for each reason."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra.errors import UserError

TABLE: Final = "tool.headroom.review"


class Reason(StrEnum):
    """Why a change needs attention, from the least to the worst."""

    INCREASE = "increase"
    """A stack's cost rises by more than the limits."""
    OVER_BAND = "over-band"
    """A stack goes over its band, or is over it and becomes dearer."""
    UNPRICED = "unpriced"
    """Something new has a cost that nobody knows."""
    POLICY = "policy"
    """A mandatory policy is broken."""
    GROWTH = "growth"
    """A step to the next phase that was safe would lose something."""
    STATEFUL = "stateful"
    """What holds data would be replaced or deleted, or AWS would refuse the change."""
    BROKEN = "broken"
    """A stack cannot be planned any more."""

    @property
    def exit_code(self) -> int:
        """From 10 on; the worst reason's is the command's."""
        return 10 + list(Reason).index(self)


class Limits(BaseModel):
    """The table; keys are written with hyphens."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=lambda name: name.replace("_", "-"), validate_by_name=True
    )

    increase_usd: Annotated[Decimal, Field(ge=0)] = Decimal(100)
    """A stack's cost may rise by so many USD a month."""
    increase_percent: Annotated[Decimal, Field(ge=0)] = Decimal(10)
    """And by so many per cent; a rise above either needs attention."""
    fail_on: tuple[Reason, ...] = tuple(Reason)
    """Reasons that make the command fail; the others are only told."""


def read(tree: Path) -> Limits:
    """The limits of a tree; without the table, the defaults.

    Raises:
        UserError: the file is no TOML, or the table has keys or values that are none; it names all of them.
    """
    path = tree / "pyproject.toml"
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Limits()
    except (OSError, ValueError) as error:
        msg = f"{path.name} cannot be read: {error}"
        raise UserError(msg) from None
    for part in TABLE.split("."):
        found = found.get(part, {})
    try:
        return Limits.model_validate(found)
    except ValidationError as error:
        msg = f"[{TABLE}] in {path.name} cannot be used; its keys are {', '.join(_keys())}"
        problems = [
            f"{'.'.join(map(str, one['loc'])) or 'the table'} = {one['input']!r}: {one['msg']}"
            for one in error.errors()
        ]
        raise UserError(msg, problems) from None


def _keys() -> list[str]:
    return [str(field.alias) for field in Limits.model_fields.values()]
