"""What is in no state, and what of it is deleted."""

from __future__ import annotations

import pytest

from infra.errors import UserError
from infra.recovery.sweep import sweep
from tests.recovery.fake import Fake, entry, there

VPC = "aws:ec2/vpc:Vpc"
RULE = "aws:cloudwatch/eventRule:EventRule"


def test_what_the_state_has_is_no_orphan() -> None:
    assert sweep(Fake(entry("mail", "m"), cloud=(there("mail", "m"),))).orphans == ()


def test_without_delete_nothing_is_touched() -> None:
    fake = Fake(cloud=(there("old", "o", RULE),))

    done = sweep(fake)

    assert [(one.id, one.deleted) for one in done.left] == [("o", False)]
    assert fake.commands == ["stack export"]


def test_delete_leaves_what_may_hold_data_and_the_state_as_it_was() -> None:
    fake = Fake(entry("mail", "m"), cloud=(there("mail", "m"), there("mail", "second"), there("rule", "r", RULE)))

    done = sweep(fake, delete=True)

    assert {one.id: (one.deleted, bool(one.holds)) for one in done.orphans} == {
        "second": (False, True),
        "r": (True, False),
    }
    assert [one.id for one in fake.cloud] == ["m", "second"]
    assert fake.recorded == {"mail": "m"}


def test_delete_with_data_deletes_the_second_one_and_not_the_first() -> None:
    fake = Fake(entry("mail", "m"), cloud=(there("mail", "m"), there("mail", "second")))

    assert sweep(fake, delete=True, data=True).left == []
    assert [one.id for one in fake.cloud] == ["m"]
    assert fake.recorded == {"mail": "m"}


def test_what_cannot_be_deleted_is_told_and_leaves_the_state_again() -> None:
    fake = Fake(cloud=(there("rule", "r", RULE), there("other", "o", RULE)))
    fake.refused = {"r"}

    done = sweep(fake, delete=True)

    assert [one.id for one in done.left] == ["r"]
    assert done.failures == ("it is in use",)
    assert fake.recorded == {}


def test_what_has_no_provider_in_the_state_is_told() -> None:
    fake = Fake(cloud=(there("space", "s", "kubernetes:core/v1:Namespace"),))

    done = sweep(fake, delete=True)

    assert "no provider" in done.failures[0]
    assert fake.commands == ["stack export", "stack export"]


def test_an_update_that_was_cut_short_is_recovered_first() -> None:
    fake = Fake(cloud=(there("mail", "m"),))
    fake.pend("creating", entry("mail"))
    with pytest.raises(UserError, match="headroom recover s"):
        sweep(fake, delete=True)
