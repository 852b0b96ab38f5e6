"""The 10k stack's life, with the real engine on the local cloud; one life for all tests, in its order."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from rich.console import Console

from infra import invokes, stack_file
from infra.config import Settings
from infra.local import cloud as local_cloud
from infra.local.stack import LocalStack
from infra.plan import SECRET, UNKNOWN, Plan, make_plan
from infra.verify.facts import Clients, Scope, Verdict
from infra.verify.run import Finding, verify
from tests.engine.leftovers import leftovers
from tools.fault_matrix.world import PRODUCT_CHANGES

ROOT = Path(__file__).parents[2]
EXAMPLES = {invokes.CALLER_ARN, invokes.PREFIX_LIST_ID}
"""What a plan answers in place of the account; the local cloud's own answers differ."""
PROVIDER_KEYS = {"__internal", "version"}
"""The engine adds these to a provider's inputs."""
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"
SIGNATURE = "4dabf18193072939515e22adb298388d"


@dataclass
class World:
    """A project with only the stack file of its own, its local cloud, and what the console said."""

    root: Path
    console: Console
    stack: LocalStack
    endpoint: str

    def configure(self, **changes: Any) -> None:
        """Change keys of the stack file."""
        path = self.root / "Pulumi.10k.yaml"
        content = yaml.safe_load(path.read_text())
        content["config"].update({f"headroom:{key}": value for key, value in changes.items()})
        path.write_text(yaml.safe_dump(content))

    def plan(self) -> Plan:
        """What the stack file plans."""
        return make_plan(stack_file.read(self.root / "Pulumi.10k.yaml"))

    def changes(self, operation: str) -> dict[str, int]:
        """Run an operation; what it changed, without what stayed."""
        changes: dict[str, int] = getattr(self.stack, operation)().to_dict()["changes"]
        return {kind: count for kind, count in changes.items() if kind != "unchanged"}

    def state(self) -> dict[str, Any]:
        """The engine's own state, as it lies on the disk."""
        path = self.root / ".headroom/state/.pulumi/stacks/headroom/10k.json"
        state: dict[str, Any] = json.loads(path.read_text())["checkpoint"]["latest"]
        return state

    def differing(self) -> list[Finding]:
        """What `verify` finds wrong."""
        settings = Settings.from_file(self.root / "Pulumi.10k.yaml")
        scope = Scope(
            region="us-east-1",
            outputs=self.stack.outputs(),
            phase=settings.spec,
            domain=settings.domain,
            protected=True,
            clients=Clients(self.endpoint),
            local=True,
        )
        return [finding for finding in verify(scope) if finding.fact.verdict is Verdict.DIFFERS]

    def client(self, service: str) -> Any:
        """boto3 on the local cloud."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("world")
    for name in ("Pulumi.yaml", "Pulumi.10k.yaml"):
        shutil.copy(ROOT / name, root / name)
    cloud, _ = local_cloud.start(root)
    console = Console(record=True, width=200, force_terminal=False)
    yield World(root, console, LocalStack("10k", root=root, console=console), cloud.endpoint)
    local_cloud.stop(root)


@pytest.fixture(scope="module")
def empty(world: World) -> list[str]:
    """What is in the local cloud before anybody made anything."""
    return leftovers(world.endpoint)


def test_up_makes_the_whole_stack(world: World, empty: list[str]) -> None:
    assert empty == []
    planned = [resource for resource in world.plan().resources if not resource.is_component]
    made = world.changes("up")
    # Providers are the engine's own bookkeeping.
    assert made == {"created": len([one for one in planned if not one.type.startswith("pulumi:")])}
    assert made == {"created": PRODUCT_CHANGES}, "the fault matrix hits changes of this stack by their number"


def test_plan_and_engine_agree(world: World) -> None:
    """Same URNs, types, parents, protection, and same inputs wherever the plan knows them."""
    planned = {resource.urn: resource for resource in world.plan().resources}
    stored = {
        one["urn"]: one
        for one in world.state()["resources"]
        if one["type"] != "pulumi:pulumi:Stack" and "default_" not in one["urn"]
    }
    assert planned.keys() == stored.keys()
    differences = []
    known = 0
    for urn, resource in planned.items():
        one = stored[urn]
        parent = one["parent"] if "pulumi:pulumi:Stack" not in one["parent"] else None
        assert (resource.type, resource.parent) == (one["type"], parent), urn
        assert resource.options.get("protect", False) == one.get("protect", False), urn
        assert set(resource.dependencies) == set(one.get("dependencies", [])), urn
        inputs = one.get("inputs", {})
        if resource.type.startswith("pulumi:providers:"):
            inputs = {key: value for key, value in inputs.items() if key not in PROVIDER_KEYS}
        for path, expected, actual in _compare(resource.inputs, inputs, ""):
            known += 1
            if expected != actual:
                differences.append((urn, path, expected, actual))
    assert not differences, "\n".join(map(str, differences))
    assert known > 5000


def _compare(planned: Any, stored: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Every value that the plan knows, beside the engine's."""
    if planned == UNKNOWN or (isinstance(planned, str) and planned in EXAMPLES):
        return
    if isinstance(stored, dict) and stored.get(SIGNATURE) == SECRET_SIGNATURE:
        yield path, planned, SECRET
    elif isinstance(planned, dict) and isinstance(stored, dict):
        own = stored.keys() - {SIGNATURE, "hash"}
        yield f"{path} keys", sorted(planned), sorted(own)
        for key in planned.keys() & own:
            yield from _compare(planned[key], stored[key], f"{path}.{key}")
    elif isinstance(planned, list) and isinstance(stored, list):
        yield f"{path} length", len(planned), len(stored)
        for index, pair in enumerate(zip(planned, stored, strict=False)):
            yield from _compare(*pair, f"{path}[{index}]")
    else:
        yield path, planned, stored


