"""A state's export: what it says, and how an object gets into it."""

from __future__ import annotations

from typing import Any

import pytest

from infra.local.values import UNKNOWN_WIRE
from infra.recovery.deployment import Deployment, Doing, NotYetError

BASE = "urn:pulumi:s::p::"
PROVIDER = f"{BASE}pulumi:providers:aws::default"
QUEUE = "aws:sqs/queue:Queue"
DATABASE = "aws:rds/instance:Instance"
URN = f"{BASE}lab:Shop${QUEUE}::mail"
SHOP = f"{BASE}lab:Shop::shop"


def deployment(*resources: dict[str, Any], pending: list[dict[str, Any]] | None = None) -> Deployment:
    provider = {"urn": PROVIDER, "type": "pulumi:providers:aws", "custom": True, "id": "one", "inputs": {}}
    content: dict[str, Any] = {"version": 3, "deployment": {"resources": [provider, *resources]}}
    if pending:
        content["deployment"]["pending_operations"] = pending
    return Deployment(content)


def goal(type_: str = QUEUE, **inputs: Any) -> dict[str, Any]:
    return {
        "type": type_,
        "custom": True,
        "parent": SHOP,
        "provider": f"{PROVIDER}::one",
        "protect": True,
        "inputDiff": {"adds": inputs},
    }


FRAME = {"type": "lab:Shop", "custom": False, "inputDiff": {}}


def test_what_was_under_way_is_read_and_forgotten() -> None:
    state = deployment(pending=[{"type": "creating", "resource": {"urn": URN, "type": QUEUE}}])

    assert [(one.doing, one.urn) for one in state.pending] == [(Doing.CREATING, URN)]
    state.forget_pending()
    assert state.pending == []


def test_a_finished_creation_keeps_its_inputs_and_gets_id_and_outputs() -> None:
    closed = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:x"}
    resource = {"urn": URN, "type": QUEUE, "custom": True, "inputs": {"name": "mail", "key": closed}}
    state = deployment(pending=[{"type": "creating", "resource": resource}])

    state.resume(state.pending[0], "url", {"arn": "arn:mail", "region": "us-east-1"})

    found = state.living()[URN]
    assert found["id"] == "url"
    assert found["inputs"] == {"name": "mail", "key": closed}
    assert found["outputs"] == {"arn": "arn:mail", "region": "us-east-1", "name": "mail", "key": closed}


def test_a_creation_whose_parent_is_not_recorded_waits() -> None:
    resource = {"urn": URN, "type": QUEUE, "custom": True, "inputs": {}, "parent": SHOP}
    state = deployment(pending=[{"type": "creating", "resource": resource}])

    with pytest.raises(NotYetError, match="shop"):
        state.resume(state.pending[0], "url", {})
    assert URN not in state.living()


def test_what_the_program_wants_is_recorded_with_the_components_around_it() -> None:
    state = deployment()

    state.adopt(URN, {URN: goal(name="mail"), SHOP: FRAME}, "url", {"arn": "arn:mail"})

    assert [one["urn"] for one in state.resources] == [PROVIDER, SHOP, URN]
    found = state.living()[URN]
    assert (found["id"], found["provider"], found["protect"]) == ("url", f"{PROVIDER}::one", True)
    assert found["outputs"] == {"arn": "arn:mail", "name": "mail"}


def test_a_provider_that_is_not_recorded_is_recorded_too() -> None:
    state = Deployment({})
    provider = {"type": "pulumi:providers:aws", "custom": True, "inputDiff": {"adds": {"version": "7.0.0"}}}

    state.adopt(URN, {URN: goal(name="mail"), SHOP: FRAME, PROVIDER: provider}, "url", {})

    living = state.living()
    assert living[PROVIDER]["inputs"] == {"version": "7.0.0"}
    assert living[URN]["provider"] == f"{PROVIDER}::{living[PROVIDER]['id']}"


@pytest.mark.parametrize("unknown", [UNKNOWN_WIRE, [UNKNOWN_WIRE], {"a": {"b": UNKNOWN_WIRE}}])
def test_an_input_that_nobody_knows_yet_waits(unknown: Any) -> None:
    with pytest.raises(NotYetError, match="known only when other resources exist"):
        deployment().adopt(URN, {URN: goal(name=unknown), SHOP: FRAME}, "url", {})


def test_a_dependency_that_is_not_recorded_waits() -> None:
    other = f"{BASE}{QUEUE}::other"
    goals = {URN: {**goal(), "dependencies": [other]}, SHOP: FRAME, other: goal()}
    with pytest.raises(NotYetError, match="other"):
        deployment().adopt(URN, goals, "url", {})


def test_a_database_whose_password_is_lost_is_recorded_without_it() -> None:
    urn = f"{BASE}{DATABASE}::db"
    password = f"{BASE}random:index/randomPassword:RandomPassword::db"
    wanted = goal(DATABASE, identifier="db", password=UNKNOWN_WIRE)
    wanted |= {"dependencies": [password], "propertyDependencies": {"password": [password], "identifier": []}}
    state = deployment()

    state.adopt(urn, {urn: wanted, SHOP: FRAME}, "db-1", {}, partly=True)

    found = state.living()[urn]
    assert found["inputs"] == {"identifier": "db"}
    assert found["dependencies"] == []
    assert found["propertyDependencies"] == {"password": [], "identifier": []}


def test_what_would_be_replaced_by_the_missing_input_is_not_recorded() -> None:
    urn = f"{BASE}{DATABASE}::db"
    goals = {urn: goal(DATABASE, identifier="db", dbSubnetGroupName="group", kmsKeyId=UNKNOWN_WIRE), SHOP: FRAME}
    with pytest.raises(NotYetError, match="kmsKeyId"):
        deployment().adopt(urn, goals, "db-1", {}, partly=True)


def test_objects_are_told_apart_by_region_and_by_cluster() -> None:
    kubernetes, space = "pulumi:providers:kubernetes", "kubernetes:core/v1:Namespace"
    group = "aws:cloudwatch/logGroup:LogGroup"
    east = f"{BASE}{kubernetes}::east"
    inputs = {"clusterIdentifier": "arn:east"}
    state = deployment(
        {"urn": east, "type": kubernetes, "custom": True, "id": "k", "inputs": inputs},
        {"urn": f"{BASE}{space}::app", "type": space, "custom": True, "id": "app", "provider": f"{east}::k"},
        {
            "urn": f"{BASE}{group}::app",
            "type": group,
            "custom": True,
            "id": "/app",
            "outputs": {"region": "eu-west-1"},
            "delete": True,
        },
    )

    assert state.objects() == {
        ("aws:cloudwatch/logGroup:LogGroup", "/app", "eu-west-1"),
        ("kubernetes:core/v1:Namespace", "app", "arn:east"),
    }


def test_an_object_that_is_to_be_deleted_gets_the_provider_of_its_resource_or_of_its_type() -> None:
    mine = {"urn": URN, "type": QUEUE, "custom": True, "id": "a", "provider": "west::2"}
    state = deployment(mine)

    assert state.provider_of(URN, QUEUE) == "west::2"
    assert state.provider_of("another", QUEUE) == "west::2"
    assert state.provider_of("another", DATABASE) == f"{PROVIDER}::one"
    assert state.provider_of("another", "kubernetes:core/v1:Namespace") is None
