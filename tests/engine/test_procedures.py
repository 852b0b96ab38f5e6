"""Recovery procedures on the local cloud, with the real engine: restore, promote, rotate."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.engine import find
from infra.errors import UserError
from infra.local import cloud as local_cloud
from infra.local.stack import LocalStack, Outcome
from infra.procedures.ground import Ground
from infra.procedures.promote import Promotion
from infra.procedures.restore import TAG, Restore
from infra.procedures.rotate import MARK, Rotation, Secret
from infra.procedures.sources import Source, parse
from infra.procedures.steps import Procedure, Report, Status, carry_out, look_ahead
from infra.verify.facts import Clients, Scope, Verdict
from infra.verify.run import verify
from tests.procedures.pages import pulumi_commands

ROOT = Path(__file__).parents[2]
HOME = "us-east-1"


@dataclass
class World:
    """A stack on a local cloud of its own."""

    root: Path
    name: str
    stack: LocalStack
    endpoint: str
    told: list[str] = field(default_factory=list)

    @property
    def ground(self) -> Ground:
        """As a command has it."""
        return Ground(self.name, is_local=True, root=self.root)

    def client(self, service: str, region: str = HOME) -> Any:
        """boto3 on the local cloud."""
        return Clients(self.endpoint).get(service, region)

    def restore(self, source: Source, shard: int | None = None) -> Procedure:
        """The plan of a restore."""
        return Restore(self.ground, shard, source).procedure()

    def run(self, procedure: Procedure) -> list[Report]:
        """Carry it out."""
        return carry_out(procedure, self.ground.client, self.told.append, look_seconds=0)

    def database(self, name: str) -> dict[str, Any]:
        """An instance as RDS describes it."""
        found: dict[str, Any] = self.client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        found.pop("LatestRestorableTime")  # moto's is now
        return found

    def databases(self, region: str = HOME) -> set[str]:
        """Identifiers of a region."""
        found = self.client("rds", region).describe_db_instances()["DBInstances"]
        return {one["DBInstanceIdentifier"] for one in found}

    def forget_first_backup(self, name: str) -> None:
        """Moto names an instance's first backup by the minute, so that two of one name in a minute collide."""
        rds = self.client("rds")
        for one in rds.describe_db_snapshots(SnapshotType="automated")["DBSnapshots"]:
            if one["DBSnapshotIdentifier"].startswith(f"rds:{name}-"):
                rds.delete_db_snapshot(DBSnapshotIdentifier=one["DBSnapshotIdentifier"])

    def wrong(self) -> list[str]:
        """What `verify` finds."""
        settings = self.ground.settings
        scope = Scope(
            region=HOME,
            outputs=self.stack.outputs(),
            phase=settings.spec,
            domain=settings.domain,
            protected=True,
            clients=Clients(self.endpoint),
            local=True,
        )
        return [
            f"{one.subject}: {one.fact.what}, {one.fact.actual}"
            for one in verify(scope)
            if one.fact.verdict is Verdict.DIFFERS
        ]

    def secret(self, key: str) -> str:
        """A secret's value."""
        name = f"headroom-{self.name}-{HOME}-secrets-{key}"
        return str(self.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"])

    def header(self) -> str:
        """The origin's header as the secret has it."""
        return self.secret("origin")

    def marks(self) -> list[str]:
        """Marks of a rotation on the secret."""
        found = self.client("secretsmanager").describe_secret(SecretId=f"headroom-{self.name}-{HOME}-secrets-origin")
        return [tag["Value"] for tag in found["Tags"] if tag["Key"] == MARK]

    def accepted(self) -> set[str]:
        """The values of the header that the load balancer lets in."""
        balancing = self.client("elbv2")
        rules = [one["id"] for one in self.stack.resources() if one["type"].endswith(":ListenerRule")]
        return {
            value
            for rule in balancing.describe_rules(RuleArns=rules)["Rules"]
            for condition in rule["Conditions"]
            for value in condition.get("HttpHeaderConfig", {}).get("Values", [])
        }


def _world(root: Path, name: str, **keys: Any) -> World:
    shutil.copy(ROOT / "Pulumi.yaml", root / "Pulumi.yaml")
    content = yaml.safe_load((ROOT / f"Pulumi.{name}.yaml").read_text())
    content["config"].update({f"headroom:{key}": value for key, value in keys.items()})
    (root / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump(content))
    cloud, _ = local_cloud.start(root)
    stack = LocalStack(name, root=root)
    stack.up()
    return World(root, name, stack, cloud.endpoint)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The first phase in production: one protected database without copies, of which there is a snapshot.

    The local cloud has no rows, and a snapshot there is no more than the database's properties: one instance is told
    from another by when it was made.
    """
    world = _world(tmp_path_factory.mktemp("small"), "10k", environment="production")
    world.client("rds").create_db_snapshot(DBInstanceIdentifier=SMALL, DBSnapshotIdentifier=BEFORE)
    yield world
    local_cloud.stop(world.root)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The third phase in production: two readers and a copy in another region."""
    world = _world(tmp_path_factory.mktemp("large"), "250k", environment="production")
    yield world
    local_cloud.stop(world.root)


SMALL, LARGE = "headroom-10k-us-east-1-db-0", "headroom-250k-us-east-1-db-0"
READERS = {f"{LARGE}-reader-0", f"{LARGE}-reader-1"}
COPY = "headroom-250k-eu-west-1-copy-of-us-east-1-db-0"
BEFORE = "before"


def _lost(outcome: Outcome) -> list[str]:
    return [line for line in outcome.progress.notable if line.startswith(("replaced", "deleted"))]


class CutError(Exception):
    """What ends a run that is cut short."""


class Scissors:
    """Lets so many calls that change anything through, and cuts the next one short."""

    def __init__(self, world: World, calls: int) -> None:
        self.world, self.left = world, calls

    def client(self, service: str, region: str) -> Any:
        """A client in their hands."""
        return Scissored(self, self.world.client(service, region))


class Scissored:
    """A client in the hands of `Scissors`."""

    def __init__(self, scissors: Scissors, client: Any) -> None:
        self.scissors, self.client = scissors, client

    def __getattr__(self, name: str) -> Any:
        """Cut, or let through."""
        if not self.scissors.left:
            raise CutError
        self.scissors.left -= 1
        return getattr(self.client, name)


# Restore.


def test_a_dry_run_tells_every_call_and_changes_nothing(small: World) -> None:
    before = small.database(SMALL)
    reports = look_ahead(small.restore(parse(None, BEFORE, None)))
    calls = [call for report in reports for call in report.work]
    said = [call.split("(")[0] for call in calls if call.startswith("rds.")]
    assert said == [
        "rds.RestoreDBInstanceFromDBSnapshot",
        "rds.ModifyDBInstance",
        "rds.AddTagsToResource",
        "rds.ModifyDBInstance",
        "rds.ModifyDBInstance",
        "rds.RemoveTagsFromResource",
    ]
    assert any("MasterUserPassword=[secret]" in call for call in calls)
    assert {report.status for report in reports} == {Status.OPEN}
    assert (small.databases(), small.database(SMALL)) == ({SMALL}, before)


def test_what_cannot_be_restored_is_refused_with_the_mend(small: World) -> None:
    with pytest.raises(UserError, match="no snapshot nothing"):
        small.restore(Source(snapshot="nothing"))
    with pytest.raises(UserError, match="no shard 3"):
        small.restore(Source(), shard=3)
    rds = small.client("rds")
    rds.create_db_instance(
        DBInstanceIdentifier="stranger", Engine="postgres", DBInstanceClass="db.t4g.micro", AllocatedStorage=20
    )
    rds.create_db_snapshot(DBInstanceIdentifier="stranger", DBSnapshotIdentifier="strange")
    with pytest.raises(UserError, match="is of stranger, not of"):
        small.restore(Source(snapshot="strange"))
    rds.delete_db_instance(DBInstanceIdentifier="stranger", SkipFinalSnapshot=True)
    with pytest.raises(UserError, match="keeps no copy"):
        Promotion(small.ground, "eu-west-1")


def test_a_restore_that_is_cut_short_again_and_again_comes_to_its_end(small: World) -> None:
    former = small.database(SMALL)["InstanceCreateTime"]
    runs = 0
    while True:
        runs += 1
        try:
            carry_out(
                small.restore(parse(None, BEFORE, None)),
                Scissors(small, runs).client,
                small.told.append,
                look_seconds=0,
            )
        except CutError:
            if runs == 1:
                with pytest.raises(UserError, match="another restore"):
                    small.restore(Source())
            continue
        break
    # Cut after one call, then after two more, and so on; what may be done twice is done twice.
    assert runs == 4
    (old,) = small.databases() - {SMALL}
    assert old.startswith(f"{SMALL}-old-")
    assert small.database(old)["InstanceCreateTime"] == former
    assert small.database(SMALL)["InstanceCreateTime"] > former
    assert TAG not in {tag["Key"] for tag in small.database(SMALL)["TagList"]}


def test_the_program_then_changes_nothing_and_every_promise_holds(small: World) -> None:
    outcome = small.stack.up()
    assert outcome.progress.changed == 0
    assert small.wrong() == []


def test_the_same_request_again_does_nothing(small: World) -> None:
    reports = small.run(small.restore(parse(None, BEFORE, None)))
    assert {report.status for report in reports} == {Status.DONE}


# Rotate.


def test_the_origin_accepts_both_headers_until_the_edge_shows_the_new_one(small: World) -> None:
    before = small.header()
    seen: list[set[str]] = []

    def tell(line: str) -> None:
        if line.startswith("4 of 6"):
            seen.append(small.accepted())

    plan = Rotation(small.ground, Secret.ORIGIN).procedure()
    carry_out(plan, small.ground.client, tell, look_seconds=0)

    after = small.header()
    assert before != after
    assert seen == [{before, after}]
    assert small.accepted() == {after}
    assert small.marks() == []
    assert small.stack.up().progress.changed == 0
    assert not any(before in line or after in line for line in small.told)


def test_a_rotation_that_is_cut_short_keeps_the_value_that_is_in_use(small: World) -> None:
    before = small.header()
    plan = Rotation(small.ground, Secret.ORIGIN).procedure()

    def cut(line: str) -> None:
        if line.startswith("3 of 6"):
            raise CutError

    with pytest.raises(CutError):
        carry_out(plan, small.ground.client, cut, look_seconds=0)
    assert small.accepted() == {before}
    reports = small.run(Rotation(small.ground, Secret.ORIGIN).procedure())
    assert [one.status for one in reports[:2]] == [Status.DONE, Status.DONE]
    assert small.accepted() == {small.header()} != {before}


@pytest.mark.parametrize("secret", [Secret.DATABASE, Secret.APPLICATION])
def test_a_password_made_anew_replaces_nothing_that_holds_data(small: World, secret: Secret) -> None:
    before, was = small.database(SMALL)["InstanceCreateTime"], small.secret(secret)
    small.run(Rotation(small.ground, secret).procedure())
    assert small.secret(secret) != was
    assert small.database(SMALL)["InstanceCreateTime"] == before
    outcome = small.stack.up()
    assert (outcome.progress.changed, _lost(outcome)) == (0, [])


# Copies, and a lost region.


def test_a_restore_makes_the_copies_anew(large: World) -> None:
    former = large.database(LARGE)["InstanceCreateTime"]
    large.run(large.restore(parse("latest", None, None)))
    (old,) = large.databases() - {LARGE}
    assert large.databases("eu-west-1") == set()

    outcome = large.stack.up()

    assert dict(outcome.progress.totals().items() - {("unchanged", outcome.progress.totals()["unchanged"])}) == {
        "created": 3
    }
    assert large.databases() == {LARGE, old, *READERS}
    assert large.databases("eu-west-1") == {COPY}
    assert large.database(LARGE)["InstanceCreateTime"] > former
    assert large.wrong() == []


def test_a_copy_takes_over_and_comes_home_by_a_snapshot(large: World) -> None:
    plan = Promotion(large.ground, "eu-west-1").procedure()
    assert any("no `pulumi up`" in line for line in plan.after)
    large.run(plan)
    rds = large.client("rds", "eu-west-1")
    found = rds.describe_db_instances(DBInstanceIdentifier=COPY)["DBInstances"][0]
    assert (found["MultiAZ"], found["BackupRetentionPeriod"]) == (True, 30)
    again = large.run(Promotion(large.ground, "eu-west-1").procedure())
    assert {report.status for report in again} == {Status.DONE}

    rds.create_db_snapshot(DBInstanceIdentifier=COPY, DBSnapshotIdentifier="home")
    arn = rds.describe_db_snapshots(DBSnapshotIdentifier="home")["DBSnapshots"][0]["DBSnapshotArn"]
    key = large.database(LARGE)["KmsKeyId"]
    large.client("rds").copy_db_snapshot(
        SourceDBSnapshotIdentifier=arn, TargetDBSnapshotIdentifier="home", KmsKeyId=key, SourceRegion="eu-west-1"
    )
    large.forget_first_backup(f"{LARGE}-restored")
    large.run(large.restore(Source(snapshot="home")))
    outcome = large.stack.up()
    assert _lost(outcome) == []
    assert large.databases("eu-west-1") == {COPY}
    assert large.wrong() == []


# What the pages name.


@pytest.mark.parametrize("named", sorted(pulumi_commands()))
def test_the_engine_knows_every_command_that_a_page_names(named: str) -> None:
    words = named.split()
    command, flags = ([word for word in words if word.startswith("-") is flag] for flag in (False, True))
    engine = str(find().path)
    done = subprocess.run([engine, *command, "--help"], capture_output=True, text=True, check=True)
    assert [flag for flag in flags if flag not in done.stdout] == []
