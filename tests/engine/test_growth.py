"""One stack's growth with the real engine on the local cloud: phase by phase, and in one leap."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from infra import stack_file
from infra.config import Settings
from infra.growth.stateful import holds_data
from infra.local import cloud as local_cloud
from infra.local.cloud import Paths
from infra.local.faults import Faults
from infra.local.stack import LocalStack, OperationError
from infra.plan import Plan, make_plan
from infra.verify.facts import Clients, Scope, Verdict
from infra.verify.run import Finding, verify
from tests.engine.leftovers import leftovers

ROOT = Path(__file__).parents[2]
PHASES = ("10k", "50k", "250k", "1m")
INTERRUPTIONS = (1, 12, 60, 150, 200)
"""Which change of an `up` fails; each `up` goes on where the one before stopped."""
CHANGE = re.compile(r"(?P<what>replaced|deleted) (?P<type>\S+) (?P<name>\S+)")


@dataclass
class Product:
    """A stack called `prod`, which the shipped 10k file makes, and what the engine said about each step."""

    root: Path
    stack: LocalStack
    endpoint: str
    lost: dict[str, list[str]] = field(default_factory=dict)
    """What holds data and was replaced or deleted, by phase, from the engine's events."""
    after: dict[str, dict[str, int]] = field(default_factory=dict)
    """What a refresh right after each phase changed."""
    wrong: dict[str, list[Finding]] = field(default_factory=dict)
    """What `verify` found wrong after each phase."""
    ids: dict[str, dict[str, str]] = field(default_factory=dict)
    """Physical ids by URN, of what holds data, after each phase."""

    @property
    def file(self) -> Path:
        """The stack file."""
        return self.root / "Pulumi.prod.yaml"

    def configure(self, **keys: Any) -> None:
        """Change keys of the stack file."""
        content = yaml.safe_load(self.file.read_text())
        content["config"].update({f"headroom:{key}": value for key, value in keys.items()})
        self.file.write_text(yaml.safe_dump(content))

    def plan(self) -> Plan:
        """What the stack file plans."""
        return make_plan(stack_file.read(self.file))

    def grow(self, phase: str) -> None:
        """Change the phase, and note everything that the tests ask about."""
        self.configure(phase=phase)
        before = self.resources() if self.ids else {}
        outcome = self.stack.up()
        self.lost[phase] = []
        for line in outcome.progress.notable:
            if found := CHANGE.match(line):
                old = next(
                    one for one in before.values() if (one["type"], _name(one)) == (found["type"], found["name"])
                )
                if holds_data(old["type"], old["inputs"], protect=old.get("protect", False)):
                    self.lost[phase].append(line)
        changes = self.stack.refresh().to_dict()["changes"]
        self.after[phase] = {kind: count for kind, count in changes.items() if kind != "unchanged"}
        self.wrong[phase] = [finding for finding in self.findings() if finding.fact.verdict is Verdict.DIFFERS]
        self.ids[phase] = {
            urn: one["id"]
            for urn, one in self.resources().items()
            if "id" in one and holds_data(one["type"], one["inputs"], protect=one.get("protect", False))
        }

    def findings(self) -> list[Finding]:
        """What `verify` says."""
        settings = Settings.from_file(self.file)
        return verify(
            Scope(
                region=settings.spec.home_region,
                outputs=self.stack.outputs(),
                phase=settings.spec,
                domain=settings.domain,
                protected=True,
                clients=Clients(self.endpoint),
                local=True,
            )
        )

    def resources(self) -> dict[str, Any]:
        """Resources of the engine's state, by URN."""
        path = self.root / ".headroom/state/.pulumi/stacks/headroom/prod.json"
        state = json.loads(path.read_text())["checkpoint"]["latest"]
        return {one["urn"]: one for one in state["resources"]}

    def client(self, service: str, region: str = "us-east-1") -> Any:
        """boto3 on the local cloud."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


def _name(resource: dict[str, Any]) -> str:
    return str(resource["urn"].rsplit("::", 1)[1])


def _product(root: Path) -> Product:
    shutil.copy(ROOT / "Pulumi.yaml", root / "Pulumi.yaml")
    shutil.copy(ROOT / "Pulumi.10k.yaml", root / "Pulumi.prod.yaml")
    cloud, _ = local_cloud.start(root)
    product = Product(root, LocalStack("prod", root=root), cloud.endpoint)
    product.configure(cloudflareAccountId="0" * 32)
    return product


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Grown through all phases; an object is uploaded in the first."""
    root = tmp_path_factory.mktemp("grown")
    product = _product(root)
    for phase in PHASES:
        product.grow(phase)
        if phase == "10k":
            bucket = product.stack.outputs()["regions"]["us-east-1"]["uploadsBucket"]
            product.client("s3").put_object(Bucket=bucket, Key="first", Body=b"of the first user")
    yield product
    local_cloud.stop(root)


