"""`headroom grow`: what it prints, its JSON, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from infra import config
from infra.errors import UserError
from infra.growth import command as module
from infra.growth import report as reports
from infra.growth.command import command, grow
from infra.growth.guard import judge
from infra.growth.report import Report, Stage
from infra.growth.state import of
from infra.growth.steps import steps
from infra.growth.times import of_growth
from infra.plan import Options, PlannedResource
from stacks.phase import PhaseName
from tests.growth.conftest import made, planned, stored

DATABASE = "aws:rds/instance:Instance"
KEPT: Options = {"protect": True, "retainOnDelete": True}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the one stack `prod`, at 10k."""
    values = {**stored().raw, "headroom:alertEmails": ["oncall@example.com"]}
    (tmp_path / "Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": values}), encoding="utf-8")
    monkeypatch.setattr(config, "ROOT", tmp_path)
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(command, args)


def exported(resources: tuple[PlannedResource, ...], stack: str = "prod") -> str:
    """A plan as a state file."""
    urn = f"urn:pulumi:{stack}::headroom::pulumi:pulumi:Stack::headroom-{stack}"
    own = {"urn": urn, "type": "pulumi:pulumi:Stack", "outputs": {"phase": "10k"}}
    rest = [
        {
            "urn": one.urn,
            "type": one.type,
            "parent": one.parent or urn,
            "inputs": one.inputs,
            "protect": one.options.get("protect", False),
            "propertyDependencies": one.property_dependencies,
            "provider": f"{one.options['provider']}::id" if "provider" in one.options else "",
        }
        for one in resources
    ]
    return json.dumps({"version": 3, "deployment": {"resources": [own, *rest]}})


def test_growing_by_a_phase_is_safe_and_says_how(project: Path) -> None:
    result = run("prod", "--to", "50k")

    assert result.exit_code == 0, result.output
    assert "prod: 10k to 50k, 1 step\n" in result.output
    assert "     pulumi config set headroom:phase 50k --stack prod\n     pulumi up --stack prod\n" in result.output
    assert "us-east-1-db-0-primary (rds.Instance, protected) allocatedStorage, instanceClass" in result.output
    assert "failover to the standby" in result.output
    assert "tags only" in result.output
    assert "longest path: us-east-1-db-0-primary (Instance, 20 min)" in result.output
    assert "nothing that holds data is replaced or deleted" in result.output


def test_json_has_every_operation_with_its_meaning(project: Path) -> None:
    result = run("prod", "--to", "50k", "--json")

    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert (found["stack"], found["from"], found["to"], found["safe"]) == ("prod", "10k", "50k", True)
    (step,) = found["steps"]
    database = next(one for one in step["operations"] if one["name"] == "us-east-1-db-0-primary")
    assert database["action"] == "update"
    assert database["protect"]
    assert {"instanceClass", "allocatedStorage"} <= set(database["changes"])
    assert {one["downtimeSeconds"] for one in database["effects"]} == {0, 120}
    assert all(one["source"].startswith("https://") for one in database["effects"])
    assert found["downtimeSeconds"] == step["downtimeSeconds"] == 120
    assert step["seconds"] == sum(link["seconds"] for link in step["path"]) > 600


def test_a_way_back_is_refused_with_every_reason_and_what_aws_could_do(project: Path) -> None:
    result = run("prod", "--from", "250k", "--to", "10k")

    assert result.exit_code == 1
    assert "  - database.storageGib goes from 400 to 20: RDS never shrinks a volume\n" in result.output
    assert "  - database.instanceClass from db.r6g.xlarge to db.t4g.large: a restart, or a failover\n" in result.output
    assert "pulumi up" not in result.output
    assert json.loads(run("prod", "--from", "250k", "--to", "10k", "--json").output)["steps"] == []


def test_a_real_state_is_compared_with_the_plan(project: Path) -> None:
    path = project / "state.json"
    path.write_text(exported(planned(PhaseName.P10K)), encoding="utf-8")

    same = run("prod", "--to", "10k", "--state", str(path), "--json")
    assert same.exit_code == 0, same.output
    assert json.loads(same.output)["steps"][0]["operations"] == []

    lost = tuple(
        made(DATABASE, one.name, options=KEPT) if one.type == DATABASE else one for one in planned(PhaseName.P10K)
    )
    path.write_text(exported(lost), encoding="utf-8")
    moved = run("prod", "--to", "10k", "--state", str(path))
    assert moved.exit_code == 1
    assert "this must not happen:" in moved.output
    assert "would be deleted, and made anew under another parent: the users' data" in moved.output


