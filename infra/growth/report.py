"""A growth as people and machines read it: each step with its operations, its time, and what would be lost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from infra.growth.effects import IN_PLACE, QUIET
from infra.growth.guard import Action, Growth, Operation
from infra.growth.steps import Step
from infra.growth.times import Chain, clock, told
from infra.render import short_type

VERBS: Final = {Action.CREATE: "create", Action.UPDATE: "update", Action.REPLACE: "REPLACE", Action.DELETE: "delete"}
MANY: Final = 3
"""From so many of a kind on, they share a line."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step, judged.

    Attributes:
        step: its configuration and commands.
        growth: what it does.
        chain: its longest path.
        reboots: instances to restart afterwards, by identifier.
    """

    step: Step
    growth: Growth
    chain: Chain
    reboots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A whole growth.

    Attributes:
        stack: its name.
        old: phase that it comes from.
        new: phase that it goes to.
        refused: what the new phase would take away; nothing is planned then.
        possible: what AWS would do of it all the same.
        stages: the steps, in order.
    """

    stack: str
    old: str
    new: str
    refused: tuple[str, ...]
    possible: tuple[str, ...]
    stages: tuple[Stage, ...]

    @property
    def blocked(self) -> tuple[str, ...]:
        """Everything that must not happen, each once."""
        return tuple(dict.fromkeys(reason for stage in self.stages for reason in stage.growth.blocked))

    @property
    def is_safe(self) -> bool:
        """Whether it can be done without losing anything."""
        return not self.refused and not self.blocked


def to_dict(report: Report) -> dict[str, Any]:
    """For machines."""
    return {
        "stack": report.stack,
        "from": report.old,
        "to": report.new,
        "safe": report.is_safe,
        "refused": list(report.refused),
        "possible": list(report.possible),
        "blocked": list(report.blocked),
        "seconds": sum(stage.chain.seconds for stage in report.stages),
        "downtimeSeconds": sum(stage.growth.downtime_seconds for stage in report.stages),
        "steps": [_stage_dict(stage) for stage in report.stages],
    }


def _stage_dict(stage: Stage) -> dict[str, Any]:
    return {
        "name": stage.step.name,
        "commands": list(stage.step.commands),
        "waits": list(stage.step.waits),
        "reboots": list(stage.reboots),
        "seconds": stage.chain.seconds,
        "downtimeSeconds": stage.growth.downtime_seconds,
        "path": [{"urn": one.urn, "seconds": seconds} for one, seconds in stage.chain.links],
        "operations": [_operation_dict(operation) for operation in stage.growth.operations],
    }


def _operation_dict(operation: Operation) -> dict[str, Any]:
    options = operation.resource.options
    return {
        "urn": operation.resource.urn,
        "type": operation.resource.type,
        "name": operation.resource.name,
        "action": operation.action.value,
        "changes": [change.path for change in operation.changes],
        "replaces": list(operation.replaces),
        "onlyTags": operation.only_tags,
        "deleteFirst": operation.delete_first,
        "protect": options.get("protect", False),
        "retainOnDelete": options.get("retainOnDelete", False),
        "effects": [
            {"meaning": one.meaning, "downtimeSeconds": one.downtime_seconds, "source": one.source}
            for one in operation.effects
        ],
        "blocked": list(operation.blocked),
    }


def lines(report: Report) -> Iterator[str]:
    """For people."""
    yield f"{report.stack}: {report.old} to {report.new}, {_counted(len(report.stages), 'step')}"
    if report.refused:
        yield "refused, as it would lose:"
        yield from (f"  - {line}" for line in report.refused)
    if report.possible:
        yield "AWS would do these in place:"
        yield from (f"  - {line}" for line in report.possible)
    for number, stage in enumerate(report.stages, 1):
        yield ""
        yield from _stage(number, stage)
    yield ""
    yield from _verdict(report)


def _stage(number: int, stage: Stage) -> Iterator[str]:
    down = stage.growth.downtime_seconds
    yield (
        f"{number}. {stage.step.name}: about {clock(stage.chain.seconds)}, "
        f"{f'{clock(down)} of it without an answer' if down else 'answering throughout'}"
    )
    yield from (f"     {command}" for command in stage.step.commands)
    yield f"     pulumi up --stack {stage.step.stored.stack}"
    yield from (f"     {line}" for line in _reboots(stage))
    yield from (f"   wait {wait}" for wait in stage.step.waits)
    if slow := told(stage.chain):
        yield f"   longest path: {slow}"
    quiet = [one for one in stage.growth.operations if one.only_tags and not one.blocked]
    plain = [one for one in stage.growth.operations if not one.only_tags and _is_plain(one)]
    yield from _lines([one for one in stage.growth.operations if not one.only_tags and not _is_plain(one)])
    for action in Action:
        kinds = Counter(short_type(one.resource) for one in plain if one.action is action)
        if kinds:
            listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
            yield f"   {VERBS[action]:<8}{sum(kinds.values())}: {listed}"
    if quiet:
        yield f"   update  {len(quiet)}: tags only"


def _is_plain(operation: Operation) -> bool:
    """Whether it needs no line of its own: nobody notices it, and nothing is lost."""
    if operation.action is Action.REPLACE or operation.blocked:
        return False
    if operation.action is Action.CREATE:
        return True
    return operation.effects in {(), (IN_PLACE,)} and not operation.resource.options.get("protect")


def _lines(operations: Sequence[Operation]) -> Iterator[str]:
    """A line each, but one for all of a kind that nobody protects and that go the same way."""
    alike: dict[tuple[str, str], list[Operation]] = defaultdict(list)
    for one in operations:
        if one.action is Action.UPDATE and not one.resource.options.get("protect") and not one.blocked:
            alike[short_type(one.resource), _meaning(one)].append(one)
    many = {key: found for key, found in alike.items() if len(found) >= MANY}
    together = {one.resource.urn for found in many.values() for one in found}
    yield from (_line(one) for one in operations if one.resource.urn not in together)
    for (kind, meaning), found in many.items():
        yield f"   {VERBS[Action.UPDATE]:<8}{len(found)} {kind}: {meaning}"


def _meaning(operation: Operation) -> str:
    return "; ".join(effect.meaning for effect in operation.effects)


def _line(operation: Operation) -> str:
    resource = operation.resource
    changed = list(operation.replaces) or [
        root for root in dict.fromkeys(change.root for change in operation.changes) if root not in QUIET
    ]
    about = f" {', '.join(changed)}" if changed else ""
    meaning = _meaning(operation)
    first = " (deleted first)" if operation.delete_first else ""
    told_of = f": {meaning}" if meaning else ""
    stays = "; retained in AWS" if operation.action is Action.DELETE and resource.options.get("retainOnDelete") else ""
    held = ", protected" if resource.options.get("protect") else ""
    kind = f"{short_type(resource)}{held}"
    return f"   {VERBS[operation.action]:<8}{resource.name} ({kind}){about}{first}{told_of}{stays}"


def _reboots(stage: Stage) -> Iterator[str]:
    for identifier in stage.reboots:
        yield f"aws rds reboot-db-instance --db-instance-identifier {identifier}"


def _verdict(report: Report) -> Iterator[str]:
    if report.blocked:
        yield "this must not happen:"
        yield from (f"  - {reason}" for reason in report.blocked)
    elif not report.refused:
        seconds = sum(stage.chain.seconds for stage in report.stages)
        down = sum(stage.growth.downtime_seconds for stage in report.stages)
        yield "nothing that holds data is replaced or deleted"
        yield f"about {clock(seconds)} of updates on AWS; expected without an answer: {clock(down)}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
