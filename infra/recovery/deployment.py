"""A stack's state as `pulumi stack export` writes it: what it holds, what was under way, and how an object gets in.

Importing an edited export is the one way that works for every type: the engine takes the entry as it stands, and a
refresh then reads the object. `pulumi refresh --import-pending-creates` imported nothing with engine 3.255 (measured),
and `pulumi import` would need the program changed for the time in between.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from infra.local.diff import compare
from infra.local.ledger import place_of
from infra.local.values import UNKNOWN, UNKNOWNS_WIRE

Values = dict[str, Any]

PROVIDERS: Final = "pulumi:providers:"
COPIED: Final = (
    "type",
    "custom",
    "parent",
    "protect",
    "dependencies",
    "propertyDependencies",
    "additionalSecretOutputs",
    "retainOnDelete",
    "deletedWith",
    "customTimeouts",
)
"""What an entry of the state shares with a goal of the program."""


class Doing(StrEnum):
    """What was under way when an update was cut short."""

    CREATING = "creating"
    UPDATING = "updating"
    DELETING = "deleting"
    READING = "reading"
    IMPORTING = "importing"


class NotYetError(Exception):
    """The entry needs something that is not in the state yet; the message names it."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An operation that has no end in the state."""

    doing: Doing
    resource: Values

    @property
    def urn(self) -> str:
        """The resource that it is about."""
        return str(self.resource["urn"])


class Deployment:
    """An export that can be changed and imported."""

    def __init__(self, content: Values) -> None:
        """Take the export; it is changed in place."""
        self.content = content
        self._deployment: Values = content.setdefault("deployment", {})
        self.resources: list[Values] = self._deployment.get("resources") or []
        self._deployment["resources"] = self.resources

    @property
    def pending(self) -> list[Pending]:
        """What was under way."""
        found = self._deployment.get("pending_operations") or []
        return [Pending(Doing(one["type"]), one["resource"]) for one in found]

    def forget_pending(self) -> None:
        """Say that nothing is under way; `pulumi stack import` would do the same, with a warning each."""
        self._deployment.pop("pending_operations", None)

    def living(self) -> dict[str, Values]:
        """The resources by URN, without those that a replacement has left to be deleted."""
        return {one["urn"]: one for one in self.resources if not one.get("delete")}

    def objects(self) -> set[tuple[str, str, str]]:
        """Type, id and place of everything that is recorded, also of what is still to be deleted."""
        providers = {_reference(one): one.get("inputs") or {} for one in self.resources if _is_provider(one)}
        return {
            (
                str(one["type"]),
                str(one["id"]),
                place_of(one.get("outputs") or {}, providers.get(str(one.get("provider")), {})),
            )
            for one in self.resources
            if one.get("custom") and one.get("id") and not _is_provider(one)
        }

    def resume(self, pending: Pending, id_: str, properties: Values) -> None:
        """Finish a creation: the object exists under `id_`.

        Raises:
            NotYetError: something that it needs is not recorded.
        """
        entry = {key: value for key, value in pending.resource.items() if key not in {"delete", "initErrors"}}
        self._need([entry.get("parent"), *entry.get("dependencies", [])])
        self.resources.append({**entry, "id": id_, "outputs": {**properties, **entry.get("inputs", {})}})

    def adopt(
        self, urn: str, goals: Mapping[str, Values], id_: str, properties: Values, *, partly: bool = False
    ) -> None:
        """Record an object that the program wants, as the goal of a plan describes it.

        With `partly`, inputs that are not known and do not replace the object are left to the next `up`: a password
        that comes from a generated value which is itself lost is set anew then.

        Raises:
            NotYetError: something that it needs is not recorded, or one of its inputs is not known.
        """
        goal = _known_part(goals[urn], self.living()) if partly else goals[urn]
        inputs = goal.get("inputDiff", {}).get("adds", {})
        if holds_unknown(inputs):
            msg = "an input that is known only when other resources exist"
            raise NotYetError(msg)
        dependencies = goal.get("dependencies", [])
        self._need([one for one in dependencies if one not in goals or goals[one].get("custom")])
        for frame in self._frames(goals, [goal.get("parent"), *dependencies]):
            self.resources.append(_entry(frame, goals[frame]))
        provider = self._provider(goal.get("provider", "").rpartition("::")[0], goals)
        outputs = {**properties, **inputs}
        self.resources.append({**_entry(urn, goal), "id": id_, "outputs": outputs, "provider": provider})

    def lend(self, urn: str, type_: str, id_: str, properties: Values, provider: str) -> None:
        """Record an object under a URN of no program, so that the engine can delete it."""
        entry = {"urn": urn, "type": type_, "custom": True, "id": id_, "provider": provider}
        self.resources.append({**entry, "inputs": properties, "outputs": properties})

    def provider_of(self, urn: str, type_: str) -> str | None:
        """The provider that has, or had, such an object: of the resource itself, of its type, or the default one."""
        package = type_.partition(":")[0]
        there = [one for one in self.resources if one.get("provider")]
        for key, value in (("urn", urn), ("type", type_)):
            if found := next((one for one in there if one[key] == value), None):
                return str(found["provider"])
        defaults = (one for one in self.resources if one["type"] == f"{PROVIDERS}{package}")
        return next((_reference(one) for one in defaults), None)

    def drop(self, urns: set[str]) -> None:
        """Forget entries that were lent."""
        self.resources[:] = [one for one in self.resources if one["urn"] not in urns]

    def _need(self, urns: list[str | None]) -> None:
        living = self.living()
        missing = [urn for urn in urns if urn and urn not in living]
        if missing:
            msg = missing[0].rpartition("::")[2]
            raise NotYetError(msg)

    def _frames(self, goals: Mapping[str, Values], urns: list[str | None]) -> Iterator[str]:
        """The components around `urns` that are not recorded, outermost first."""
        seen = set(self.living())
        for urn in urns:
            chain = []
            current = urn
            while current and current not in seen and current in goals:
                chain.append(current)
                seen.add(current)
                current = goals[current].get("parent")
            yield from reversed(chain)

    def _provider(self, urn: str, goals: Mapping[str, Values]) -> str:
        found = self.living().get(urn)
        if found is None and urn in goals:
            goal = goals[urn]
            inputs = goal.get("inputDiff", {}).get("adds", {})
            if holds_unknown(inputs):
                msg = "a provider that is known only when other resources exist"
                raise NotYetError(msg)
            for frame in self._frames(goals, [goal.get("parent")]):
                self.resources.append(_entry(frame, goals[frame]))
            found = {**_entry(urn, goal), "id": str(uuid.uuid4()), "outputs": inputs}
            self.resources.append(found)
        if found is None:
            msg = f"the provider {urn.rpartition('::')[2]}"
            raise NotYetError(msg)
        return _reference(found)


