"""The steps: which parts come apart, that each is a valid stack, and that they end where a single step would."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from infra.errors import UserError
from infra.growth import steps as module
from infra.growth.guard import judge
from infra.growth.steps import OVERRIDES_KEY, Step, in_phase, leaves, merged, reboots, sizes, steps
from infra.plan import UNKNOWN, make_plan
from infra.problems import set_command
from stacks.phase import PhaseName
from tests.growth.conftest import each_growth, made, planned, stored

P10K, P50K, P250K, P1M = PhaseName


def names(overrides: dict[str, Any] | None, old: PhaseName, new: PhaseName) -> list[str]:
    return [step.name for step in steps(stored(overrides), old, new)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (P10K, P50K, ["phase 50k"]),
        (P50K, P250K, ["database storage", "readers", "phase 250k"]),
        (P250K, P1M, ["cache nodes", "phase 1m"]),
        (P10K, P250K, ["database storage, cache nodes", "phase 250k"]),
        (P10K, P10K, ["phase 10k"]),
    ],
)
def test_only_what_cannot_be_together_comes_apart(old: PhaseName, new: PhaseName, expected: list[str]) -> None:
    assert names(None, old, new) == expected


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"database": {"storageGib": 500, "maxStorageGib": 900}}, ["readers", "phase 250k"]),
        (
            {"database": {"instanceClass": "db.r6g.xlarge", "replicaClass": "db.r6g.xlarge"}},
            ["phase 250k"],
        ),
        ({"cache": {"shards": 3}}, ["database storage", "readers", "phase 250k"]),
    ],
)
def test_what_a_stack_pins_needs_no_step(overrides: dict[str, Any], expected: list[str]) -> None:
    assert names(overrides, P50K, P250K) == expected


def test_shards_come_first_where_the_new_nodes_alone_would_not_hold_what_is_there() -> None:
    small = {"cache": {"nodeType": "cache.m7g.large", "usableMib": 4_000}}
    before = sizes(in_phase(stored(small), P50K))
    after = before.model_copy(
        update={"cache": before.cache.model_copy(update={"node_type": "cache.t4g.medium", "shards": 3})}
    )
    (part,) = module._parts(before, after)

    assert (part.name, part.before) == ("cache shards", ("cache nodes",))


def test_readers_shrink_after_their_primary() -> None:
    before, after = sizes(in_phase(stored(), P250K)), sizes(in_phase(stored(), P50K))
    groups = module._grouped([part for part in module._parts(before, after) if "cache" not in part.name])

    assert [[part.name for part in group] for group in groups] == [["primary"]]


@each_growth
def test_every_step_is_a_valid_stack_in_the_old_phase_and_the_last_one_is_the_new_phase(
    old: PhaseName, new: PhaseName
) -> None:
    *early, last = steps(stored(), old, new)

    for step in early:
        assert sizes(step.stored).name is old
        assert json.loads(step.stored.raw[OVERRIDES_KEY])
        assert step.waits
    assert last.stored == in_phase(stored(), new)


@pytest.mark.parametrize(("old", "new"), list(pairwise(PhaseName)))
def test_walking_the_steps_loses_nothing_and_ends_where_switching_does(old: PhaseName, new: PhaseName) -> None:
    before = planned(old)
    for step in steps(stored(), old, new):
        after = tuple(make_plan(step.stored).resources)
        assert judge(before, after).blocked == (), step.name
        before = after

    assert judge(before, planned(new)).operations == ()


def commanded(step: Step) -> dict[str, Any]:
    """What the overrides are after a step's commands, from none."""
    found: dict[str, Any] = {}
    for command in step.commands:
        assert command.startswith("pulumi config set --path headroom:overrides.")
        path, value = command.removeprefix("pulumi config set --path headroom:overrides.").split()[:2]
        tree: Any = value if not value.isdigit() else int(value)
        for key in reversed(path.split(".")):
            tree = {key: tree}
        found = merged(found, tree)
    return found


def test_the_commands_set_what_the_step_says() -> None:
    first, second, _ = steps(stored(), P50K, P250K)

    assert commanded(first) == json.loads(first.stored.raw[OVERRIDES_KEY])
    assert merged(commanded(first), commanded(second)) == json.loads(second.stored.raw[OVERRIDES_KEY])


def test_the_last_step_takes_away_what_the_steps_brought_and_nothing_else() -> None:
    own = {"database": {"backupRetentionDays": 35}}

    assert steps(stored(), P250K, P1M)[-1].commands == (
        "pulumi config rm headroom:overrides --stack prod",
        set_command("headroom:phase", "1m", "prod"),
    )
    *early, last = steps(stored(own), P250K, P1M)
    assert last.commands[:-1] == ("pulumi config rm --path headroom:overrides.cache.nodeType --stack prod",)
    assert all(json.loads(step.stored.raw[OVERRIDES_KEY])["database"] == own["database"] for step in early)


def test_what_removals_leave_behind_is_still_valid() -> None:
    """`pulumi config rm --path` leaves the groups, empty."""
    assert sizes(in_phase(stored({"database": {}, "cache": {}}), P250K)) == sizes(in_phase(stored(), P250K))


def test_a_configuration_that_the_new_phase_does_not_take_is_told() -> None:
    no_account = {key: text for key, text in stored().raw.items() if key != "headroom:cloudflareAccountId"}

    with pytest.raises(UserError, match="cloudflareAccountId"):
        steps(replace(stored(), raw=no_account), P250K, P1M)


def test_leaves_are_the_dotted_values() -> None:
    assert dict(leaves({"a": {"b": 1, "c": {"d": 2}}, "e": 3})) == {"a.b": 1, "a.c.d": 2, "e": 3}


@pytest.mark.parametrize(
    ("method", "grows", "expected"),
    [("pending-reboot", False, ["db"]), ("pending-reboot", True, []), ("immediate", False, [])],
)
def test_an_instance_is_restarted_by_hand_when_nothing_else_brings_a_static_parameter_in(
    *, method: str, grows: bool, expected: list[str]
) -> None:
    def stack(limit: str, instance_class: str) -> list[Any]:
        values = [{"name": "a", "value": "1"}, {"name": "max_connections", "value": limit, "applyMethod": method}]
        group = made("aws:rds/parameterGroup:ParameterGroup", "parameters", {"parameters": values})
        inputs = {"identifier": "db", "instanceClass": instance_class, "parameterGroupName": UNKNOWN}
        return [group, made("aws:rds/instance:Instance", "primary", inputs, uses={"parameterGroupName": [group.urn]})]

    after = stack("200", "db.r6g.large" if grows else "db.t4g.medium")
    growth = judge(stack("100", "db.t4g.medium"), after)

    assert reboots(growth, after) == expected
