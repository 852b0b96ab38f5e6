"""A plan's resources as rules see them."""

from __future__ import annotations

from typing import Any

from infra.plan import SECRET, UNKNOWN, Plan, PlannedResource
from infra.plan import STACK_TYPE as ROOT
from policies import view
from policies.view import Resource, Stack


def stack_of(plan: Plan, *, production: bool) -> Stack:
    """All resources of a plan, the stack itself first."""
    resources = [_resource(one) for one in plan.resources if not one.is_component]
    return Stack([root(plan.stack), *resources], production=production)


def root(stack: str) -> Resource:
    """The stack itself, for rules about what a stack must have at all."""
    return Resource(f"urn:pulumi:{stack}::headroom::{ROOT}::headroom-{stack}", ROOT, stack, {})


def _resource(one: PlannedResource) -> Resource:
    return Resource(
        urn=one.urn,
        type=one.type,
        name=one.name,
        props=_plain(one.inputs),
        protect=one.options.get("protect", False),
        retained=one.options.get("retainOnDelete", False),
        delete_first=one.options.get("deleteBeforeReplace", False),
        sources=one.property_dependencies,
    )


def _plain(value: Any) -> Any:
    """The plan's markers as `view.UNKNOWN`: a secret is as unknown to a rule as what only AWS knows."""
    if isinstance(value, dict):
        return {name: _plain(inside) for name, inside in value.items()}
    if isinstance(value, list):
        return [_plain(inside) for inside in value]
    return view.UNKNOWN if value in (UNKNOWN, SECRET) else value
