"""How differences are judged, from events as the engine writes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pulumi.automation import EngineEvent

from infra.account import drift
from infra.account.drift import Drift, Kind, Refreshed

BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
BUCKET = "aws:s3/bucket:Bucket"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
WORLD = "0.0.0.0/0"
DATABASE = "aws:rds/instance:Instance"
SECRET_VALUE = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}


def _urn(token: str, name: str = "it") -> str:
    return f"urn:pulumi:prod::headroom::{token}::{name}"


def _one(token: str, before: dict[str, Any], after: dict[str, Any] | None, **more: Any) -> list[tuple[str, str]]:
    """Kind and property of each difference."""
    return [(one.kind.value, one.what) for one in drift.judge([Refreshed(_urn(token), token, before, after, **more)])]


def _event(op: str, before: dict[str, Any], after: dict[str, Any] | None, **more: Any) -> EngineEvent:
    """The end of one resource's refresh, as `--event-log` has it."""

    def state(inputs: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": DATABASE,
            "urn": _urn(DATABASE),
            "id": "db-1",
            "parent": "",
            "provider": "",
            "inputs": inputs,
            "outputs": {**inputs, **more.get("outputs", {})},
        }

    metadata = {
        "op": op,
        "urn": _urn(DATABASE),
        "type": DATABASE,
        "provider": "",
        "old": state(before),
        "new": None if after is None else state(after),
        "diffs": more.get("diffs", []),
        "detailedDiff": {},
    }
    return EngineEvent.from_json(
        {"sequence": 1, "timestamp": 0, "resOutputsEvent": {"metadata": metadata, "planning": True}}
    )


def test_a_resource_that_is_the_same_is_no_difference() -> None:
    assert drift.of_events([_event("same", {"port": 5432}, {"port": 5432})]) == []


def test_a_changed_setting_is_told_with_both_values() -> None:
    found = drift.judge(drift.of_events([_event("update", {"multiAz": True}, {"multiAz": False}, diffs=["multiAz"])]))
    assert found == [Drift(Kind.CHANGED, _urn(DATABASE), DATABASE, "multiAz", "true", "false")]


def test_a_resource_that_is_gone_is_deleted() -> None:
    found = drift.judge(drift.of_events([_event("delete", {"port": 5432}, None)]))
    assert [(one.kind, one.name, one.after) for one in found] == [(Kind.DELETED, "it", "nothing")]


def test_a_changed_secret_is_told_without_its_value() -> None:
    """Both sides are closed in the events: only the engine's own list of changes says that they differ."""
    event = _event("update", {"password": SECRET_VALUE}, {"password": SECRET_VALUE}, diffs=["password"])
    (found,) = drift.judge(drift.of_events([event]))
    assert (found.kind, found.what, found.before, found.after) == (
        Kind.CHANGED,
        "password",
        "[secret]",
        "another [secret]",
    )


def test_what_aws_fills_in_is_no_difference() -> None:
    """Outputs that nobody asks for, and inputs that the provider keeps for itself."""
    before = {"port": 5432, "__defaults": ["port"]}
    after = {"port": 5432, "__defaults": []}
    event = _event("update", before, after, outputs={"latestRestorableTime": "2026-11-21"}, diffs=[])
    assert drift.judge(drift.of_events([event])) == []


def test_an_output_that_lets_the_world_in_counts_though_no_input_asks_for_it() -> None:
    found = _one(
        DATABASE,
        {"port": 5432},
        {"port": 5432},
        open_before={"publiclyAccessible": False},
        open_after={"publiclyAccessible": True},
    )
    assert found == [("opened to the world", "publiclyAccessible")]


def test_rules_that_other_resources_write_into_a_group_are_not_its_own_difference() -> None:
    assert _one(GROUP, {"ingress": []}, {"ingress": [{"protocol": "tcp"}]}) == []


def test_the_same_document_in_other_words_is_no_difference() -> None:
    before = {"policy": '{"Version": "2012-10-17", "Statement": []}'}
    after = {"policy": '{"Statement":[],"Version":"2012-10-17"}'}
    assert _one("aws:sqs/queuePolicy:QueuePolicy", before, after) == []


def test_the_same_values_in_another_order_are_no_difference() -> None:
    assert _one(DATABASE, {"logs": ["a", "b"]}, {"logs": ["b", "a"]}) == []
    assert _one(DATABASE, {"logs": ["a", "b"]}, {"logs": ["b", "c"]}) == [("changed", "logs")]


