"""What every part of a phase is made of: the closed base model, the error of a broken rule, checked names."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from infra.cidr import REGIONS
from stacks import hardware


class Model(BaseModel):
    """Frozen, and closed: an unknown field is an error, not a silent no-op. Stack files write camelCase."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )


def broken(message: str, *, field: str, mend: float | str | None = None) -> PydanticCustomError:
    """The error of a rule between fields: `field` (dotted, camelCase, below the model) set to `mend` keeps the rule."""
    return PydanticCustomError("rule", "{message}", {"message": message, "field": field, "mend": mend})


def _known_class(value: str) -> str:
    if value not in hardware.DATABASE_MEMORY_GIB:
        msg = "must be an RDS class whose memory is known, such as db.r6g.xlarge (stacks/hardware.py lists them)"
        raise ValueError(msg)
    return value


def _known_node(value: str) -> str:
    if value not in hardware.CACHE_MEMORY_MIB:
        msg = "must be an ElastiCache node type whose memory is known, such as cache.r7g.large (stacks/hardware.py)"
        raise ValueError(msg)
    return value


def _known_region(value: str) -> str:
    if value not in REGIONS:
        msg = f"must be one of {', '.join(REGIONS)}"
        raise ValueError(msg)
    return value


def _number(value: object) -> object:
    # `pulumi config set --path` stores whole numbers as such and fractions as text, even with `--type float`.
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


FRACTION = BeforeValidator(_number)
InstanceClass = Annotated[
    str, AfterValidator(_known_class), WithJsonSchema({"type": "string", "enum": list(hardware.DATABASE_MEMORY_GIB)})
]
NodeType = Annotated[
    str, AfterValidator(_known_node), WithJsonSchema({"type": "string", "enum": list(hardware.CACHE_MEMORY_MIB)})
]
Region = Annotated[str, AfterValidator(_known_region), WithJsonSchema({"type": "string", "enum": list(REGIONS)})]


class Span(Model):
    """A range, both ends included."""

    low: Annotated[int, Field(ge=0)]
    """Lower end."""
    high: Annotated[int, Field(ge=0)]
    """Upper end."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            msg = f"low ({self.low:,}) must not exceed high ({self.high:,})"
            raise broken(msg, field="low", mend=self.high)
        return self