def test_the_local_state_is_asked_of_the_local_stack(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Local:
        def __init__(self, name: str) -> None:
            asked.append(name)

        def resources(self) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = json.loads(exported(planned(PhaseName.P10K)))["deployment"]["resources"]
            return found

    monkeypatch.setattr("infra.local.stack.LocalStack", Local)

    assert run("prod", "--to", "10k", "--local").exit_code == 0
    assert asked == ["prod"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("prod", "--to", "50k", "--local", "--state", "x"), "give one"),
        (("none", "--to", "50k"), "no stack none"),
        (("prod", "--to", "50k", "--state", "none.json"), "cannot be read"),
    ],
)
def test_what_a_user_can_mend_is_told(project: Path, args: tuple[str, ...], message: str) -> None:
    found = run(*args).exception

    assert isinstance(found, UserError)
    assert message in str(found)
    assert found.exit_code == 2


def test_a_phase_that_does_not_exist_is_a_usage_error(project: Path) -> None:
    assert run("prod", "--to", "2m").exit_code == 2
    assert run("prod").exit_code == 2


def test_the_state_of_another_stack_is_refused(project: Path) -> None:
    path = project / "state.json"
    path.write_text(exported((), stack="staging"), encoding="utf-8")

    found = run("prod", "--to", "50k", "--state", str(path)).exception

    assert isinstance(found, UserError)
    assert "of stack staging, not of prod" in str(found)


def test_without_a_phase_to_come_from_the_user_is_asked(project: Path) -> None:
    path = project / "Pulumi.prod.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("headroom:phase: 10k", ""), encoding="utf-8")

    found = run("prod", "--to", "50k").exception

    assert isinstance(found, UserError)
    assert "--from" in str(found)


def test_only_the_first_step_is_compared_with_the_real_state(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def watched(before: Any, after: Any, *, real: bool = False) -> Any:
        seen.append(real)
        return judge(before, after, real=real)

    monkeypatch.setattr("infra.growth.guard.judge", watched)
    state = of(json.loads(exported(planned(PhaseName.P10K)))["deployment"]["resources"])

    grow(stored(), PhaseName.P10K, PhaseName.P250K, state)

    assert seen == [True, False]


def test_every_kind_of_operation_has_its_line() -> None:
    queue = "aws:sqs/queue:Queue"
    before = [
        made(queue, "fixed", {"name": "q", "fifoQueue": False}),
        made(queue, "kept", options={"retainOnDelete": True}),
        made("kubernetes:apps/v1:Deployment", "api", {"spec": {"paused": True}}),
    ]
    after = [
        made(queue, "fixed", {"name": "q", "fifoQueue": True}),
        made("kubernetes:apps/v1:Deployment", "api", {"spec": {"paused": False}}),
        made(queue, "fresh", options=KEPT),
    ]
    growth = judge(before, after)
    (step,) = steps(stored(), PhaseName.P10K, PhaseName.P50K)
    stage = Stage(step, growth, of_growth(growth, after), ("headroom-db",))

    text = "\n".join(reports.lines(Report("prod", "10k", "50k", (), (), (stage,))))

    assert "   REPLACE fixed (sqs.Queue) fifoQueue (deleted first)\n" in text
    assert "   delete  kept (sqs.Queue); retained in AWS\n" in text
    assert "   update  api (kubernetes.Deployment) spec: rolling\n" in text
    assert "   create  1: 1 sqs.Queue\n" in text
    assert "     aws rds reboot-db-instance --db-instance-identifier headroom-db\n" in text
    assert "  - Queue kept would be deleted: messages that nobody has handled yet; it would stay in AWS" in text


def test_many_of_a_kind_that_go_the_same_way_share_a_line() -> None:
    def pods(image: str) -> list[PlannedResource]:
        return [made("kubernetes:apps/v1:Deployment", name, {"spec": {"image": image}}) for name in "abc"]

    growth = judge(pods("1"), pods("2"))
    (step,) = steps(stored(), PhaseName.P10K, PhaseName.P50K)
    report = Report("prod", "10k", "50k", (), (), (Stage(step, growth, of_growth(growth, pods("2")), ()),))

    assert "   update  3 kubernetes.Deployment: rolling" in list(reports.lines(report))


def test_the_command_imports_no_sdk_to_say_what_it_takes() -> None:
    assert "pulumi" not in vars(module)
    assert run("--help").exit_code == 0
