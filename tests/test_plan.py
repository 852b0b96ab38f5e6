"""`headroom plan`: the program recorded without engine, network or credentials."""

from __future__ import annotations

import contextlib
import json
import runpy
import socket
from pathlib import Path
from typing import Any, NoReturn

import pulumi
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from infra import stack_file
from infra.config import KEYS as KNOWN_KEYS
from infra.config import SECRETS
from infra.errors import UserError
from infra.plan import UNKNOWN, make_plan, record
from infra.plan_command import command
from infra.stack_file import StackFile

ROOT = Path(__file__).parents[1]
SHIPPED = stack_file.read(ROOT / "Pulumi.10k.yaml")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither network nor credentials."""

    def refuse(*_: object) -> NoReturn:
        msg = "the plan wanted the network"
        raise AssertionError(msg)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "CLOUDFLARE_API_TOKEN", "PULUMI_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")


def test_json_has_the_documented_shape(offline: None) -> None:
    result = CliRunner().invoke(command, ["10k", "--json"])
    assert result.exit_code == 0, result.output
    plan = json.loads(result.output)
    assert plan.keys() == {"stack", "phase", "resources", "outputs"}
    shape = {"urn", "type", "name", "parent", "inputs", "options", "dependencies"}
    assert all(resource.keys() == shape for resource in plan["resources"])
    assert (plan["stack"], plan["phase"], plan["outputs"]["phase"]) == ("10k", "10k", "10k")


def test_the_tree_starts_with_the_counts(offline: None) -> None:
    result = CliRunner().invoke(command, ["10k"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("10k  phase 10k  3")


def test_an_unknown_stack_is_told_which_there_are() -> None:
    result = CliRunner().invoke(command, ["nowhere"])
    assert isinstance(result.exception, UserError)
    assert "10k" in str(result.exception)


def test_urns_and_unknowns_are_the_engines() -> None:
    async def program() -> None:
        outer = pulumi.ComponentResource("test:a:Outer", "outer")
        inner = pulumi.ComponentResource("test:a:Inner", "inner", None, pulumi.ResourceOptions(parent=outer))
        options = pulumi.ResourceOptions(parent=inner, protect=True)
        first = Thing("first", {"size": 3, "secret": pulumi.Output.secret("planted")}, options)
        Thing("second", {"of": first.id, "same": first.size}, pulumi.ResourceOptions(parent=inner))

    resources, _ = record(program, StackFile(stack="dev", raw={}, encrypted=frozenset()))
    first, second = resources[2:]
    assert first.urn == "urn:pulumi:dev::headroom::test:a:Outer$test:a:Inner$test:a:Thing::first"
    assert first.inputs == {"secret": "[secret]", "size": 3}
    assert first.options == {"protect": True}
    assert second.inputs == {"of": UNKNOWN, "same": 3}
    assert second.dependencies == [first.urn]


class Thing(pulumi.CustomResource):
    """Any resource."""

    size: pulumi.Output[int]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__("test:a:Thing", name, {"size": None, **props}, opts)


def test_pulumi_runs_the_same_program() -> None:
    """`__main__.py` registers it with `pulumi.run`, as the language host expects."""

    async def entry() -> None:
        runpy.run_path(str(ROOT / "__main__.py"))

    resources, outputs = record(entry, SHIPPED)
    plan = make_plan(SHIPPED)
    assert ([one.urn for one in resources], outputs) == ([one.urn for one in plan.resources], plan.outputs)


def test_a_mistake_ends_as_a_message_under_pulumi_too() -> None:
    async def entry() -> None:
        runpy.run_path(str(ROOT / "__main__.py"))

    raw = {**SHIPPED.raw, "headroom:domain": "not a domain"}
    with pytest.raises(pulumi.RunError, match="headroom:domain"):
        record(entry, StackFile(stack="10k", raw=raw, encrypted=frozenset()))


ANYTHING = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["10k", "50k", "1m", "production", "development", "us-east-1", "[]", "{}", "null", "true", "0"]),
    st.sampled_from(
        [
            '["a@b.io"]',
            '["https://app.example.com"]',
            '["203.0.113.0/24"]',
            '["/api/v1/posts/*"]',
            '{"database": {"instanceClass": "db.m7g.large"}}',
            '{"compute": {"pods": {"api": {"maximum": 9}}}}',
            '{"network": {"natGateways": 3}}',
            '{"database": {"storageGib": 5}}',
        ]
    ),
)
KEYS = [*KNOWN_KEYS, *SECRETS, "typo"]


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=3))
def test_any_configuration_gives_a_plan_or_a_message(changes: dict[str, str]) -> None:
    raw = {**SHIPPED.raw, **{f"headroom:{key}": value for key, value in changes.items()}}
    with contextlib.suppress(UserError):
        assert len(make_plan(StackFile(stack="10k", raw=raw, encrypted=frozenset())).resources) > 300