def test_up_again_changes_nothing(world: World) -> None:
    assert world.changes("up") == {}


def test_verify_finds_everything_as_specified(world: World) -> None:
    assert world.differing() == []


def test_refresh_finds_no_drift(world: World) -> None:
    assert world.changes("refresh") == {}


def test_no_secret_is_readable_anywhere(world: World) -> None:
    """The generated secrets, decrypted, are in no state file, log, output or plan."""
    secrets = _secrets(world)
    assert len(secrets) >= 5
    places = {
        "state": json.dumps(world.state()),
        "console": world.console.export_text(clear=False),
        "outputs": json.dumps(world.stack.outputs()),
        "plan": json.dumps(world.plan().to_dict()),
        **{
            str(path.relative_to(world.root)): path.read_text(errors="replace")
            for path in (world.root / ".headroom").rglob("*")
            if path.is_file() and path.name != "passphrase"
        },
    }
    assert [(place, secret) for place, text in places.items() for secret in secrets if secret in text] == []


def _secrets(world: World) -> set[str]:
    """Passwords, tokens and keys as Secrets Manager holds them."""
    client = world.client("secretsmanager")
    found: set[str] = set()
    for secret in client.list_secrets()["SecretList"]:
        value: str = client.get_secret_value(SecretId=secret["ARN"])["SecretString"]
        found |= set(json.loads(value)["keys"].values()) if value.startswith("{") else {value}
    return found


def test_a_change_of_configuration_updates_in_place(world: World) -> None:
    identifier = world.stack.outputs()["regions"]["us-east-1"]["databaseIdentifiers"][0]
    before = world.client("rds").describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]
    world.configure(overrides={"database": {"instanceClass": "db.t4g.medium"}})
    changed = world.changes("up")
    after = world.client("rds").describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]
    assert changed.keys() == {"updated"}
    assert (before["DBInstanceClass"], after["DBInstanceClass"]) == ("db.t4g.large", "db.t4g.medium")
    assert before["DbiResourceId"] == after["DbiResourceId"]
    assert world.differing() == []


def test_what_was_deleted_behind_its_back_is_found_and_made_again(world: World) -> None:
    url = world.stack.outputs()["regions"]["us-east-1"]["queueUrls"]["email"]
    world.client("sqs").delete_queue(QueueUrl=url)
    assert any("email" in finding.subject for finding in world.differing())
    assert world.changes("refresh").get("deleted", 0) >= 1
    assert "created" in world.changes("up")
    assert world.differing() == []


def test_what_was_changed_behind_its_back_is_found(world: World) -> None:
    identifier = world.stack.outputs()["regions"]["us-east-1"]["databaseIdentifiers"][0]
    world.client("rds").modify_db_instance(
        DBInstanceIdentifier=identifier, BackupRetentionPeriod=1, ApplyImmediately=True
    )
    assert any("backup" in finding.fact.what for finding in world.differing())
    assert world.changes("refresh") == {"updated": 1}
    assert world.changes("up") == {"updated": 1}
    assert world.differing() == []


def test_destroy_leaves_nothing(world: World) -> None:
    world.stack.destroy()
    assert leftovers(world.endpoint) == []


def test_what_was_destroyed_can_be_built_again(world: World) -> None:
    assert world.changes("up").keys() == {"created"}
    assert world.differing() == []
    world.stack.destroy()
    assert leftovers(world.endpoint) == []
