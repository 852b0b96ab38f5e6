"""What a stack must have at all: taken away, the stack itself breaks the rule."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from policies.catalogue import RULES
from policies.evaluate import Finding, Judge
from policies.rule import ROOT
from policies.view import Stack
from tests.policies.conftest import TODAY, shipped

MUST_HAVE = {name: set(rule.types) - {ROOT} for name, rule in RULES.items() if ROOT in rule.types}


@pytest.mark.parametrize("rule", sorted(MUST_HAVE))
def test_a_stack_without_it_is_refused(rule: str) -> None:
    kinds = MUST_HAVE[rule]
    left = [one for one in shipped("10k").resources if not any(fnmatchcase(one.type, kind) for kind in kinds)]
    found = Judge({rule: RULES[rule]}, production=True, today=TODAY).between(Stack(left))
    assert {one.name for one in found if isinstance(one, Finding)} == {"10k"}
