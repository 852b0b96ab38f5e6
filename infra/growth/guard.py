"""The growth guard: what one set of resources becomes on the way to another, and whether anything would be lost.

It judges as the local cloud's engine does: `infra.local.diff.compare` over `infra.replacements`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from infra.growth.effects import QUIET, Effect, effects
from infra.growth.stateful import REASONS, holds_data
from infra.invokes import CALLER_ARN, PREFIX_LIST_ID
from infra.local.diff import Change, Difference, Kind, compare
from infra.local.kubernetes import MUTABLE
from infra.local.values import UNKNOWN as CHANGED
from infra.plan import SECRET, UNKNOWN, PlannedResource

PROVIDERS: Final = "pulumi:providers:"
TOLD_BY_AWS: Final = frozenset({UNKNOWN, SECRET})
"""What a plan cannot show: it is the same as before while it comes from the same resources, none of them replaced."""
EXAMPLES: Final = (CALLER_ARN, PREFIX_LIST_ID)
"""What a plan shows in place of what the account answers; any value of a state stands for it."""
STEP: Final = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+|\*)\]|([^.\[\]]+)')


class Action(StrEnum):
    """What the engine would do with a resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Operation:
    """One resource that would not stay as it is.

    Attributes:
        resource: as it would be; as it was when it is deleted.
        action: what happens to it.
        changes: changed properties; none where it is created or deleted.
        effects: what an update means while it runs.
        delete_first: a replacement deletes before it creates.
        blocked: why this must not happen; one sentence each.
    """

    resource: PlannedResource
    action: Action
    changes: tuple[Change, ...] = ()
    effects: tuple[Effect, ...] = ()
    delete_first: bool = False
    blocked: tuple[str, ...] = ()

    @property
    def replaces(self) -> tuple[str, ...]:
        """Properties that force the replacement."""
        return tuple(dict.fromkeys(change.root for change in self.changes if change.replaces))

    @property
    def only_tags(self) -> bool:
        """Whether nothing but tags changes, as every resource's do: they carry the phase."""
        return self.action is Action.UPDATE and {change.root for change in self.changes} <= QUIET

    @property
    def downtime_seconds(self) -> int:
        """How long it does not answer: what happens in one modification shares one interruption."""
        return max((effect.downtime_seconds for effect in self.effects), default=0)


@dataclass(frozen=True, slots=True)
class Growth:
    """All operations, in the order in which the engine applies them: what goes is deleted last."""

    operations: tuple[Operation, ...]

    @property
    def blocked(self) -> tuple[str, ...]:
        """Everything that must not happen."""
        return tuple(reason for operation in self.operations for reason in operation.blocked)

    @property
    def downtime_seconds(self) -> int:
        """Interruptions one after the other, of whatever part."""
        return sum(operation.downtime_seconds for operation in self.operations)

    def of(self, action: Action) -> list[Operation]:
        """The operations of one kind."""
        return [operation for operation in self.operations if operation.action is action]


def judge(before: Sequence[PlannedResource], after: Sequence[PlannedResource], *, real: bool = False) -> Growth:
    """Compare two sets of resources; with `real`, `before` is a state, which knows what a plan cannot."""
    return _Guard(before, after, real=real).run()


