"""What recovery does about each thing that state and cloud do not agree about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from infra.errors import UserError
from infra.local.values import UNKNOWN_WIRE
from infra.recovery.aws import ROUTE
from infra.recovery.names import id_of_name
from infra.recovery.recover import Outcome, Recovery, recover
from tests.recovery.fake import Fake, entry, there, urn, wish


def outcomes(done: Recovery) -> dict[str, Outcome]:
    return {one.urn.rpartition("::")[2]: one.outcome for one in done.findings}


def test_a_stack_that_nothing_happened_to_is_left_alone() -> None:
    fake = Fake(entry("mail", "m"), cloud=(there("mail", "m"),))

    done = recover(fake)

    assert (done.findings, done.is_whole) == ((), True)
    assert fake.commands == ["stack export"]


def test_a_creation_that_was_under_way_is_finished_when_the_object_exists() -> None:
    fake = Fake(cloud=(there("mail", "m"),))
    fake.pend("creating", entry("mail"))

    done = recover(fake)

    assert outcomes(done) == {"mail": Outcome.RECORDED}
    assert (fake.recorded, done.is_whole) == ({"mail": "m"}, True)
    assert "pending_operations" not in fake.content["deployment"]
    assert fake.commands == ["stack export", "stack import", "refresh", "stack export"]


def test_a_creation_that_was_under_way_is_forgotten_when_there_is_nothing() -> None:
    fake = Fake()
    fake.pend("creating", entry("mail"))

    assert outcomes(recover(fake)) == {"mail": Outcome.CLEARED}
    assert fake.recorded == {}


def test_a_change_or_deletion_that_was_under_way_is_left_to_the_next_up() -> None:
    fake = Fake(entry("a", "1"), entry("b", "2"), cloud=(there("a", "1"),))
    fake.pend("updating", entry("a", "1"))
    fake.pend("deleting", entry("b", "2"))

    done = recover(fake)

    assert set(outcomes(done).values()) == {Outcome.REPEATED}
    assert (fake.recorded, done.is_whole) == ({"a": "1", "b": "2"}, True)


def test_what_was_made_unrecorded_is_recorded_as_the_program_wants_it() -> None:
    fake = Fake(cloud=(there("mail", "m"),))
    fake.wishes = {urn("mail"): wish(name="mail")}

    assert outcomes(recover(fake)) == {"mail": Outcome.RECORDED}
    assert fake.recorded == {"mail": "m"}


def test_what_waits_for_another_one_is_recorded_after_it() -> None:
    class Learns(Fake):
        """The program knows the policy's inputs once the queue is recorded."""

        def goals(self) -> dict[str, dict[str, object]]:
            known = "q" if "queue" in self.recorded else UNKNOWN_WIRE
            policy = {**wish("aws:sqs/queuePolicy:QueuePolicy", queueUrl=known), "dependencies": [urn("queue")]}
            return {urn("policy", "aws:sqs/queuePolicy:QueuePolicy"): policy, urn("queue"): wish(name="queue")}

    fake = Learns(cloud=(there("policy", "q", "aws:sqs/queuePolicy:QueuePolicy"), there("queue", "q")))

    assert outcomes(recover(fake)) == {"queue": Outcome.RECORDED, "policy": Outcome.RECORDED}


def test_what_stays_unknown_is_left_with_the_reason() -> None:
    policy = "aws:sqs/queuePolicy:QueuePolicy"
    fake = Fake(cloud=(there("policy", "q", policy),))
    fake.wishes = {urn("policy", policy): wish(policy, queueUrl=UNKNOWN_WIRE)}

    done = recover(fake)

    assert outcomes(done) == {"policy": Outcome.BLOCKED}
    assert "queueUrl" in done.findings[0].reason
    assert (done.is_whole, fake.recorded) == (False, {})


def test_a_second_object_of_a_resource_is_left_to_the_sweep() -> None:
    fake = Fake(entry("mail", "new"), cloud=(there("mail", "new"), there("mail", "old")))
    fake.pend("creating", entry("mail"))

    done = recover(fake)

    assert [(one.id, one.outcome) for one in done.findings] == [("old", Outcome.SECOND)]
    assert (fake.recorded, done.is_whole) == ({"mail": "new"}, False)


def test_of_two_unrecorded_objects_one_is_recorded() -> None:
    fake = Fake(cloud=(there("mail", "one"), there("mail", "two")))
    fake.wishes = {urn("mail"): wish(name="mail")}

    done = recover(fake)

    assert [(one.id, one.outcome) for one in done.findings] == [("one", Outcome.RECORDED), ("two", Outcome.SECOND)]


def test_what_the_program_does_not_want_is_left_to_the_sweep() -> None:
    assert outcomes(recover(Fake(cloud=(there("old", "o"),)))) == {"old": Outcome.STRAY}


