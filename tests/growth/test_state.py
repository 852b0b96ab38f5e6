"""A stack's exported state, read as a plan is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.errors import UserError
from infra.growth.guard import judge
from infra.growth.state import of, read
from infra.local.values import ASSET, OUTPUT, RESOURCE, SIGNATURE
from infra.local.values import SECRET as SECRET_SIGNATURE
from infra.plan import SECRET, UNKNOWN
from tests.growth.conftest import PREFIX, made

STACK = f"{PREFIX}pulumi:pulumi:Stack::headroom-prod"
ACCOUNT = "999988887777"


def kept(token: str, name: str, **facts: Any) -> dict[str, Any]:
    return {"urn": f"{PREFIX}{token}::{name}", "type": token, "parent": STACK, **facts}


def exported(*resources: dict[str, Any]) -> list[dict[str, Any]]:
    stack = {"urn": STACK, "type": "pulumi:pulumi:Stack", "outputs": {"phase": "50k"}}
    return [stack, *resources]


def test_a_state_and_the_plan_it_came_from_are_the_same() -> None:
    key = kept("aws:kms/key:Key", "key", inputs={"description": "d"}, outputs={"arn": f"arn:aws:kms:x:{ACCOUNT}:key/1"})
    bucket = kept(
        "aws:s3/bucket:Bucket",
        "b",
        inputs={
            "bucket": f"exports-{ACCOUNT}",
            "kms": f"arn:aws:kms:x:{ACCOUNT}:key/1",
            "password": {SIGNATURE: SECRET_SIGNATURE, "ciphertext": "abc"},
            "forceDestroy": False,
            "rule": {"days": 1, "mode": "auto", "__defaults": ["mode"]},
            "__defaults": ["forceDestroy"],
        },
        protect=True,
        retainOnDelete=True,
        dependencies=[key["urn"]],
        propertyDependencies={"kms": [key["urn"]], "bucket": []},
        provider=f"{PREFIX}pulumi:providers:aws::default_7_0_0::id",
    )
    state = of(exported(key, bucket, kept("pulumi:providers:aws", "default_7_0_0", inputs={"region": "x"})))
    inputs = {"bucket": "exports-123456789012", "kms": UNKNOWN, "password": SECRET, "rule": {"days": 1}}
    plan = [
        made("aws:kms/key:Key", "key", {"description": "d"}),
        made("aws:s3/bucket:Bucket", "b", inputs, uses={"kms": [key["urn"]]}, options={"protect": True}),
    ]

    assert (state.stack, state.phase) == ("prod", "50k")
    assert judge(state.resources, plan, real=True).operations == ()
    assert state.resources[1].options.get("retainOnDelete")
    assert state.resources[1].parent is None


def test_special_values_are_what_a_plan_shows() -> None:
    inputs = {
        "code": {SIGNATURE: ASSET, "hash": "abc", "text": "x"},
        "peer": {SIGNATURE: RESOURCE, "urn": "urn:a"},
        "late": {SIGNATURE: OUTPUT, "value": [1, {"__internal": {}, "a": 2}]},
    }

    (one,) = of(exported(kept("aws:x/y:Y", "y", inputs=inputs))).resources

    assert one.inputs == {"code": {"text": "x"}, "peer": "urn:a", "late": [1, {"a": 2}]}


def test_what_is_not_the_stacks_own_or_already_gone_is_left_out() -> None:
    gone = kept("aws:x/y:Y", "gone", delete=True)
    looked_up = kept("aws:x/y:Y", "looked-up", external=True)
    cluster = kept("pulumi:providers:kubernetes", "k8s", inputs={"version": "4", "__internal": {}, "kubeconfig": "x"})

    (one,) = of(exported(gone, looked_up, cluster)).resources

    assert (one.name, one.inputs) == ("k8s", {"kubeconfig": "x"})


@pytest.mark.parametrize("shape", [{"deployment": {}}, {"checkpoint": {"latest": {}}}])
def test_both_files_are_read(tmp_path: Path, shape: dict[str, dict[str, Any]]) -> None:
    resources = exported(kept("aws:x/y:Y", "y", inputs={}))
    inner = {"resources": resources}
    found = {key: {"latest": inner} if key == "checkpoint" else inner for key in shape}
    path = tmp_path / "state.json"
    path.write_text(json.dumps(found), encoding="utf-8")

    assert [one.name for one in read(path).resources] == ["y"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"deployment": 1}', '{"checkpoint": {}}'])
def test_what_is_no_state_is_told_with_the_command_that_makes_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(UserError, match=r"pulumi stack export --stack STACK --file state\.json"):
        read(path)


def test_a_missing_or_empty_state_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read(tmp_path / "none.json")
    with pytest.raises(UserError, match="nothing was brought up yet"):
        of([])
