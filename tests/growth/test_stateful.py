"""What holds data is what the program protects, and the other way round."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from infra.growth.stateful import REASONS, STATEFUL, holds_data, rebuildable
from infra.plan import PlannedResource
from stacks.phase import PhaseName
from tests.growth.conftest import each_phase, planned
from tests.test_replacements import sdk_types

UNPROTECTED: Mapping[str, str] = {
    "headroom:network:Network$aws:ec2/securityGroup:SecurityGroup": "endpoints in front of AWS's own services",
    "headroom:network:ApiGateway$aws:ec2/securityGroup:SecurityGroup": "the way of the partners' gateway into the VPC",
    "headroom:telemetry:Grafana$aws:ec2/securityGroup:SecurityGroup": "dashboards reach their sources through it",
}
"""Of a stateful type, but may be replaced all the same: the end of the qualified type, and why."""
PROTECTED = {"random:index/randomPassword:RandomPassword": ["us-east-1-secrets-second-factor"]}
"""Of a type that may be made anew, and protected all the same: without this one, no second factor is ever right."""


def qualified(one: PlannedResource) -> str:
    return one.urn.split("::")[2]


@each_phase
def test_all_that_is_protected_is_known_to_hold_data(phase: PhaseName) -> None:
    protected = {one.type for one in planned(phase) if one.options.get("protect")}

    others = {
        token: [one.name for one in planned(phase) if one.type == token and one.options.get("protect")]
        for token in protected - STATEFUL
    }
    assert others == PROTECTED
    assert len(protected) > 15


@each_phase
def test_all_that_holds_data_is_protected_and_retained(phase: PhaseName) -> None:
    loose = [
        qualified(one)
        for one in planned(phase)
        if one.type in STATEFUL
        and not rebuildable(one.type, one.inputs)
        and not any(qualified(one).endswith(end) for end in UNPROTECTED)
        and not (one.options.get("protect") and one.options.get("retainOnDelete"))
    ]

    assert loose == []


def test_every_stateful_type_is_one_of_the_sdks() -> None:
    assert sorted(STATEFUL - sdk_types().keys()) == []
    assert all(reason and not reason.endswith(".") for reason in REASONS.values())


@pytest.mark.parametrize(
    ("token", "inputs", "protect", "expected"),
    [
        ("aws:rds/instance:Instance", {}, False, True),
        ("aws:rds/instance:Instance", {"replicateSourceDb": "db"}, False, False),
        ("aws:rds/instance:Instance", {"replicateSourceDb": "db"}, True, True),
        ("aws:iam/role:Role", {"assumeRolePolicy": '{"Service": "eks.amazonaws.com"}'}, False, True),
        ("aws:iam/role:Role", {"assumeRolePolicy": '{"Service": "lambda.amazonaws.com"}'}, False, False),
        ("aws:lambda/function:Function", {}, False, False),
        ("aws:lambda/function:Function", {}, True, True),
    ],
)
def test_copies_and_plain_roles_hold_nothing(
    *, token: str, inputs: dict[str, str], protect: bool, expected: bool
) -> None:
    assert holds_data(token, inputs, protect=protect) is expected
