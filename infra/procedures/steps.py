"""A procedure as a list of steps: each says what it will call, whether that is done already, and when it has ended.

What is done is read from AWS (and from the stack's state), never from a file of its own: a procedure that was cut short
goes on where it stopped when its command is given again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from infra.errors import UserError

SECRET_SHOWN: Final = "[secret]"  # noqa: S105 - what stands in place of one
LOOK_SECONDS: Final = 30
"""Between two looks at AWS."""
PATIENCE: Final = 4
"""A step is given up after so many times what it usually takes, but not before an hour."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the AWS API.

    Attributes:
        service: boto3's name.
        region: where.
        operation: as AWS names it, such as `ModifyDBInstance`.
        parameters: what is sent.
        secret: what is sent too, and read only then.
    """

    service: str
    region: str
    operation: str
    parameters: Mapping[str, Any]
    secret: Mapping[str, Callable[[], Any]] = field(default_factory=dict)

    def __str__(self) -> str:
        """As people read it."""
        shown = {**self.parameters, **dict.fromkeys(self.secret, SECRET_SHOWN)}
        told = ", ".join(f"{key}={_told(value)}" for key, value in shown.items())
        return f"{self.service}.{self.operation}({told}) in {self.region}"


@dataclass(frozen=True, slots=True)
class Engine:
    """One run of the engine.

    Attributes:
        command: what it would be in a shell.
        run: does it.
    """

    command: str
    run: Callable[[], None]

    def __str__(self) -> str:
        """As people read it."""
        return self.command


Work = Call | Engine


class Status(StrEnum):
    """Where a step is."""

    OPEN = "to do"
    DONE = "done before"
    NOW = "done now"


def never() -> bool:
    """Answer for a step that does no harm when it is done again."""
    return False


def at_once() -> bool:
    """Answer for a step that has ended when its calls have."""
    return True


def nothing() -> Sequence[Work]:
    """Answer for a step that only looks."""
    return ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step.

    Attributes:
        title: what it does.
        seconds: how long it usually takes on AWS, with the waiting.
        work: its calls, as things stand now.
        is_done: whether a former run did it.
        has_ended: whether AWS has finished what the calls began.
        check: refuses to go on, by raising.
        outage: what does not work meanwhile; empty where nobody notices.
    """

    title: str
    seconds: int
    work: Callable[[], Sequence[Work]] = nothing
    is_done: Callable[[], bool] = never
    has_ended: Callable[[], bool] = at_once
    check: Callable[[], None] | None = None
    outage: str = ""


@dataclass(frozen=True, slots=True)
class Procedure:
    """A whole procedure.

    Attributes:
        name: of the command.
        stack: its name.
        lost: what is lost by it, a sentence each.
        steps: in order.
        after: what is left to people, a sentence each.
    """

    name: str
    stack: str
    lost: tuple[str, ...]
    steps: tuple[Step, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one step."""

    step: Step
    status: Status
    work: tuple[str, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "title": self.step.title,
            "status": self.status.value,
            "calls": list(self.work),
            "expectedSeconds": self.step.seconds,
            "seconds": round(self.seconds, 1),
            "outage": self.step.outage,
        }


def look_ahead(procedure: Procedure) -> list[Report]:
    """What would be done, and what is done already; changes nothing."""
    reports = []
    for step in procedure.steps:
        done = step.is_done()
        work = () if done else tuple(map(str, step.work()))
        reports.append(Report(step, Status.DONE if done else Status.OPEN, work, 0))
    return reports


def carry_out(
    procedure: Procedure,
    client: Callable[[str, str], Any],
    tell: Callable[[str], None],
    *,
    pause: Callable[[float], None] = time.sleep,
    look_seconds: float = LOOK_SECONDS,
) -> list[Report]:
    """Do every step that is not done, one after the other.

    Args:
        procedure: what to do.
        client: boto3's client of a service in a region.
        tell: takes a line of progress.
        pause: waits; tests bring their own.
        look_seconds: between two looks at AWS; 0 where everything is there at once.

    Raises:
        UserError: a step's check refuses, or AWS does not finish; the same command goes on later.
    """
    reports = []
    for number, step in enumerate(procedure.steps, start=1):
        title = f"{number} of {len(procedure.steps)}: {step.title}"
        began = time.monotonic()
        if step.is_done():
            tell(f"{title}: done before")
            reports.append(Report(step, Status.DONE, (), 0))
            continue
        tell(f"{title} ...")
        if step.check:
            step.check()
        work = step.work()
        for one in work:
            tell(f"  {one}")
            _do(one, client)
        _wait(step, pause, look_seconds)
        reports.append(Report(step, Status.NOW, tuple(map(str, work)), time.monotonic() - began))
    return reports


def _do(work: Work, client: Callable[[str, str], Any]) -> None:
    if isinstance(work, Engine):
        work.run()
        return
    from botocore import xform_name

    method = getattr(client(work.service, work.region), xform_name(work.operation))
    method(**work.parameters, **{key: read() for key, read in work.secret.items()})


def _wait(step: Step, pause: Callable[[float], None], look_seconds: float) -> None:
    """Two looks in a row must agree: for seconds after a change RDS still says `available`."""
    limit = max(step.seconds * PATIENCE, 3600)
    agreed, waited = 0, 0.0
    while True:
        agreed = agreed + 1 if step.has_ended() else 0
        if agreed >= (2 if look_seconds and step.has_ended is not at_once else 1):
            return
        if waited >= limit:
            msg = f"{step.title}: not finished after {waited / 60:.0f} minutes"
            raise UserError(msg, ["look at it in the console; the same command goes on from here"])
        pause(look_seconds)
        waited += look_seconds or 1


def _told(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_told, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_told(one)}' for key, one in value.items())}}}"
    return str(value)