def _known_part(goal: Values, living: Mapping[str, Values]) -> Values:
    """A goal without what is not known.

    Raises:
        NotYetError: the object would be replaced when that becomes known.
    """
    inputs = goal.get("inputDiff", {}).get("adds", {})
    known = {name: value for name, value in inputs.items() if not holds_unknown(value)}
    later = dict.fromkeys(inputs.keys() - known.keys(), UNKNOWN)
    if replacing := compare(goal["type"], known, {**known, **later}).replaces:
        msg = f"{', '.join(replacing)}, which is known only when other resources exist"
        raise NotYetError(msg)
    sources = goal.get("propertyDependencies", {})
    return {
        **goal,
        "inputDiff": {"adds": known},
        "dependencies": [urn for urn in goal.get("dependencies", []) if urn in living],
        "propertyDependencies": {name: [urn for urn in urns if urn in living] for name, urns in sources.items()},
    }


def holds_unknown(value: Any) -> bool:
    """Whether a plan's value is not known yet, or a part of it."""
    match value:
        case str():
            return value in UNKNOWNS_WIRE
        case dict():
            return any(holds_unknown(item) for item in value.values())
        case list():
            return any(holds_unknown(item) for item in value)
        case _:
            return False


def _entry(urn: str, goal: Values) -> Values:
    shared: Values = {key: goal[key] for key in COPIED if key in goal}
    return {"urn": urn, **shared, "inputs": goal.get("inputDiff", {}).get("adds", {})}


def _is_provider(resource: Mapping[str, Any]) -> bool:
    return str(resource["type"]).startswith(PROVIDERS)


def _reference(provider: Mapping[str, Any]) -> str:
    return f"{provider['urn']}::{provider['id']}"