@pytest.fixture(scope="module")
def leap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """From the first phase straight to the last."""
    root = tmp_path_factory.mktemp("leapt")
    product = _product(root)
    for phase in ("10k", "1m"):
        product.grow(phase)
    yield product
    local_cloud.stop(root)


each_phase = pytest.mark.parametrize("phase", PHASES)


@each_phase
def test_nothing_that_holds_data_is_replaced_or_deleted(product: Product, phase: str) -> None:
    assert product.lost[phase] == []


@each_phase
def test_a_refresh_after_growing_finds_no_drift(product: Product, phase: str) -> None:
    assert product.after[phase] == {}


@each_phase
def test_the_cloud_is_what_the_phase_says(product: Product, phase: str) -> None:
    assert [f"{one.area} {one.subject}: {one.fact}" for one in product.wrong[phase]] == []


def test_everything_that_held_data_at_first_is_the_same_thing_at_last(product: Product) -> None:
    first, last = product.ids["10k"], product.ids["1m"]
    assert len(first) > 40
    assert {urn: last.get(urn) for urn in first} == first


def test_what_a_user_uploaded_is_still_there(product: Product) -> None:
    bucket = product.stack.outputs()["regions"]["us-east-1"]["uploadsBucket"]
    body = product.client("s3").get_object(Bucket=bucket, Key="first")["Body"].read()
    assert body == b"of the first user"


def test_the_database_is_the_same_instance(product: Product) -> None:
    (identifier,) = product.stack.outputs()["regions"]["us-east-1"]["databaseIdentifiers"]
    (urn,) = (urn for urn in product.ids["10k"] if urn.endswith("::us-east-1-db-0-primary"))
    found = product.client("rds").describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]
    assert product.resources()[urn]["id"] == product.ids["10k"][urn]
    assert found["DBInstanceClass"] == "db.r6g.xlarge"


def test_the_grown_state_is_what_the_plan_says(product: Product) -> None:
    planned = {one.urn for one in product.plan().resources}
    stored = {urn for urn in product.resources() if "default_" not in urn and "pulumi:pulumi:Stack" not in urn}
    assert planned == stored


def test_one_leap_loses_nothing_either(leap: Product) -> None:
    assert leap.lost == {"10k": [], "1m": []}
    assert leap.after == {"10k": {}, "1m": {}}
    assert leap.wrong == {"10k": [], "1m": []}
    assert {urn: leap.ids["1m"].get(urn) for urn in leap.ids["10k"]} == leap.ids["10k"]


def test_leap_and_steps_end_in_the_same_stack(product: Product, leap: Product) -> None:
    assert product.resources().keys() == leap.resources().keys()


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Grown from the first phase to the third, with a failure after so many changes again and again."""
    root = tmp_path_factory.mktemp("interrupted")
    product = _product(root)
    product.grow("10k")
    product.configure(phase="250k")
    faults = Faults(Paths(root).faults)
    for change in INTERRUPTIONS:
        faults.plant([change])
        with pytest.raises(OperationError, match="a planted fault"):
            product.stack.up()
    faults.clear()
    product.grow("250k")
    yield product
    local_cloud.stop(root)


# An `up` that fails leaves the SDK's own coroutines and sockets for the collector to find.
after_failures = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed", "ignore:coroutine"
)


@after_failures
def test_interrupted_growth_reaches_the_same_end(interrupted: Product) -> None:
    assert interrupted.lost["250k"] == []
    assert interrupted.after["250k"] == {}
    assert interrupted.wrong["250k"] == []
    planned = {one.urn for one in interrupted.plan().resources}
    assert planned <= interrupted.resources().keys()
    assert {urn: interrupted.ids["250k"].get(urn) for urn in interrupted.ids["10k"]} == interrupted.ids["10k"]


@after_failures
def test_interrupted_growth_leaves_no_orphans(interrupted: Product) -> None:
    """What is in no state survives a destroy: that would be seen here."""
    interrupted.stack.destroy()
    assert leftovers(interrupted.endpoint) == []


def test_all_of_it_can_be_destroyed(leap: Product) -> None:
    leap.stack.destroy()
    assert leftovers(leap.endpoint) == []
