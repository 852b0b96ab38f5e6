"""Physical names: the same each time, within AWS's limits, and never two alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import UserError
from infra.naming import LIMITS, Names

STACKS = st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)*", fullmatch=True).filter(lambda name: len(name) < 100)


@given(STACKS, st.sampled_from(sorted(LIMITS)), st.text("abcdefghij-", min_size=1, max_size=200))
def test_a_name_is_within_its_limit_and_stays_the_same(stack: str, kind: str, logical: str) -> None:
    names = Names("headroom", stack)
    assert len(names.of(kind, logical)) <= LIMITS[kind]
    assert names.of(kind, logical) == Names("headroom", stack).of(kind, logical)


@given(st.sampled_from(sorted(LIMITS)), st.sets(st.text("abc", min_size=80, max_size=90), min_size=2, max_size=5))
def test_shortened_names_differ(kind: str, logicals: set[str]) -> None:
    names = Names("headroom", "10k")
    assert len({names.of(kind, logical) for logical in logicals}) == len(logicals)


@pytest.mark.parametrize("stack", ["Staging", "a_b", "x.y", "a--b", "-a", "a-"])
def test_a_stack_that_cannot_be_in_a_name_is_refused(stack: str) -> None:
    with pytest.raises(UserError, match="names of buckets and databases"):
        Names("headroom", stack)
