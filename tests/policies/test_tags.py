"""The types that take no tags are those of which the SDK says so."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pulumi
import pytest

from policies.rules.tags import REQUIRED, UNTAGGABLE
from tests.policies.conftest import STACKS, shipped

COMPONENTS = Path(__file__).parents[2] / "components"


def written() -> dict[str, bool]:
    """AWS types that components make (`aws.sqs.Queue(...)`), and whether the SDK's class takes tags."""
    found = {}
    for path in COMPONENTS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Attribute(value=ast.Name(id="aws"), attr=module), attr=name)
                ):
                    made = getattr(importlib.import_module(f"pulumi_aws.{module}"), name)
                    if inspect.isclass(made) and issubclass(made, pulumi.CustomResource):
                        takes = inspect.signature(made._internal_init).parameters  # type: ignore[attr-defined]
                        found[made.pulumi_type] = "tags" in takes  # type: ignore[attr-defined]
    return found


def test_the_untaggable_types_are_those_of_the_sdk() -> None:
    types = written()
    assert {token for token, takes in types.items() if not takes} == UNTAGGABLE
    assert sum(types.values()) > len(UNTAGGABLE)


@pytest.mark.parametrize("stack", STACKS)
def test_every_type_of_a_shipped_stack_is_looked_up(stack: str) -> None:
    assert {one.type for one in shipped(stack).resources if one.type.startswith("aws:")} <= written().keys()


@pytest.mark.parametrize("stack", STACKS)
def test_no_tag_of_a_shipped_stack_is_empty(stack: str) -> None:
    tagged = [one for one in shipped(stack).resources if one.type.startswith("aws:") and one.type not in UNTAGGABLE]
    assert [one.name for one in tagged for tag in REQUIRED if not one.get(f"tags.{tag}")] == []
