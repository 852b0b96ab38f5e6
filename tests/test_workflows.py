"""The workflows: what they may do."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
GITHUB = ROOT / ".github"
WORKFLOWS = sorted(path.name for path in (GITHUB / "workflows").glob("*.yml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
READ_ONLY = {"contents": "read"}


def text(name: str) -> str:
    return (GITHUB / "workflows" / name).read_text()


def workflow(name: str) -> dict[str, Any]:
    found: dict[Any, Any] = yaml.safe_load(text(name))
    found["on"] = found.pop(True)  # YAML 1.1 takes the key for a truth value
    return found


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in WORKFLOWS:
        yield from ((name, job) for job in workflow(name)["jobs"].values())


def events(name: str) -> set[str]:
    return set(workflow(name)["on"])


def test_there_is_a_workflow_for_each_part_of_the_way() -> None:
    names = ("comment", "drift", "preview", "prices", "review", "test", "up")
    assert [f"{name}.yml" for name in names] == WORKFLOWS


@pytest.mark.parametrize("path", [*GITHUB.glob("workflows/*"), *GITHUB.glob("actions/*/*")], ids=lambda path: path.name)
def test_every_action_is_pinned_by_commit_with_its_version_beside_it(path: Path) -> None:
    used = re.findall(r"uses: *(.+)", path.read_text())
    assert [one for one in used if not one.startswith("./") and not PINNED.fullmatch(one)] == []


def test_one_action_has_one_version_everywhere() -> None:
    files = [*GITHUB.glob("workflows/*"), *GITHUB.glob("actions/*/*")]
    used = {one for path in files for one in re.findall(r"uses: *([^.\s].+)", path.read_text())}
    names = [one.partition("@")[0] for one in used]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_has_no_permission_that_a_job_does_not_ask_for(name: str) -> None:
    assert workflow(name)["permissions"] == {}
    assert all(job["permissions"] for job in workflow(name)["jobs"].values())


@pytest.mark.parametrize("name", WORKFLOWS)
def test_pull_request_target_is_never_used(name: str) -> None:
    assert "pull_request_target" not in text(name)


@pytest.mark.parametrize("name", [name for name in WORKFLOWS if "pull_request" in events(name)])
def test_what_runs_a_pull_requests_code_can_only_read_and_knows_no_secret(name: str) -> None:
    for job in workflow(name)["jobs"].values():
        assert job["permissions"] == READ_ONLY
        assert "environment" not in job
    assert re.findall(r"secrets\.|github\.token|id-token", text(name)) == []


@pytest.mark.parametrize("name", [name for name in WORKFLOWS if "workflow_run" in events(name)])
def test_what_may_write_after_a_pull_request_checks_nothing_out(name: str) -> None:
    assert "uses:" not in text(name)
    assert "secrets." not in text(name)
    for job in workflow(name)["jobs"].values():
        assert job["permissions"] == {"actions": "read", "pull-requests": "write"}


def test_no_checkout_leaves_its_token_behind() -> None:
    for name, job in jobs():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, name


def test_no_expression_is_pasted_into_a_script() -> None:
    for name, job in jobs():
        assert [step["run"] for step in job["steps"] if "${{" in step.get("run", "")] == [], name
    for path in GITHUB.glob("actions/*/action.yml"):
        steps = yaml.safe_load(path.read_text())["runs"]["steps"]
        assert [step["run"] for step in steps if "${{" in step.get("run", "")] == []


def test_every_job_has_an_end_and_every_workflow_a_turn() -> None:
    for name, job in jobs():
        assert 0 < job["timeout-minutes"] <= 180, name
        assert "concurrency" in job or "concurrency" in workflow(name), name


def test_secrets_and_roles_are_those_of_an_environment() -> None:
    for name, job in jobs():
        if "secrets." in json.dumps(job) or "id-token" in job["permissions"]:
            assert "environment" in job, name


def test_an_update_waits_for_its_environment_and_is_never_cut_off() -> None:
    up = workflow("up.yml")["jobs"]["up"]
    assert up["environment"] == "${{ matrix.stack }}"
    assert up["needs"] == "gate"
    assert up["strategy"]["max-parallel"] == 1
    assert up["concurrency"] == {"group": "up-${{ matrix.stack }}", "cancel-in-progress": False}
    runs = [step["run"] for step in up["steps"] if "run" in step]
    assert runs[0] == '.github/scripts/gate.sh "$STACK"'
    assert runs[1].startswith('pulumi up --stack "$STACK" --yes')


def test_nothing_else_takes_the_turn_of_an_update() -> None:
    groups = [job["concurrency"]["group"] for _, job in jobs() if "concurrency" in job]
    assert len(groups) == len(set(groups))


def test_only_main_is_brought_to_a_stack() -> None:
    for name in ("up.yml", "drift.yml", "prices.yml"):
        first = next(iter(workflow(name)["jobs"].values()))
        assert "github.ref == 'refs/heads/main'" in first["if"], name


def test_a_preview_is_for_branches_of_the_repository_alone() -> None:
    assert workflow("preview.yml")["on"] == {"push": {"branches-ignore": ["main", "dependabot/**"]}}


def test_every_script_is_used_and_can_run() -> None:
    used = "".join(text(name) for name in WORKFLOWS)
    for script in (GITHUB / "scripts").iterdir():
        assert f".github/scripts/{script.name} " in used
        assert os.access(script, os.X_OK), script.name