class _Guard:
    def __init__(self, before: Sequence[PlannedResource], after: Sequence[PlannedResource], *, real: bool) -> None:
        self._before, self._after, self._real = before, after, real
        self._old = {resource.urn: resource for resource in before}
        self._moved = {
            resource.urn: former
            for resource in after
            if resource.urn not in self._old
            for former in _former(resource)
            if former in self._old
        }
        self._new = {resource.urn: resource for resource in after}
        self._replaced: set[str] = set()

    def run(self) -> Growth:
        """Replacements spread through what uses them, so the whole is looked at until nothing more is replaced."""
        while True:
            operations = [found for resource in self._after if (found := self._operation(resource)) is not None]
            replaced = {one.resource.urn for one in operations if one.action is Action.REPLACE}
            if replaced <= self._replaced:
                return Growth((*operations, *self._deletions()))
            self._replaced |= replaced

    def _operation(self, new: PlannedResource) -> Operation | None:
        if new.is_component:
            return None
        old = self._old.get(self._moved.get(new.urn, new.urn))
        if old is None:
            return Operation(new, Action.CREATE)
        found = self._compare(old, new)
        provider = new.options.get("provider", "")
        if provider in self._replaced:
            moves = Change("provider", Kind.UPDATE, replaces=True)
            found = Difference((*found.changes, moves), found.refusals, found.delete_first)
        refused = tuple(f"{_label(new)}: {reason}" for reason in found.refusals)
        if not found.changes and not refused:
            return None
        if not found.replaces:
            meaning = effects(new.type, found.changes, old.inputs, new.inputs)
            return Operation(new, Action.UPDATE, found.changes, meaning, blocked=refused)
        first = new.options.get("deleteBeforeReplace", found.delete_first)
        lost = _lost(old, f"would be replaced for {', '.join(found.replaces)}")
        return Operation(new, Action.REPLACE, found.changes, (), first, (*refused, *lost))

    def _compare(self, old: PlannedResource, new: PlannedResource) -> Difference:
        inputs = {}
        for name, value in new.inputs.items():
            suspect = self._suspect(name, old, new)
            inputs[name] = self._told(old.inputs.get(name), value, suspect=suspect)
        for path in new.options.get("ignoreChanges", ()):
            inputs = _reset(inputs, old.inputs, _steps(path))
        difference = compare(self._judged_as(new), old.inputs, inputs)
        if new.type.startswith(PROVIDERS):
            return _provider_difference(difference)
        return difference

    def _judged_as(self, resource: PlannedResource) -> str:
        """As the local cloud has it: data of a ConfigMap replaces it, unless its provider was told otherwise."""
        setting = MUTABLE.get(resource.type)
        provider = self._new.get(resource.options.get("provider", ""))
        mutable = setting and provider and str(provider.inputs.get(setting)).lower() == "true"
        return f"{resource.type}:mutable" if mutable else resource.type

    def _suspect(self, name: str, old: PlannedResource, new: PlannedResource) -> bool:
        """Whether a value nobody can see may have changed: it comes from other resources, or from a replaced one."""
        sources = {self._moved.get(urn, urn) for urn in new.property_dependencies.get(name, ())}
        if sources != set(old.property_dependencies.get(name, ())):
            return True
        return not self._replaced.isdisjoint(new.property_dependencies.get(name, ()))

    def _told(self, old: Any, new: Any, *, suspect: bool) -> Any:
        if self._real and isinstance(old, str) and new in EXAMPLES:
            return old
        if isinstance(new, str) and new in TOLD_BY_AWS:
            return old if not suspect and (old == new or (self._real and old is not None)) else CHANGED
        if isinstance(new, Mapping):
            olds = old if isinstance(old, Mapping) else {}
            return {key: self._told(olds.get(key), value, suspect=suspect) for key, value in new.items()}
        if isinstance(new, list):
            known = old if isinstance(old, list) else []
            padded = [*known, *[None] * (len(new) - len(known))]
            return [self._told(before, after, suspect=suspect) for before, after in zip(padded, new, strict=False)]
        return new

    def _deletions(self) -> Iterator[Operation]:
        kept = {*self._new, *self._moved.values()}
        there = {(one.type, one.name) for one in self._after}
        for old in reversed(self._before):
            if old.is_component or old.urn in kept:
                continue
            moved = (old.type, old.name) in there
            moves = "would be deleted, and made anew under another parent" if moved else "would be deleted"
            yield Operation(old, Action.DELETE, blocked=tuple(_lost(old, moves)))


def _former(resource: PlannedResource) -> Iterator[str]:
    """URNs that the resource had before: an alias is one, or the name under the same parent."""
    for alias in resource.options.get("aliases", ()):
        yield alias if alias.startswith("urn:") else f"{resource.urn.rpartition('::')[0]}::{alias}"


def _provider_difference(difference: Difference) -> Difference:
    """Another cluster means other objects; everything else of a provider changes in place."""
    changes = tuple(
        Change(change.path, change.kind, replaces=change.path in {"clusterIdentifier", "region"})
        for change in difference.changes
    )
    return Difference(changes, (), delete_first=False)


def _label(resource: PlannedResource) -> str:
    return f"{resource.type.rpartition(':')[2]} {resource.name}"


def _lost(old: PlannedResource, what: str) -> Iterator[str]:
    """Why the old object must not go."""
    protect = old.options.get("protect", False)
    if not holds_data(old.type, old.inputs, protect=protect):
        return
    held = REASONS.get(old.type, "what the program protects")
    stays = "; it would stay in AWS, forgotten" if old.options.get("retainOnDelete") else ""
    stops = "; it is protected, so the engine stops" if protect else ""
    yield f"{_label(old)} {what}: {held}{stays}{stops}"


def _steps(path: str) -> list[str | int]:
    """A property path as Pulumi writes it: `a.b[0]["c.d"]`, with `*` for any."""
    return [
        quoted.replace('\\"', '"') if quoted else int(index) if index.isdigit() else index or plain
        for quoted, index, plain in STEP.findall(path)
    ]


def _reset(new: Any, old: Any, steps: Iterable[str | int]) -> Any:
    """`new` with its value at the path as it is in `old`, and without one where `old` has none."""
    step, *rest = steps
    if isinstance(new, list) and isinstance(old, list):
        wanted = range(len(new)) if step == "*" else [step] if isinstance(step, int) else []
        inside = [index for index in wanted if index < min(len(new), len(old))]
        return [
            (_reset(value, old[index], rest) if rest else old[index]) if index in inside else value
            for index, value in enumerate(new)
        ]
    if not isinstance(new, Mapping) or not isinstance(old, Mapping):
        return new
    result = dict(new)
    for key in {*new, *old} if step == "*" else {str(step)}:
        if rest:
            if key in result:
                result[key] = _reset(result[key], old.get(key), rest)
        elif key in old:
            result[key] = old[key]
        else:
            result.pop(key, None)
    return result
