"""Recovery: what was under way is finished or forgotten, and what was made unrecorded is recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final

from infra.errors import UserError
from infra.recovery.aws import PARTS
from infra.recovery.backend import Backend, export, load, refresh
from infra.recovery.deployment import Deployment, Doing, NotYetError, Pending, Values, holds_unknown
from infra.recovery.lookup import Found

BY_NAME: Final = "name"


class Outcome(StrEnum):
    """What recovery does about one resource."""

    RECORDED = "recorded"
    """It exists, and the state has it now."""
    CLEARED = "cleared"
    """It was not made; the next `up` makes it."""
    REPEATED = "left to the next up"
    """A change or deletion whose end nobody saw: the next `up` does it again, which is harmless."""
    SECOND = "left: a second one"
    """The state already has another one for the same resource: `headroom sweep` deletes this one."""
    STRAY = "left: wanted by nobody"
    """The program has no such resource: `headroom sweep` deletes it."""
    BLOCKED = "left: cannot be recorded"
    """Something that it needs is not known; the reason says what."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One resource that state and cloud did not agree about.

    Attributes:
        urn: which one.
        doing: what was under way; empty where the state knew nothing of it.
        outcome: what was done about it.
        id: the object in the cloud; empty where there is none.
        by: how it was found.
        reason: why, where it was left.
    """

    urn: str
    doing: str
    outcome: Outcome
    id: str = ""
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Recovery:
    """A whole recovery.

    Attributes:
        stack: its name.
        dry_run: nothing was changed.
        prepared: what was done before the state could be read.
        findings: each resource that state and cloud did not agree about.
        unplanned: why the program could not be asked for what it wants; empty when it could.
    """

    stack: str
    dry_run: bool
    prepared: tuple[str, ...]
    findings: tuple[Finding, ...]
    unplanned: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether everything that exists is in the state now."""
        return not self.unplanned and all(
            one.outcome in {Outcome.RECORDED, Outcome.CLEARED, Outcome.REPEATED} for one in self.findings
        )

    def to_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "stack": self.stack,
            "dryRun": self.dry_run,
            "whole": self.is_whole,
            "prepared": list(self.prepared),
            "findings": [asdict(one) for one in self.findings],
            "unplanned": list(self.unplanned),
        }


def unrecorded(found: Sequence[Found], state: Deployment) -> list[Found]:
    """What exists and is in no state."""
    recorded = state.objects()
    return [one for one in found if one.key not in recorded]


def recover(backend: Backend, *, dry_run: bool = False) -> Recovery:
    """Bring state and cloud together; with `dry_run` only say what would be done.

    Nothing in the cloud is made, changed or deleted.

    Raises:
        UserError: somebody works on the stack, or the engine fails.
    """
    prepared = backend.prepare(dry_run=dry_run)
    return _Recoverer(backend, dry_run=dry_run).run(prepared)


