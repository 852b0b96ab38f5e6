"""Resources from the engine's own output cost what the plan of the same stack costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra import stack_file
from infra.cost.bands import stand
from infra.cost.source import of_file, of_plan
from infra.errors import UserError
from infra.local.values import SECRET as SECRET_SIGNATURE
from infra.local.values import SIGNATURE
from infra.plan import SECRET, UNKNOWN, PlannedResource
from infra.stack_file import StackFile
from tests.cost.conftest import ROOT, planned

UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine prints for what only AWS will know."""
STACK = "urn:pulumi:10k::headroom::pulumi:pulumi:Stack::headroom-10k"
BUCKET = "aws:s3/bucket:Bucket"


def root(phase: str | None = "10k") -> dict[str, Any]:
    outputs = {"phase": phase} if phase else {}
    return {"urn": STACK, "type": "pulumi:pulumi:Stack", "outputs": outputs}


def kept(name: str, inputs: dict[str, Any] | None = None, token: str = BUCKET) -> dict[str, Any]:
    return {
        "urn": f"urn:pulumi:10k::headroom::{token}::{name}",
        "type": token,
        "parent": STACK,
        "inputs": inputs or {},
    }


def of(one: PlannedResource) -> dict[str, Any]:
    """A planned resource as the engine keeps it."""
    return {
        "urn": one.urn,
        "type": one.type,
        "parent": one.parent or STACK,
        "inputs": json.loads(json.dumps(one.inputs).replace(UNKNOWN, UNKNOWN_TEXT)),
        "propertyDependencies": one.property_dependencies,
        "dependencies": one.dependencies,
    }


def step(op: str, state: dict[str, Any], key: str = "newState") -> dict[str, Any]:
    return {"op": op, "urn": state["urn"], key: state}


def written(folder: Path, found: Any) -> Path:
    path = folder / "found.json"
    path.write_text(json.dumps(found), encoding="utf-8")
    return path


def preview(*steps: dict[str, Any], **summary: int) -> dict[str, Any]:
    return {"config": {}, "steps": [step("create", root()), *steps], "changeSummary": summary}


def stored(**keys: str) -> StackFile:
    shipped = stack_file.read(ROOT / "Pulumi.10k.yaml")
    return StackFile(
        shipped.stack, {**shipped.raw, **{f"headroom:{key}": text for key, text in keys.items()}}, frozenset()
    )


@pytest.mark.parametrize("kind", ["preview", "state"])
def test_the_engines_output_costs_what_the_plan_costs(tmp_path: Path, kind: str) -> None:
    resources = [of(one) for one in planned("10k")]
    found: dict[str, Any] = {"deployment": {"resources": [root(), *resources]}}
    if kind == "preview":
        found = preview(*(step("create", one) for one in resources))

    source = of_file(written(tmp_path, found))
    from_engine, from_plan = stand(source), stand(of_plan(stored()))

    assert (source.stack, source.phase.name) == ("10k", "10k")
    for level, estimate in from_plan.estimates.items():
        assert from_engine.estimates[level].monthly_usd == estimate.monthly_usd
        assert {line.urn for line in from_engine.estimates[level].lines} == {line.urn for line in estimate.lines}


def test_a_preview_counts_what_it_leaves_and_nothing_that_goes(tmp_path: Path) -> None:
    found = preview(
        step("same", kept("same")),
        step("create", kept("new", {"bucket": "b"})),
        step("update", kept("changed")),
        step("create-replacement", kept("again", {"bucket": "new"})),
        step("replace", kept("again", {"bucket": "new"})),
        step("delete-replaced", kept("again", {"bucket": "old"}), "oldState"),
        step("delete", kept("gone"), "oldState"),
        step("discard", kept("lost")),
        step("read", {**kept("looked-up"), "external": True}),
        same=1,
    )

    source = of_file(written(tmp_path, found))

    assert [one.name for one in source.resources] == ["same", "new", "changed", "again"]
    assert source.resources[3].inputs == {"bucket": "new"}


def test_a_preview_that_leaves_out_what_stays_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, preview(step("update", kept("changed")), same=40, update=1))

    with pytest.raises(UserError, match=r"leaves out 40 resources(.|\n)*--json --show-sames > found\.json"):
        of_file(path)


def test_secrets_stay_closed_and_what_only_aws_knows_stays_unknown(tmp_path: Path) -> None:
    inputs = {"password": {SIGNATURE: SECRET_SIGNATURE, "plaintext": '"planted"'}, "arn": UNKNOWN_TEXT}

    (one,) = of_file(written(tmp_path, {"deployment": {"resources": [root(), kept("db", inputs)]}})).resources
    (other,) = of_file(written(tmp_path, preview(step("create", kept("db", inputs))))).resources

    assert one.inputs["password"] == other.inputs["password"] == SECRET
    assert other.inputs["arn"] == UNKNOWN
    assert "planted" not in str((one, other))


def test_the_phase_is_the_outputs_or_else_what_most_tags_say(tmp_path: Path) -> None:
    tagged = [kept("a", {"tags": {"Phase": "50k"}}), kept("b", {"tags": {"Phase": "50k"}}), kept("c"), kept("d")]

    told = of_file(written(tmp_path, {"deployment": {"resources": [root("250k"), *tagged]}}))
    read_off = of_file(written(tmp_path, {"deployment": {"resources": [root(None), *tagged]}}))

    assert (told.phase.name, read_off.phase.name) == ("250k", "50k")
    with pytest.raises(UserError, match=r"which phase(.|\n)*headroom cost 10k --from found\.json"):
        of_file(written(tmp_path, {"deployment": {"resources": [root(None), kept("c")]}}))


def test_with_a_stack_its_own_settings_count(tmp_path: Path) -> None:
    path = written(tmp_path, {"deployment": {"resources": [root(), kept("a")]}})
    own = stored(usage='{"dailyShare": 0.5}', overrides='{"targets": {"monthlyUsers": 9000}}')

    source = of_file(path, own)

    assert (source.usage, source.phase.targets.monthly_users) == ({"dailyShare": 0.5}, 9_000)
    assert of_file(path).usage == {}


def test_a_file_of_another_stack_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, {"deployment": {"resources": [root(), kept("a")]}})
    other = stack_file.read(ROOT / "Pulumi.50k.yaml")

    with pytest.raises(UserError, match="is of stack 10k, not of 50k"):
        of_file(path, other)


@pytest.mark.parametrize(
    "found",
    [
        "text",
        [],
        {},
        {"steps": 1},
        {"steps": [1]},
        {"steps": [{"op": "same", "newState": {}}]},
        {"steps": [{"op": []}]},
    ],
)
def test_what_is_neither_is_told_with_the_commands_that_make_one(tmp_path: Path, found: Any) -> None:
    path = written(tmp_path, found)

    with pytest.raises(UserError, match=r"neither a preview nor a state") as caught:
        of_file(path)

    assert len(caught.value.problems) == 2


def test_no_json_and_no_file_are_told(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    with pytest.raises(UserError, match="cannot be read: No such file"):
        of_file(path)
    path.write_bytes(b"\xff{")
    with pytest.raises(UserError, match="neither a preview nor a state"):
        of_file(path)