def test_a_program_that_fails_does_not_stop_what_was_under_way() -> None:
    fake = Fake(cloud=(there("mail", "m"), there("other", "o")))
    fake.pend("creating", entry("mail"))
    fake.wishes = UserError("the program fails", ["phase is wrong"])

    done = recover(fake)

    assert outcomes(done) == {"mail": Outcome.RECORDED, "other": Outcome.BLOCKED}
    assert done.unplanned == ("the program fails", "phase is wrong")
    assert not done.is_whole


def test_a_dry_run_says_the_same_and_changes_nothing() -> None:
    fake = Fake(cloud=(there("mail", "m"), there("other", "o")))
    fake.pend("creating", entry("mail"))
    fake.wishes = {urn("other"): wish(name="other")}

    done = recover(fake, dry_run=True)

    assert outcomes(done) == {"mail": Outcome.RECORDED, "other": Outcome.RECORDED}
    assert fake.commands == ["stack export"]
    assert fake.recorded == {}


def test_a_dry_run_of_a_locked_stack_does_not_ask_the_program() -> None:
    fake = Fake(cloud=(there("other", "o"),))
    fake.prepared = ["released the lock"]
    fake.wishes = UserError("never asked")

    assert "locked" in recover(fake, dry_run=True).unplanned[0]


class Blind(Fake):
    """A lookup that sees no roles, and an engine whose refresh drops what does not exist."""

    is_complete = False
    roles: tuple[str, ...] = ()

    def run(self, *args: str) -> str:
        if args[0] == "refresh":
            resources = self.content["deployment"]["resources"]
            self.content["deployment"]["resources"] = [
                one for one in resources if not one["type"].startswith("aws:iam") or one["id"] in self.roles
            ]
        return super().run(*args)


@pytest.mark.parametrize(("roles", "outcome"), [(("work",), Outcome.RECORDED), ((), Outcome.CLEARED)])
def test_what_the_lookup_cannot_see_is_tried_by_its_name(roles: tuple[str, ...], outcome: Outcome) -> None:
    fake = Blind()
    fake.roles = roles
    fake.pend("creating", {**entry("role", type_="aws:iam/role:Role"), "inputs": {"name": "work"}})

    assert outcomes(recover(fake)) == {"role": outcome}
    assert fake.recorded == ({"role": "work"} if roles else {})


class Untagged(Fake):
    """A lookup that sees no route before it is asked for it; the second one's destination follows from the first."""

    is_complete = False

    def id_of(self, type_: str, inputs: Mapping[str, Any]) -> str:
        assert type_ == ROUTE
        return f"{inputs['routeTableId']}_{inputs['destinationCidrBlock']}" if inputs["routeTableId"] == "rtb" else ""

    def goals(self) -> dict[str, dict[str, Any]]:
        later = "10.0.0.0/8" if "first" in self.recorded else UNKNOWN_WIRE
        every = {
            "first": wish(ROUTE, region="r", routeTableId="rtb", destinationCidrBlock="0.0.0.0/0"),
            "second": wish(ROUTE, region="r", routeTableId="rtb", destinationCidrBlock=later),
            "absent": wish(ROUTE, region="r", routeTableId="other", destinationCidrBlock="0.0.0.0/0"),
            "queue": wish(name="a"),
        }
        found = {urn(name, one["type"]): one for name, one in every.items() if name not in self.recorded}
        return {**super().goals(), **found}


def test_a_part_that_no_creation_is_known_of_is_asked_for() -> None:
    fake = Untagged()

    assert outcomes(recover(fake, dry_run=True)) == {"first": Outcome.RECORDED}
    assert fake.recorded == {}
    assert outcomes(recover(fake)) == {"first": Outcome.RECORDED, "second": Outcome.RECORDED}
    assert fake.recorded == {"first": "rtb_0.0.0.0/0", "second": "rtb_10.0.0.0/8"}
    assert recover(fake).findings == ()


def test_where_parts_may_be_missing_a_program_that_fails_is_told() -> None:
    fake = Untagged()
    fake.wishes = UserError("the program fails", ["mend it"])

    done = recover(fake)

    assert (done.unplanned, done.is_whole) == (("the program fails", "mend it"), False)


@pytest.mark.parametrize(
    ("type_", "inputs", "expected"),
    [
        ("aws:kms/alias:Alias", {"name": "alias/a"}, "alias/a"),
        ("aws:iam/rolePolicy:RolePolicy", {"role": "a", "name": "b", "policy": "{}"}, "a:b"),
        ("aws:iam/rolePolicy:RolePolicy", {"role": "a"}, ""),
        ("kubernetes:core/v1:ConfigMap", {"metadata": {"name": "a", "namespace": "b"}}, "b/a"),
        ("kubernetes:core/v1:Namespace", {"metadata": {"name": "a"}}, "a"),
        ("kubernetes:core/v1:ConfigMap", {"metadata": {"generateName": "a-"}}, ""),
        ("kubernetes:core/v1:Secret", {"metadata": {"4dabf18193072939515e22adb298388d": "secret"}}, ""),
        ("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16"}, ""),
    ],
)
def test_some_ids_follow_from_the_name(type_: str, inputs: dict[str, object], expected: str) -> None:
    assert id_of_name(type_, inputs) == expected