class _Recoverer:
    def __init__(self, backend: Backend, *, dry_run: bool) -> None:
        self._backend, self._dry_run = backend, dry_run
        self._state = export(backend)
        self._left = unrecorded(backend.lookup.objects(backend.project, backend.stack), self._state)
        self._findings: list[Finding] = []
        self._reasons: dict[str, str] = {}
        self._unplanned: tuple[str, ...] = ()

    def run(self, prepared: Sequence[str]) -> Recovery:
        pending = self._state.pending
        living = self._state.living()
        recorded = list(self._finish(pending))
        self._state.forget_pending()
        if pending:
            self._save(recorded)
            self._take_back()
        self._set_aside(living)
        if self._dry_run and prepared:
            self._unplanned = ("the stack is locked: what it wants is asked only without --dry-run",)
        elif self._left or not self._backend.lookup.is_complete:
            self._adopt_all()
        self._findings += [
            self._found(one, Outcome.BLOCKED, reason=self._reasons.get(one.urn, "")) for one in self._left
        ]
        return Recovery(self._backend.stack, self._dry_run, tuple(prepared), tuple(self._findings), self._unplanned)

    def _finish(self, pending: Sequence[Pending]) -> Iterator[str]:
        """Everything that was under way; URNs of what is recorded by it."""
        for one in pending:
            if one.doing in {Doing.UPDATING, Doing.DELETING}:
                self._findings.append(Finding(one.urn, one.doing.value, Outcome.REPEATED))
                continue
            if one.doing is not Doing.CREATING:
                self._findings.append(Finding(one.urn, one.doing.value, Outcome.CLEARED))
                continue
            found = [each for each in self._left if each.urn == one.urn] or list(self._named(one))
            if not found:
                self._findings.append(Finding(one.urn, one.doing.value, Outcome.CLEARED))
            elif one.urn not in self._state.living():
                object_ = found[0]
                try:
                    self._state.resume(one, object_.id, object_.properties)
                except NotYetError:
                    continue  # The program's plan may know more.
                if object_ in self._left:
                    self._left.remove(object_)
                self._findings.append(self._found(object_, Outcome.RECORDED, one.doing))
                yield one.urn

    def _named(self, pending: Pending) -> Iterator[Found]:
        """What an incomplete lookup may have missed; the refresh takes it out of the state if it does not exist."""
        type_ = str(pending.resource["type"])
        if not self._backend.lookup.is_complete and pending.urn not in self._state.living():
            id_ = self._backend.lookup.id_of(type_, pending.resource.get("inputs", {}))
            if id_:
                yield Found(pending.urn, type_, id_, by=BY_NAME)

    def _take_back(self) -> None:
        """Say of what was guessed by its name and turned out not to exist that it was not made."""
        living = self._state.living()
        self._findings = [
            replace(one, outcome=Outcome.CLEARED, id="", by="") if one.by == BY_NAME and one.urn not in living else one
            for one in self._findings
        ]

    def _set_aside(self, living: dict[str, Any]) -> None:
        """Whatever the state has another one of."""
        living = {**living, **self._state.living()}
        for one in [each for each in self._left if each.urn in living]:
            self._left.remove(one)
            self._findings.append(self._found(one, Outcome.SECOND))

    def _adopt_all(self) -> None:
        """Again and again: with every object that is recorded, the program knows more of what it wants."""
        partly, may_know_more = False, True
        while self._left or may_know_more:
            recorded = list(self._adopt(partly=partly))
            if recorded:
                self._save(recorded)
            if self._dry_run or self._unplanned or (partly and not recorded):
                return
            partly, may_know_more = not recorded, bool(recorded) and not self._backend.lookup.is_complete

    def _adopt(self, *, partly: bool) -> Iterator[str]:
        """Whatever the program wants just as it stands there; URNs of what is recorded by it."""
        try:
            goals = self._backend.goals()
        except UserError as error:
            self._unplanned = (error.message, *error.problems)
            return
        self._left += self._overlooked(goals)
        for one in list(self._left):
            if one.urn in self._state.living():  # There were two, and the first one is recorded now.
                self._drop(one, Outcome.SECOND)
            elif one.urn not in goals:
                self._drop(one, Outcome.STRAY)
            else:
                try:
                    self._state.adopt(one.urn, goals, one.id, one.properties, partly=partly)
                except NotYetError as error:
                    self._reasons[one.urn] = str(error)
                    continue
                self._drop(one, Outcome.RECORDED)
                yield one.urn

    def _overlooked(self, goals: Mapping[str, Values]) -> Iterator[Found]:
        """Parts of what the stack has, where they carry no tag and no creation is known of."""
        known = {*self._state.living(), *(one.urn for one in self._left)}
        for urn, goal in goals.items() if not self._backend.lookup.is_complete else ():
            inputs = goal.get("inputDiff", {}).get("adds", {})
            if urn in known or goal["type"] not in PARTS or holds_unknown(inputs):
                continue
            if id_ := self._backend.lookup.id_of(goal["type"], inputs):
                yield Found(urn, goal["type"], id_, inputs["region"], {"region": inputs["region"]}, by=BY_NAME)

    def _drop(self, found: Found, outcome: Outcome) -> None:
        self._left.remove(found)
        self._findings.append(self._found(found, outcome))

    def _save(self, recorded: Sequence[str]) -> None:
        if self._dry_run:
            return
        load(self._backend, self._state)
        if recorded:
            refresh(self._backend, recorded)
        self._state = export(self._backend)

    def _found(self, found: Found, outcome: Outcome, doing: Doing | None = None, reason: str = "") -> Finding:
        return Finding(found.urn, doing.value if doing else "", outcome, found.id, found.by, reason)