def test_of_a_policy_only_the_statements_that_differ_are_shown() -> None:
    kept = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    added = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject", "Resource": "*"}
    before, after = ({"policy": json.dumps({"Statement": each})} for each in ([kept], [kept, added]))
    token = "aws:s3/bucketPolicy:BucketPolicy"
    (found,) = drift.judge([Refreshed(_urn(token), token, before, after)])
    assert (found.kind, found.before) == (Kind.OPENED, "nothing")
    assert "s3:GetObject" in found.after
    assert "Deny" not in found.after


@pytest.mark.parametrize(
    ("token", "before", "after", "opened"),
    [
        (INGRESS, {"cidrIpv4": "10.0.0.0/8"}, {"cidrIpv4": WORLD}, True),
        (INGRESS, {"cidrIpv6": "fd00::/8"}, {"cidrIpv6": "::/0"}, True),
        (INGRESS, {"cidrIpv4": "10.0.0.0/8"}, {"cidrIpv4": "10.0.0.0/9"}, False),
        (EGRESS, {"cidrIpv4": "10.0.0.0/8"}, {"cidrIpv4": WORLD}, False),
        (
            "aws:eks/cluster:Cluster",
            {"a": {"publicAccessCidrs": ["1.2.3.4/32"]}},
            {"a": {"publicAccessCidrs": [WORLD]}},
            True,
        ),
        ("aws:wafv2/ipSet:IpSet", {"addresses": ["1.2.3.0/24"]}, {"addresses": ["1.2.3.0/24", WORLD]}, True),
        (BLOCK, {"blockPublicPolicy": True}, {"blockPublicPolicy": False}, True),
        (BLOCK, {"blockPublicPolicy": True}, {}, True),
        (BLOCK, {"blockPublicPolicy": False}, {"blockPublicPolicy": True}, False),
        (DATABASE, {"publiclyAccessible": False}, {"publiclyAccessible": True}, True),
        (DATABASE, {"publiclyAccessible": True}, {"publiclyAccessible": False}, False),
        (BUCKET, {"acl": "private"}, {"acl": "public-read"}, True),
    ],
)
def test_a_change_that_lets_the_world_in_is_said_to(
    token: str, before: dict[str, Any], after: dict[str, Any], opened: bool
) -> None:
    (found,) = _one(token, before, after)
    assert found[0] == ("opened to the world" if opened else "changed")


def test_a_bucket_without_its_block_is_open_but_not_when_the_bucket_is_gone_too() -> None:
    block = Refreshed(_urn(BLOCK), BLOCK, {"bucket": "b"}, None)
    bucket = Refreshed(_urn(BUCKET), BUCKET, {"bucket": "b"}, None)
    assert [one.kind for one in drift.judge([block])] == [Kind.OPENED]
    assert [one.kind for one in drift.judge([bucket, block])] == [Kind.DELETED, Kind.DELETED]


def test_a_lost_name_tag_is_untagged_and_another_tag_is_a_change() -> None:
    named = {"tags": {"Urn": "urn", "Owner": "platform"}}
    assert _one(DATABASE, named, {"tags": {"Owner": "platform"}}) == [("untagged", "tags")]
    assert _one(DATABASE, named, {}) == [("untagged", "tags")]
    assert _one(DATABASE, named, {"tags": {"Urn": "urn", "Owner": "me"}}) == [("changed", "tags.Owner")]


def test_rules_see_the_account_as_it_is_now() -> None:
    state: list[dict[str, Any]] = [
        {"urn": _urn(DATABASE, "a"), "inputs": {"multiAz": True}},
        {"urn": _urn(DATABASE, "b"), "inputs": {}},
        {"urn": _urn(DATABASE, "c")},
    ]
    changed = Refreshed(_urn(DATABASE, "a"), DATABASE, {"multiAz": True}, {"multiAz": False})
    gone = Refreshed(_urn(DATABASE, "b"), DATABASE, {}, None)
    assert drift.now(state, [changed, gone]) == [
        {"urn": _urn(DATABASE, "a"), "inputs": {"multiAz": False}},
        {"urn": _urn(DATABASE, "c"), "inputs": None},
    ]


def test_long_values_are_cut() -> None:
    (found,) = drift.judge([Refreshed(_urn(DATABASE), DATABASE, {"x": "a" * 500}, {"x": "b"})])
    assert len(found.before) < 200
