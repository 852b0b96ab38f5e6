"""Assumptions about usage as a stack file writes them: which there are, and which values they take."""

from __future__ import annotations

import difflib
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from infra.cost.usage import Profile
from stacks.overrides import describe

NAMES: Final = {to_camel(name): name for name in Profile.model_fields}
"""Names in a stack file, and the fields of the profile that they fill."""


def refused(name: str, value: object) -> str | None:
    """Why a stack file may not say this about usage; None where it may."""
    if name not in NAMES:
        close = difflib.get_close_matches(to_camel(name), NAMES, n=1)
        hint = f"did you mean {close[0]}?" if close else f"they are {', '.join(NAMES)}"
        return f"is no assumption; {hint}"
    try:
        # A truth value would pass for 0 or 1.
        if not isinstance(value, bool):
            _adapter(name).validate_python(value)
            return None
    except ValidationError:
        pass
    schema = usage_schema()
    return f"must be {describe(schema['properties'][name], schema)}"


@cache
def usage_schema() -> dict[str, Any]:
    """JSON Schema of the group; nothing is required, since every phase has its own assumptions."""
    schema = Profile.model_json_schema(by_alias=True)
    del schema["required"]
    return schema


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(Profile.model_fields[NAMES[name]].rebuild_annotation())
