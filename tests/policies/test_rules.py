"""Each rule: kept, broken, absent, unknown, exempted; and broken in a shipped stack, where it alone speaks."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from datetime import date, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.catalogue import RULES
from policies.evaluate import Finding, Judge, Undecided
from policies.exemptions import Exemption
from policies.view import UNKNOWN, Resource, Stack
from tests.policies.cases import GONE, Case, put, unique, with_first
from tests.policies.conftest import STACKS, TODAY, judge, shipped, verdict

CASES = unique(
    case
    for path in sorted(Path(__file__).parent.glob("cases_*.py"))
    for case in importlib.import_module(f"tests.policies.{path.stem}").CASES
)
each_case = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
each_stack = pytest.mark.parametrize("stack", STACKS)


def asked(case: Case, resources: Sequence[Resource]) -> list[Finding | Undecided]:
    """What the case's rule alone says."""
    alone = Judge({case.rule: RULES[case.rule]}, production=True, today=TODAY)
    found = alone.stack(Stack(resources))
    return [*found.findings, *found.undecided]


def test_every_rule_has_a_case_and_every_case_a_rule() -> None:
    assert CASES.keys() == RULES.keys()


@each_case
def test_what_keeps_it_passes(case: Case) -> None:
    assert asked(case, case.good) == []


@each_case
def test_what_breaks_it_is_found(case: Case) -> None:
    for value in case.broken:
        (found,) = asked(case, with_first(case.good, case.path, value))
        assert isinstance(found, Finding), value
        assert found.rule.id == case.rule
        assert found.name == case.good[0].name
        assert "itself fails" not in found.message


@each_case
def test_a_missing_property_means_what_it_should(case: Case) -> None:
    found = asked(case, with_first(case.good, case.path, GONE))
    assert [type(one) for one in found] == ([Finding] if case.absent == "broken" else [])


@each_case
def test_an_unknown_value_is_neither_passed_nor_refused(case: Case) -> None:
    if case.path.startswith("@"):
        return  # options and edges are always known
    found = asked(case, with_first(case.good, case.path, UNKNOWN))
    assert [type(one) for one in found] == ([Undecided] if case.unknown == "undecided" else [])


@each_case
def test_an_exemption_excuses_it_and_is_reported(case: Case) -> None:
    exemption = Exemption(case.rule, "*", TODAY + timedelta(days=1), "shown in a test")
    alone = Judge({case.rule: RULES[case.rule]}, [exemption], production=True, today=TODAY)
    found = alone.stack(Stack(with_first(case.good, case.path, case.broken[0])))
    assert [one.exemption for one in found.findings] == [exemption]
    assert found.passed


@each_case
def test_broken_in_a_shipped_stack_it_alone_speaks(case: Case) -> None:
    stack = shipped(case.stack)
    before = {(one.rule.id, one.urn, one.message) for one in verdict(case.stack).findings}
    path = case.shipped_path or case.path
    value = case.broken[0] if case.shipped_value is None else case.shipped_value
    kinds = RULES[case.rule].types
    for at, one in enumerate(stack.resources):
        if not fnmatchcase(one.name, case.shipped or "*") or not any(fnmatchcase(one.type, kind) for kind in kinds):
            continue
        changed = put(one, path, value)
        broken = Stack([*stack.resources[:at], changed, *stack.resources[at + 1 :]])
        after = [*judge().resource(changed), *judge().between(broken)]
        new = {
            found.rule.id
            for found in after
            if isinstance(found, Finding) and (found.rule.id, found.urn, found.message) not in before
        }
        if case.rule in new:
            assert new - case.also == {case.rule}
            return
    pytest.fail(f"no resource of {case.stack} breaks {case.rule} with {path} = {value!r}")


@each_stack
def test_the_shipped_stacks_keep_all_rules_without_an_exemption(stack: str) -> None:
    assert [one.text for one in verdict(stack).refused] == []


@pytest.mark.parametrize("token", sorted({kind for rule in RULES.values() for kind in rule.types if "*" not in kind}))
def test_every_type_is_one_of_the_sdks(token: str) -> None:
    package, _, rest = token.partition(":")
    module, _, name = rest.partition(":")
    if package == "aws":
        service = module.partition("/")[0]
        service = "lambda_" if service == "lambda" else service
        assert hasattr(importlib.import_module(f"pulumi_aws.{service}"), name)
    elif package == "kubernetes":
        used = {one.type for stack in STACKS for one in shipped(stack).resources}
        assert token in used
    elif package == "cloudflare":
        # Importing the whole package takes seconds: its modules say what it has.
        found = importlib.util.find_spec("pulumi_cloudflare")
        assert found is not None
        assert found.origin is not None
        files = [path for path in Path(found.origin).parent.glob("*.py") if name.lower() in path.stem.replace("_", "")]
        assert any(f"class {name}(" in path.read_text(encoding="utf-8") for path in files)
    else:
        assert token == "pulumi:pulumi:Stack"


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(UNKNOWN),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=3), inside, max_size=3),
    max_leaves=6,
)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
@each_case
def test_no_rule_fails_whatever_stands_in_a_resource(case: Case, data: st.DataObject) -> None:
    first = case.good[0]
    names = sorted({*first.props, case.path.partition(".")[0]} - {""})
    name = data.draw(st.sampled_from([one for one in names if not one.startswith("@")] or ["x"]))
    found = asked(case, [put(first, name, data.draw(anything)), *case.good[1:]])
    assert [one.message for one in found if isinstance(one, Finding) and "itself fails" in one.message] == []


def test_what_is_excused_for_nothing_or_for_too_long_fails() -> None:
    stack = shipped("10k")
    rule = next(iter(RULES))
    gone = Exemption(rule, "*", date(2020, 1, 1), "it was so once")
    idle = Exemption(rule, "nothing-*", TODAY, "it may be so")
    unknown = Exemption("no-such-rule", "*", TODAY, "it may be so")
    found = Judge(RULES, [gone, idle, unknown], production=True, today=TODAY).stack(stack)
    assert not found.passed
    assert [text.rpartition(": ")[2].split(";")[0].split(" ")[0] for text in found.stale] == ["it", "it", "there"]


@each_stack
def test_a_plan_knows_the_policies_of_all_queues_and_topics(stack: str) -> None:
    waiting = {one.rule.id for one in verdict(stack).undecided}
    assert not [rule for rule in waiting if rule.startswith(("sns-", "sqs-"))]
