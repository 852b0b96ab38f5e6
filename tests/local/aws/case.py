"""How a type that moto implements is tested: minimal inputs, a change, and where the change is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.local.aws.kind import Values
from tests.local.aws.scene import Scene, policy

Make = Callable[[Scene], Values]


@dataclass(frozen=True)
class Case:
    """How a type is tested.

    Attributes:
        inputs: makes the inputs, and what they refer to.
        change: makes the inputs that an update changes; None where every change replaces.
        seen: outputs in which the API itself shows the change.
        stays: nothing deletes it but what it belongs to.
    """

    inputs: Make
    change: Make | None = None
    seen: tuple[str, ...] = ()
    stays: bool = False


def same(**values: Any) -> Make:
    """Inputs that need nothing else."""
    return lambda _: values


_TAGGED = {"Environment": "test", "Owner": "me"}
_RETAGGED = {"Environment": "changed"}


def case(
    make: Make,
    change: Make | None = None,
    *seen: str,
    tags: bool = False,
    stays: bool = False,
) -> Case:
    """A case; a taggable type gets tags, and other ones in its change."""
    if not tags:
        return Case(make, change, seen, stays)
    changed = change or same()
    return Case(
        lambda scene: {**make(scene), "tags": _TAGGED},
        lambda scene: {**changed(scene), "tags": _RETAGGED},
        seen,
        stays,
    )


def anyone(action: str, sid: str) -> str:
    """A policy that lets everyone do one thing."""
    return policy(sid, {"AWS": "*"}, action=action)
