"""How a procedure goes on, waits and tells, without any cloud."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from infra.errors import UserError
from infra.procedures.report import show, to_dict
from infra.procedures.sources import Source, lost, parse, point_in_time
from infra.procedures.steps import Call, Engine, Procedure, Status, Step, carry_out, look_ahead
from infra.procedures.wanted import differences, settings

MORNING, NOON, EVENING = (datetime(2026, 11, 21, hour, tzinfo=UTC) for hour in (6, 12, 18))


class Recorder:
    """Stands for every boto3 client."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def of(self, *_: str) -> Recorder:
        """The client of any service in any region."""
        return self

    def modify_db_instance(self, **parameters: Any) -> None:
        self.calls.append(("modify_db_instance", parameters))


def _procedure(*steps: Step) -> Procedure:
    return Procedure(name="test", stack="prod", lost=(), steps=steps, after=())


CALL = Call("rds", "us-east-1", "ModifyDBInstance", {"MultiAZ": True}, {"MasterUserPassword": lambda: "hunter2"})


def test_a_secret_is_sent_and_never_told() -> None:
    client, told = Recorder(), list[str]()
    carry_out(_procedure(Step(title="set it", seconds=1, work=lambda: [CALL])), client.of, told.append)
    assert client.calls == [("modify_db_instance", {"MultiAZ": True, "MasterUserPassword": "hunter2"})]
    assert not any("hunter2" in line for line in [*told, str(CALL), repr(CALL)])
    assert any("MasterUserPassword=[secret]" in line for line in told)


def test_what_is_done_is_left_alone() -> None:
    ran: list[str] = []
    steps = [
        Step(title="a", seconds=1, work=lambda: [Engine("a", lambda: ran.append("a"))], is_done=lambda: True),
        Step(title="b", seconds=1, work=lambda: [Engine("b", lambda: ran.append("b"))]),
    ]
    assert [one.status for one in look_ahead(_procedure(*steps))] == [Status.DONE, Status.OPEN]
    assert ran == []
    reports = carry_out(_procedure(*steps), Recorder().of, ran.append)
    assert [one.status for one in reports] == [Status.DONE, Status.NOW]
    assert [one for one in ran if one in {"a", "b"}] == ["b"]


def test_a_step_ends_when_two_looks_agree() -> None:
    looks, slept = iter([True, False, False, True, True]), list[float]()
    step = Step(title="wait", seconds=1, has_ended=lambda: next(looks))
    carry_out(_procedure(step), Recorder().of, lambda _: None, pause=slept.append, look_seconds=30)
    assert slept == [30] * 4
    assert list(looks) == []


def test_a_step_that_never_ends_is_given_up_with_a_word() -> None:
    step = Step(title="restore it", seconds=1, has_ended=lambda: False)
    with pytest.raises(UserError, match="restore it: not finished after 60 minutes"):
        carry_out(_procedure(step), Recorder().of, lambda _: None, pause=lambda _: None, look_seconds=30)


def test_a_check_that_refuses_ends_the_procedure() -> None:
    def refuse() -> None:
        msg = "differs"
        raise UserError(msg)

    ran: list[str] = []
    steps = [
        Step(title="compare", seconds=1, check=refuse),
        Step(title="rename", seconds=1, work=lambda: [Engine("x", lambda: ran.append("x"))]),
    ]
    with pytest.raises(UserError, match="differs"):
        carry_out(_procedure(*steps), Recorder().of, lambda _: None)
    assert ran == []


