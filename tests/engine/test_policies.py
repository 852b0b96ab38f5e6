"""The policy pack with the real engine: it refuses what `headroom policy` refuses, with the same words."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from infra import stack_file
from infra.local import cloud as local_cloud
from infra.local.stack import LocalStack, OperationError
from infra.policy_command import judged

# A refused update leaves the SDK's own coroutines and sockets for the collector to find.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed", "ignore:coroutine"
)
ROOT = Path(__file__).parents[2]
PACK = ROOT / "policies"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with the shipped 10k stack, and a local cloud."""
    root = tmp_path_factory.mktemp("judged")
    shutil.copy(ROOT / "Pulumi.yaml", root)
    shutil.copy(ROOT / "Pulumi.10k.yaml", root)
    local_cloud.start(root)
    yield root
    local_cloud.stop(root)


def configure(root: Path, **keys: object) -> Path:
    """The shipped stack file with other keys."""
    content = yaml.safe_load((ROOT / "Pulumi.10k.yaml").read_text())
    content["config"].update({f"headroom:{key}": value for key, value in keys.items()})
    path = root / "Pulumi.10k.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def refusals(stack: LocalStack) -> set[str]:
    """What the pack refuses in a preview."""
    with pytest.raises(OperationError) as refused:
        stack.preview()
    said = "refused by the policy pack: "
    return {problem.removeprefix(said) for problem in refused.value.problems if problem.startswith(said)}


def test_the_engine_refuses_what_the_command_refuses_in_the_same_words(root: Path) -> None:
    file = configure(root, overrides={"database": {"multiAz": False, "backupRetentionDays": 1}})
    command = judged(stack_file.read(file))
    assert {one.rule.id for one in command.refused} >= {"rds-multi-az", "rds-backups-kept"}
    assert refusals(LocalStack("10k", root=root, policies=PACK)) == {one.text for one in command.refused}


def test_an_update_that_breaks_a_rule_makes_nothing_of_what_breaks_it(root: Path) -> None:
    configure(root, overrides={"database": {"multiAz": False}})
    stack = LocalStack("10k", root=root, policies=PACK)
    with pytest.raises(OperationError, match="rds-multi-az"):
        stack.up()
    assert [one for one in stack.resources() if one["type"] == "aws:rds/instance:Instance"] == []


def test_an_exempted_resource_passes_and_is_reported(root: Path) -> None:
    until = "rds-multi-az us-east-1-db-0-* 2099-12-31 shown in a test"
    configure(root, overrides={"database": {"multiAz": False}}, exempted=[until])
    advice = LocalStack("10k", root=root, policies=PACK).preview().progress.advice
    assert any("exempted until 2099-12-31: shown in a test" in line for line in advice)


def test_outside_of_production_a_rule_for_production_is_advice(root: Path) -> None:
    configure(root, environment="staging", overrides={"database": {"multiAz": False}})
    advice = LocalStack("10k", root=root, policies=PACK).preview().progress.advice
    assert any(line.startswith("rds-multi-az") for line in advice)


def test_what_ships_passes_and_what_waits_is_counted(root: Path) -> None:
    configure(root)
    outcome = LocalStack("10k", root=root, policies=PACK).up()
    assert outcome.progress.errors == []
    again = LocalStack("10k", root=root, policies=PACK).preview()
    assert again.progress.changed == 0
    secret = re.compile(r"password[=:]|BEGIN [A-Z ]*PRIVATE KEY")
    assert not secret.search(json.dumps([*outcome.progress.advice, *again.progress.advice]))


def test_a_file_of_levels_turns_a_rule_off_for_one_run(root: Path, tmp_path: Path) -> None:
    levels = tmp_path / "levels.json"
    levels.write_text(json.dumps({"rds-multi-az": "disabled", "rds-backups-kept-month": "advisory"}), encoding="utf-8")

    class Configured(LocalStack):
        def _packs(self, operation: str) -> dict[str, list[str]]:
            return {**super()._packs(operation), "policy_pack_configs": [str(levels)]}

    configure(root, overrides={"database": {"multiAz": False, "backupRetentionDays": 7}})
    advice = Configured("10k", root=root, policies=PACK).preview().progress.advice
    assert any(line.startswith("rds-backups-kept-month: ") for line in advice)
    assert not any(line.startswith("rds-multi-az: ") for line in advice)
