"""What counts as a change, and which change replaces."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.diff import Change, Kind, compare, generic
from infra.local.values import UNKNOWN, Secret

QUEUE = "aws:sqs/queue:Queue"
DOMAIN = "aws:opensearch/domain:Domain"
JSON = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
OBJECTS = st.dictionaries(st.text(max_size=5), JSON, max_size=4)


@given(OBJECTS)
def test_the_same_inputs_are_no_change(inputs: dict[str, Any]) -> None:
    assert compare(QUEUE, inputs, inputs).changes == ()


@given(OBJECTS, OBJECTS)
def test_different_inputs_are_a_change(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert bool(compare("aws:x/y:Y", old, new).changes) == (old != new)


def test_paths_have_indexes_and_quoted_keys() -> None:
    old = {"rules": [{"name": "a"}, {"name": "b"}], "tags": {"app.kubernetes.io/name": "x"}}
    new = {"rules": [{"name": "a"}, {"name": "c"}, {"name": "d"}], "tags": {}}
    assert compare(QUEUE, old, new).changes == (
        Change("rules[1].name", Kind.UPDATE, replaces=False),
        Change("rules[2]", Kind.ADD, replaces=False),
        Change('tags["app.kubernetes.io/name"]', Kind.DELETE, replaces=False),
    )


def test_a_path_of_the_data_has_no_indexes() -> None:
    assert generic('a.b[0].c["d.e"][12]') == "a.b.c.d.e"


def test_a_secret_equals_the_same_value_in_the_open() -> None:
    assert compare(QUEUE, {"name": Secret("a")}, {"name": "a"}).changes == ()


def test_a_secret_that_changed_is_a_change() -> None:
    assert compare(QUEUE, {"policy": Secret("a")}, {"policy": Secret("b")}).changes == (
        Change("policy", Kind.UPDATE, replaces=False),
    )


def test_an_unknown_where_a_change_would_replace_replaces() -> None:
    token = "aws:ec2/subnet:Subnet"
    assert compare(token, {"vpcId": "vpc-1"}, {"vpcId": UNKNOWN}).replaces == ("vpcId",)
    assert compare(token, {"tags": {"a": "b"}}, {"tags": {"a": UNKNOWN}}).replaces == ()


def test_a_block_that_is_listed_replaces_when_it_comes_or_goes_but_not_inside() -> None:
    inside = {"subnetIds": ["a"], "securityGroupIds": ["g"]}
    assert compare(DOMAIN, {}, {"vpcOptions": inside}).replaces == ("vpcOptions",)
    assert compare(DOMAIN, {"vpcOptions": inside}, {"vpcOptions": {**inside, "subnetIds": ["b"]}}).replaces == ()


def test_a_block_replaces_when_it_brings_a_field_that_does() -> None:
    token = "aws:eks/cluster:Cluster"
    field = {"bootstrapClusterCreatorAdminPermissions": False}
    assert compare(token, {}, {"accessConfig": field}).replaces == ("accessConfig",)
    assert compare(token, {}, {"accessConfig": {"authenticationMode": "API"}}).replaces == ()


def test_an_element_of_a_listed_list_replaces() -> None:
    token = "aws:acm/certificate:Certificate"
    old = {"subjectAlternativeNames": ["a.example.com"]}
    new = {"subjectAlternativeNames": ["a.example.com", "b.example.com"]}
    assert compare(token, old, new).replaces == ("subjectAlternativeNames",)


@pytest.mark.parametrize(
    ("token", "old", "new", "expected"),
    [
        (QUEUE, {"name": "a", "fifoQueue": False}, {"name": "a", "fifoQueue": True}, True),
        (QUEUE, {"name": "a"}, {"name": "b"}, False),
        (QUEUE, {"fifoQueue": False}, {"fifoQueue": True}, False),
        ("kubernetes:batch/v1:Job", {"metadata": {"name": "a"}}, {"metadata": {"name": "a"}, "spec": 1}, True),
        ("kubernetes:batch/v1:Job", {"metadata": {"namespace": "a"}}, {"metadata": {"namespace": "a"}}, False),
        ("kubernetes:batch/v1:Job", {"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}, False),
    ],
)
def test_a_fixed_name_that_stays_makes_a_replacement_delete_first(
    token: str, old: dict[str, Any], new: dict[str, Any], *, expected: bool
) -> None:
    assert compare(token, old, new).delete_first is expected