# What is restored.


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("2026-11-21T10:30:00", None, None), "no time with its zone"),
        (("yesterday", None, None), "no time with its zone"),
        (("2999-01-01T00:00:00Z", None, None), "still to come"),
        (("latest", "snap", None), "exclude one another"),
        ((None, None, "arn:aws:backup:us-east-1:1:recovery-point:x"), "no recovery point of a database"),
    ],
)
def test_a_source_that_cannot_be_is_refused(given: tuple[str | None, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse(*given)


def test_a_source_is_told_apart_by_its_words() -> None:
    assert str(parse(None, None, None)) == str(parse("latest", None, None)) == "time latest"
    assert str(parse("2026-11-20T12:00:00+02:00", None, None)) == "time 2026-11-20T10:00:00Z"
    assert str(parse(None, "before", None)) == "snapshot before"


def _backup(resource: str, first: datetime, last: datetime) -> dict[str, Any]:
    return {"DbiResourceId": resource, "RestoreWindow": {"EarliestTime": first, "LatestTime": last}}


def test_a_time_before_the_last_restore_is_in_the_old_databases_backups() -> None:
    backups = [_backup("db-OLD", MORNING, NOON), _backup("db-NEW", NOON, EVENING)]
    early, late = (Source(time=moment.replace(minute=30)) for moment in (MORNING, NOON))
    assert point_in_time(early, "db", "db-NEW", backups) == {"SourceDbiResourceId": "db-OLD", "RestoreTime": early.time}
    assert point_in_time(late, "db", "db-NEW", backups)["SourceDBInstanceIdentifier"] == "db"
    assert point_in_time(Source(), "db", "db-NEW", backups) == {
        "SourceDBInstanceIdentifier": "db",
        "UseLatestRestorableTime": True,
    }


def test_a_database_that_is_gone_comes_from_the_backups_that_were_kept() -> None:
    backups = [_backup("db-NEW", NOON, EVENING), _backup("db-OLD", MORNING, NOON)]
    assert point_in_time(Source(), "db", None, backups) == {
        "SourceDbiResourceId": "db-NEW",
        "UseLatestRestorableTime": True,
    }
    with pytest.raises(UserError, match="no automated backup of db holds anything"):
        point_in_time(Source(), "db", None, [])


def test_a_time_that_no_backup_reaches_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UserError, match="no automated backup") as refused:
        point_in_time(Source(time=MORNING), "db", "db-NEW", [_backup("db-NEW", NOON, EVENING)])
    assert refused.value.problems[0] == "db-NEW: from 2026-11-21 12:00 to 18:00 UTC"


def test_what_is_lost_is_said() -> None:
    assert lost(Source(time=NOON), "db", None) == "everything that was written to db after 2026-11-21 12:00:00 UTC"
    assert lost(Source(snapshot="x"), "db", NOON).endswith("after 2026-11-21 12:00:00 UTC")
    assert "5 minutes" in lost(Source(), "db", None)


# What is wanted of it.


def test_the_size_and_the_key_come_with_the_backup_and_everything_else_from_the_program() -> None:
    inputs = {
        "instanceClass": "db.r6g.large",
        "allocatedStorage": 100,
        "kmsKeyId": "arn",
        "iops": None,
        "multiAz": True,
    }
    assert settings(inputs) == {"DBInstanceClass": "db.r6g.large", "MultiAZ": True}


def test_a_database_that_would_be_replaced_or_open_is_not_put_in_place() -> None:
    inputs = {"kmsKeyId": "ours", "publiclyAccessible": False, "vpcSecurityGroupIds": ["sg-2", "sg-1"]}
    groups = [{"VpcSecurityGroupId": name} for name in ("sg-1", "sg-2")]
    found = {"KmsKeyId": "ours", "PubliclyAccessible": False, "VpcSecurityGroups": groups}
    assert differences(inputs, found) == []
    assert differences(inputs, {**found, "KmsKeyId": "theirs", "PubliclyAccessible": True}) == [
        "kmsKeyId: theirs, and the program wants ours",
        "publiclyAccessible: True, and the program wants False",
    ]


# What is shown.


def test_a_plan_names_its_calls_its_times_and_its_outage() -> None:
    steps = [
        Step(title="set it", seconds=600, work=lambda: [CALL], outage="writes"),
        Step(title="look", seconds=60, is_done=lambda: True),
    ]
    procedure = Procedure(name="restore", stack="prod", lost=("a row",), steps=tuple(steps), after=("`pulumi up`",))
    console = Console(record=True, width=80, file=StringIO())
    show(console, procedure, look_ahead(procedure), dry_run=True)
    assert console.export_text().splitlines() == [
        "lost: a row",
        "1. set it: about 10 min",
        "   meanwhile out: writes",
        "   rds.ModifyDBInstance(MultiAZ=True, MasterUserPassword=[secret]) in us-east-1",
        "2. look: done before",
        "restore prod: about 10 min on AWS, 10 min of it with an outage; nothing was done",
        "then: `pulumi up`",
    ]
    told = to_dict(procedure, look_ahead(procedure), dry_run=True)
    assert told["steps"][0] == {
        "title": "set it",
        "status": "to do",
        "calls": [str(CALL)],
        "expectedSeconds": 600,
        "seconds": 0,
        "outage": "writes",
    }


def test_what_was_done_is_counted() -> None:
    procedure = _procedure(Step(title="a", seconds=1, is_done=lambda: True), Step(title="b", seconds=1))
    console = Console(record=True, width=80, file=StringIO())
    show(console, procedure, carry_out(procedure, Recorder().of, lambda _: None), dry_run=False)
    assert console.export_text() == "test prod: 1 of 2 steps done now, 0 s\n"
