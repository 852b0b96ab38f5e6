"""The guard: what it calls a change, what it calls a loss, and that nothing immutable passes it."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from infra.errors import UserError
from infra.growth.guard import Action, Growth, judge
from infra.growth.stateful import STATEFUL, holds_data
from infra.growth.steps import in_phase, sizes
from infra.invokes import CALLER_ARN
from infra.local.diff import compare
from infra.plan import SECRET, UNKNOWN, Options, PlannedResource
from infra.replacements import DATA, KEPT_WHEN_DROPPED, RULES, known
from stacks.phase import PhaseName
from tests.growth.conftest import FORWARD, each_growth, each_phase, made, planned, stored

DATABASE = "aws:rds/instance:Instance"
KEY = "aws:kms/key:Key"
SUBNET = "aws:ec2/subnet:Subnet"
QUEUE = "aws:sqs/queue:Queue"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
KEPT: Options = {"protect": True, "retainOnDelete": True}


def only(growth: Growth) -> tuple[Action, tuple[str, ...]]:
    """The one operation of a growth: what, and against what."""
    (operation,) = growth.operations
    return operation.action, operation.blocked


def test_what_stays_the_same_is_no_operation() -> None:
    one = made(DATABASE, "db", {"instanceClass": "db.t4g.medium", "kmsKeyId": UNKNOWN, "password": SECRET})

    assert judge([one], [one]).operations == ()


def test_what_holds_nothing_may_come_and_go_and_change() -> None:
    before, after = made(ALARM, "a", {"threshold": 1}), made(ALARM, "a", {"threshold": 2})

    assert only(judge([], [after])) == (Action.CREATE, ())
    assert only(judge([before], [])) == (Action.DELETE, ())
    assert only(judge([before], [after])) == (Action.UPDATE, ())


def test_replacing_what_holds_data_is_blocked_with_its_reason() -> None:
    before = made(DATABASE, "db", {"dbName": "a"}, options=KEPT)
    after = made(DATABASE, "db", {"dbName": "b"}, options=KEPT)

    action, blocked = only(judge([before], [after]))

    assert action is Action.REPLACE
    assert blocked == (
        (
            "Instance db would be replaced for dbName: the users' data; it would stay in AWS, forgotten; "
            "it is protected, so the engine stops"
        ),
    )


def test_deleting_what_holds_data_is_blocked_and_a_replica_is_not() -> None:
    primary = made(DATABASE, "db", {"dbName": "a"})
    replica = made(DATABASE, "reader", {"replicateSourceDb": "db"})

    assert only(judge([primary], [])) == (Action.DELETE, ("Instance db would be deleted: the users' data",))
    assert only(judge([replica], [])) == (Action.DELETE, ())


def test_what_the_program_protects_is_guarded_whatever_it_is() -> None:
    assert only(judge([made(ALARM, "a", options={"protect": True})], []))[1] != ()


def test_what_aws_refuses_is_blocked_though_nothing_is_replaced() -> None:
    before, after = made(DATABASE, "db", {"allocatedStorage": 100}), made(DATABASE, "db", {"allocatedStorage": 20})

    action, blocked = only(judge([before], [after]))

    assert action is Action.UPDATE
    assert blocked == ("Instance db: RDS storage never shrinks (allocatedStorage 100 to 20 GiB)",)


def test_a_value_that_nobody_can_see_is_the_same_while_it_comes_from_the_same() -> None:
    one, other = made(KEY, "one"), made(KEY, "other")
    before = made(DATABASE, "db", {"kmsKeyId": UNKNOWN}, uses={"kmsKeyId": [one.urn]})
    same = made(DATABASE, "db", {"kmsKeyId": UNKNOWN}, uses={"kmsKeyId": [one.urn]})
    moved = made(DATABASE, "db", {"kmsKeyId": UNKNOWN}, uses={"kmsKeyId": [other.urn]})

    assert judge([one, other, before], [one, other, same]).operations == ()
    assert only(judge([one, other, before], [one, other, moved]))[0] is Action.REPLACE


def test_a_secret_from_elsewhere_is_a_change() -> None:
    before = made(QUEUE, "q", {"policy": SECRET}, uses={"policy": ["urn:a"]})
    after = made(QUEUE, "q", {"policy": SECRET}, uses={"policy": ["urn:b"]})

    assert only(judge([before], [after]))[0] is Action.UPDATE


def test_a_replacement_spreads_to_what_uses_it_in_whatever_order_they_are_listed() -> None:
    def stack(cidr: str) -> list[PlannedResource]:
        vpc = made("aws:ec2/vpc:Vpc", "vpc", {"cidrBlock": cidr})
        subnet = made(SUBNET, "subnet", {"vpcId": UNKNOWN}, uses={"vpcId": [vpc.urn]})
        group = made(
            "aws:rds/subnetGroup:SubnetGroup", "group", {"subnetIds": [UNKNOWN]}, uses={"subnetIds": [subnet.urn]}
        )
        return [group, subnet, vpc]

    growth = judge(stack("10.0.0.0/16"), stack("10.1.0.0/16"))

    assert {one.resource.name: one.action for one in growth.operations} == {
        "vpc": Action.REPLACE,
        "subnet": Action.REPLACE,
        "group": Action.UPDATE,
    }
    assert len(growth.blocked) == 2


def test_another_cluster_replaces_every_object_of_its_provider() -> None:
    def stack(cluster: str) -> list[PlannedResource]:
        provider = made(
            "pulumi:providers:kubernetes", "k8s", {"clusterIdentifier": UNKNOWN}, uses={"clusterIdentifier": [cluster]}
        )
        inside: Options = {"provider": provider.urn}
        return [provider, made("kubernetes:apps/v1:Deployment", "api", {"spec": {"paused": True}}, options=inside)]

    actions = [one.action for one in judge(stack("urn:a"), stack("urn:b")).operations]

    assert actions == [Action.REPLACE, Action.REPLACE]
    assert judge(stack("urn:a"), stack("urn:a")).operations == ()


@pytest.mark.parametrize(("setting", "action"), [("true", Action.UPDATE), ("false", Action.REPLACE)])
def test_a_config_map_changes_in_place_where_its_provider_lets_it(setting: str, action: Action) -> None:
    provider = made("pulumi:providers:kubernetes", "k8s", {"enableConfigMapMutable": setting})
    inside: Options = {"provider": provider.urn}
    before, after = (made("kubernetes:core/v1:ConfigMap", "c", {"data": {"a": v}}, options=inside) for v in "xy")

    assert only(judge([provider, before], [provider, after]))[0] is action


@pytest.mark.parametrize(
    ("ignored", "before", "after"),
    [
        ("dbName", {"dbName": "a"}, {"dbName": "b"}),
        ("dbName", {"dbName": "a"}, {}),
        ("dbName", {}, {"dbName": "b"}),
        ('tags["app.io/name"]', {"tags": {"app.io/name": "a"}}, {"tags": {"app.io/name": "b"}}),
        ("list[0].a", {"list": [{"a": 1}]}, {"list": [{"a": 2}]}),
        ("list[*].a", {"list": [{"a": 1}, {"a": 1}]}, {"list": [{"a": 2}, {"a": 3}]}),
        ("map.*", {"map": {"a": 1}}, {"map": {"b": 1}}),
    ],
)
def test_ignored_changes_are_none(ignored: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    olds, news = made(DATABASE, "db", before), made(DATABASE, "db", after, options={"ignoreChanges": [ignored]})

    assert judge([olds], [news]).operations == ()
    assert judge([olds], [replace(news, options={})]).operations != ()


def test_another_parent_is_another_resource_unless_an_alias_says_it_was_there() -> None:
    home, other = made("headroom:a:A", "home"), made("headroom:b:B", "other")
    before = made(DATABASE, "db", parent=home.urn)
    after = made(DATABASE, "db", parent=other.urn)
    known_as = replace(after, options={"aliases": [before.urn]})

    assert judge([before], [after]).blocked == (
        "Instance db would be deleted, and made anew under another parent: the users' data",
    )
    assert judge([before], [known_as]).operations == ()
    renamed = made(DATABASE, "new", options={"aliases": ["db"]})
    assert judge([made(DATABASE, "db")], [renamed]).operations == ()


def test_a_fixed_name_is_deleted_first_unless_the_program_says_otherwise() -> None:
    before = made(QUEUE, "q", {"name": "q", "fifoQueue": False})
    after = made(QUEUE, "q", {"name": "q", "fifoQueue": True})
    other = replace(after, options={"deleteBeforeReplace": False})

    assert [one.delete_first for one in judge([before], [after]).operations] == [True]
    assert [one.delete_first for one in judge([before], [other]).operations] == [False]


def test_what_goes_is_last_and_in_reverse() -> None:
    before = [made(ALARM, "first"), made(ALARM, "second")]

    growth = judge(before, [made(ALARM, "new")])

    assert [one.resource.name for one in growth.operations] == ["new", "second", "first"]


def test_a_state_knows_what_a_plan_cannot_and_they_agree() -> None:
    key = made(KEY, "key")
    inputs = {"kmsKeyId": "arn:1", "password": SECRET, "monitoringRoleArn": "arn:aws:iam::1:role/x"}
    before = made(DATABASE, "db", inputs, uses={"kmsKeyId": [key.urn]})
    told = {"kmsKeyId": UNKNOWN, "password": SECRET, "monitoringRoleArn": CALLER_ARN}
    after = made(DATABASE, "db", told, uses={"kmsKeyId": [key.urn]})

    assert judge([key, before], [key, after], real=True).operations == ()
    assert judge([key, before], [key, after]).operations != ()
    other = replace(after, property_dependencies={"kmsKeyId": ["urn:other"]})
    assert only(judge([key, before], [key, other], real=True))[0] is Action.REPLACE


def test_the_guard_and_the_local_clouds_engine_judge_alike() -> None:
    """Over every change of one input of every resource at 10k to another value, and to none."""
    for one in planned(PhaseName.P10K):
        if one.is_component or one.type.startswith(("kubernetes:core", "pulumi:")):
            continue
        for name, value in one.inputs.items():
            for inputs in ({**one.inputs, name: other(value)}, {k: v for k, v in one.inputs.items() if k != name}):
                engine = compare(one.type, one.inputs, inputs)
                mine = judge([one], [replace(one, inputs=inputs)]).operations
                replaced = [found for found in mine if found.action is Action.REPLACE]
                assert bool(engine.replaces) == bool(replaced), (one.name, name)
                assert all(reason in " ".join(mine[0].blocked) for reason in engine.refusals), (one.name, name)


# Over the phases.


@each_growth
def test_no_phase_replaces_or_deletes_what_holds_data(old: PhaseName, new: PhaseName) -> None:
    assert judge(planned(old), planned(new)).blocked == ()


@each_phase
def test_a_phase_is_no_change_to_itself(phase: PhaseName) -> None:
    assert judge(planned(phase), planned(phase)).operations == ()


@each_phase
def test_every_type_of_a_phase_is_known(phase: PhaseName) -> None:
    kinds = {one.type for one in planned(phase) if not one.is_component and not one.type.startswith("pulumi:")}

    assert sorted(token for token in kinds if not known(token)) == []


def immutable(token: str) -> list[str]:
    """Every input path of a type whose change replaces, by the data alone."""
    entry = json.loads(DATA.read_text(encoding="utf-8"))["types"][token]
    ruled = {path for rule, path in RULES if rule == token}
    return [path for path in (*entry.get("replace", ()), *entry.get("within", ())) if path not in ruled]


def changed(one: PlannedResource, path: str) -> PlannedResource:
    """The same resource with another value at the path: a new one where it has none, none where it has a block."""
    root, inputs = path.partition(".")[0], copy.deepcopy(one.inputs)
    if path == root and isinstance(inputs.get(root), dict):
        return replace(one, inputs={key: value for key, value in inputs.items() if key != root})
    if UNKNOWN in json.dumps(inputs.get(root)) or SECRET in json.dumps(inputs.get(root)):
        return replace(one, property_dependencies={**one.property_dependencies, root: ["urn:another"]})
    here: Any = inputs
    *above, leaf = path.split(".")
    for key in above:
        here = here[0] if isinstance(here, list) else here
        here = here.setdefault(key, {})
    here = here[0] if isinstance(here, list) else here
    here[leaf] = other(here.get(leaf))
    return replace(one, inputs=inputs)


def other(value: Any) -> Any:
    """Something else of the same shape."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case list():
            return [*value, "another"]
        case dict():
            return {**value, "another": "another"}
        case _:
            return f"{value}-another"


