"""Times: where they come from, which path is the longest, and that the program waits for nothing in vain."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase

import pytest

from infra.growth.guard import Action, judge
from infra.growth.times import (
    DATA,
    NEEDED,
    clock,
    duration,
    first_up,
    longest,
    needless,
    of_growth,
    shortest_possible,
    told,
)
from infra.plan import PlannedResource
from infra.replacements import known
from stacks.phase import PhaseName
from tests.growth.conftest import each_phase, made, planned

DATABASE = "aws:rds/instance:Instance"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
ENTRIES = json.loads(DATA.read_text(encoding="utf-8"))["types"]


def test_every_time_says_where_it_is_from_and_how_sure_it_is() -> None:
    assert [token for token, entry in ENTRIES.items() if len(entry["source"]) < 10] == []
    assert {entry["confidence"] for entry in ENTRIES.values()} <= {"documented", "acceptance test", "log", "estimate"}
    assert [token for token in ENTRIES if not known(token)] == []
    assert list(ENTRIES) == sorted(ENTRIES)


@pytest.mark.parametrize(
    ("action", "inputs", "changed", "seconds"),
    [
        (Action.CREATE, {}, (), 270),
        (Action.CREATE, {"multiAz": False}, (), 270),
        (Action.CREATE, {"multiAz": True}, (), 720),
        (Action.CREATE, {"replicateSourceDb": "db"}, (), 780),
        (Action.UPDATE, {}, ("maxAllocatedStorage",), 240),
        (Action.UPDATE, {}, ("instanceClass",), 1200),
        (Action.UPDATE, {}, ("instanceClass", "allocatedStorage"), 1200),
        (Action.UPDATE, {}, ("allocatedStorage", "instanceClass"), 1200),
        (Action.REPLACE, {}, (), 510),
    ],
)
def test_the_slowest_case_that_fits_counts(
    action: Action, inputs: dict[str, object], changed: tuple[str, ...], seconds: int
) -> None:
    assert duration(action, made(DATABASE, "db", inputs), changed) == seconds


def test_what_has_no_entry_takes_the_default() -> None:
    assert duration(Action.CREATE, made("aws:x/y:Y", "y")) == 2


def chain() -> list[PlannedResource]:
    """Two branches, of which the one through `c` is longer, a component, a parent and a provider."""
    group = made("headroom:a:A", "group")
    a = made("aws:x/a:A", "a", parent=group.urn)
    b = made("aws:x/b:B", "b", uses={"x": [a.urn]})
    c = made("aws:x/c:C", "c", waits=(a.urn,))
    d = made("aws:x/d:D", "d", uses={"x": [b.urn, c.urn]})
    e = made("aws:x/e:E", "e", options={"provider": d.urn})
    return [group, a, b, c, d, e, made("aws:x/f:F", "f", parent=e.urn)]


def test_the_longest_path_goes_through_values_waits_providers_and_parents() -> None:
    resources = chain()
    seconds = {one.urn: {"c": 50, "b": 10}.get(one.name, 1) for one in resources if not one.is_component}

    found = longest(resources, seconds)

    assert [one.name for one, _ in found.links] == ["a", "c", "d", "e", "f"]
    assert found.seconds == 54


def test_a_wait_for_what_nothing_is_used_of_is_needless_unless_declared() -> None:
    resources = chain()
    waiter = made("aws:lambda/function:Function", "f", waits=("urn:role",))
    policy = made("aws:iam/rolePolicy:RolePolicy", "p")
    declared = made("aws:lambda/function:Function", "g", waits=(policy.urn,))

    assert [(one.name, other.name) for one, other in needless(resources)] == [("c", "a")]
    assert needless([policy, waiter, declared]) == []


def test_a_growth_takes_its_operations_and_then_what_it_deletes() -> None:
    old = made(DATABASE, "db", {"instanceClass": "a", "tags": {"Phase": "1"}})
    new = made(DATABASE, "db", {"instanceClass": "b", "tags": {"Phase": "2"}})
    tagged = made(DATABASE, "db", {"instanceClass": "a", "tags": {"Phase": "2"}})
    gone = made("aws:ec2/natGateway:NatGateway", "nat")

    found = of_growth(judge([old, gone], [new]), [new])

    assert [(one.name, seconds) for one, seconds in found.links] == [("db", 1200), ("nat", 60)]
    assert of_growth(judge([old], [tagged]), [tagged]).seconds == 2
    assert of_growth(judge([old], [old]), [old]).links == ()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (89, "1 min"),
        (3570, "1 h 0 min"),
        (3600, "1 h 0 min"),
        (5400, "1 h 30 min"),
    ],
)
def test_a_duration_reads_like_one(seconds: int, shown: str) -> None:
    assert clock(seconds) == shown


def test_only_slow_links_are_told() -> None:
    alarm, database = made(ALARM, "alarm"), made(DATABASE, "db", {"multiAz": True}, waits=())

    assert told(longest([alarm, database], {alarm.urn: 2, database.urn: 720})) == "db (Instance, 12 min)"


@each_phase
def test_the_program_waits_for_hardly_more_than_it_must(phase: PhaseName) -> None:
    resources = planned(phase)

    assert first_up(resources).seconds <= shortest_possible(resources).seconds * 1.1
    assert first_up(resources).seconds > 600


@each_phase
def test_every_wait_is_for_a_value_or_for_a_declared_reason(phase: PhaseName) -> None:
    found = sorted({(one.type, other.type) for one, other in needless(planned(phase))})

    assert found == []


def test_every_declared_reason_is_needed_somewhere() -> None:
    everything = [one for phase in PhaseName for one in planned(phase)]
    types = {one.urn: one.type for one in everything}
    waits = {(one.type, types[urn]) for one in everything for urn in one.dependencies if urn in types}

    unused = [pair for pair in NEEDED if not any(fnmatchcase(a, pair[0]) and fnmatchcase(b, pair[1]) for a, b in waits)]
    assert unused == []