def test_every_immutable_input_of_what_holds_data_is_caught() -> None:
    """In the largest phase, for a resource of each type, one input at a time, nested ones too."""
    missed, tried = [], 0
    samples = {
        one.type: one
        for one in sorted(planned(PhaseName.P1M), key=lambda one: len(one.inputs))
        if not one.is_component and holds_data(one.type, one.inputs, protect=one.options.get("protect", False))
    }
    for token, one in samples.items():
        for path in immutable(token):
            if path in KEPT_WHEN_DROPPED.get(token, ()) and path.split(".")[0] not in one.inputs:
                continue  # setting it on an object that has it already is for the other tests
            tried += 1
            if not judge([one], [changed(one, path)]).blocked:
                missed.append(f"{token} {path}")

    assert missed == []
    assert tried > 100
    assert {token for token in samples if token in STATEFUL}


SELDOM = 0.2
"""How often a growth to the last phase is tried beside the others: its plan takes as long as five of theirs."""

CHOICES: Mapping[str, list[dict[str, Any]]] = {
    "class": [{"database": {"instanceClass": c, "replicaClass": c}} for c in ("db.r6g.2xlarge", "db.r6g.4xlarge")],
    "storage": [{"database": {"storageGib": g, "maxStorageGib": 2 * g}} for g in (500, 700, 1000)],
    "readers": [{"database": {"localReplicas": count}} for count in (3, 4, 5)],
    "backups": [{"database": {"backupRetentionDays": days}} for days in (31, 35)],
    "shards": [{"cache": {"nodeType": "cache.r7g.xlarge", "shards": count}} for count in (4, 5, 6)],
    "state": [{"state": {"nodeType": "cache.r7g.xlarge", "replicasPerShard": count}} for count in (1, 2)],
    "gateways": [{"network": {"natGateways": 3}}],
    "endpoints": [{"network": {"interfaceEndpoints": list(names)}} for names in (("logs",), ("logs", "sqs", "sts"))],
    "insights": [{"telemetry": {"containerInsights": on}} for on in (True, False)],
    "traces": [{"telemetry": {"traceSamplePercent": share}} for share in (1, 50)],
    "spot": [{"compute": {"spot": on}} for on in (True, False)],
}


def random_overrides(seed: int) -> Iterator[tuple[dict[str, Any], PhaseName, PhaseName]]:
    """Valid overrides of a growth, without end."""
    chance = random.Random(seed)  # noqa: S311 - the same ones each time
    while True:
        overrides: dict[str, Any] = {}
        for name in chance.sample(sorted(CHOICES), chance.randint(1, 4)):
            for section, values in chance.choice(CHOICES[name]).items():
                overrides[section] = {**overrides.get(section, {}), **values}
        old, new = chance.choices(FORWARD, [SELDOM if PhaseName.P1M in growth else 1 for growth in FORWARD])[0]
        try:
            for phase in (old, new):
                sizes(in_phase(stored(overrides), phase))
        except UserError:
            continue
        yield overrides, old, new


def test_no_alarm_is_false_whatever_a_stack_overrides() -> None:
    examples = random_overrides(seed=1)
    for overrides, old, new in islice(examples, 100):
        before, after = (planned.__wrapped__(phase, json.dumps(overrides)) for phase in (old, new))
        assert judge(before, after).blocked == (), (overrides, old, new)
