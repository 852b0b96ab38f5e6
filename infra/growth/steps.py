"""The steps from one phase to another: what AWS cannot do in one update comes apart, each step a valid stack.

Early steps keep the old phase and override parts of the new one into it; the last step takes these overrides away
and sets the phase. A stack's own overrides stay on top throughout.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from infra.config import Settings
from infra.growth.effects import DATABASE
from infra.growth.guard import Action, Growth, Operation
from infra.plan import PlannedResource
from infra.problems import NAMESPACE, remove_command, set_command
from infra.stack_file import StackFile
from stacks.phase import CacheGroup, Phase, PhaseName
from stacks.stores import STRIPED_FROM_GIB

PHASE_KEY: Final = f"{NAMESPACE}:phase"
OVERRIDES_KEY: Final = f"{NAMESPACE}:overrides"
Overrides = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the new phase that may have to come before others.

    Attributes:
        name: in a step's name.
        overrides: what brings it into the old phase.
        before: parts that must wait for it.
        wait: what to wait for before the next step.
    """

    name: str
    overrides: Overrides
    before: tuple[str, ...]
    wait: str


@dataclass(frozen=True, slots=True)
class Step:
    """One update.

    Attributes:
        name: what it is about.
        stored: the stack file's configuration for it.
        commands: what sets that configuration, from the step before.
        waits: what to wait for before the next step.
    """

    name: str
    stored: StackFile
    commands: tuple[str, ...]
    waits: tuple[str, ...]


def steps(stored: StackFile, old: PhaseName, new: PhaseName) -> list[Step]:
    """The steps that take a stack, configured as `stored` but for its phase, from `old` to `new`; at least one.

    Raises:
        infra.errors.UserError: the configuration does not fit one of the phases.
    """
    before, after = in_phase(stored, old), in_phase(stored, new)
    groups = _grouped(list(_parts(sizes(before), sizes(after))))
    own = json.loads(stored.raw.get(OVERRIDES_KEY, "{}"))
    found, pushed = [], dict[str, Any]()
    for group in groups:
        commands = []
        for part in group:
            pushed = merged(pushed, part.overrides)
            commands += [_set(path, value, stored.stack) for path, value in leaves(part.overrides)]
        content = {**before.raw, OVERRIDES_KEY: json.dumps(merged(pushed, own))}
        name = ", ".join(part.name for part in group)
        waits = tuple(part.wait for part in group if part.wait)
        found.append(Step(name, replace(before, raw=content), tuple(commands), waits))
    paths = [f"{OVERRIDES_KEY}.{path}" for path, _ in leaves(pushed)] if own else [OVERRIDES_KEY] if pushed else []
    removals = tuple(remove_command(path, stored.stack) for path in paths)
    switch = set_command(PHASE_KEY, new.value, stored.stack)
    return [*found, Step(f"phase {new.value}", after, (*removals, switch), ())]


def in_phase(stored: StackFile, name: PhaseName) -> StackFile:
    """The same configuration in a phase."""
    return replace(stored, raw={**stored.raw, PHASE_KEY: name.value})


def sizes(stored: StackFile) -> Phase:
    """What a configuration says the stack is, with its overrides and regions.

    Raises:
        infra.errors.UserError: with everything that is wrong with it.
    """
    return Settings.parse(stored.raw, stack=stored.stack, encrypted=stored.encrypted).spec


def merged(below: Overrides, above: Overrides) -> dict[str, Any]:
    """Both, `above` where they differ."""
    both = dict(below)
    for key, value in above.items():
        under = both.get(key)
        both[key] = merged(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return both


def leaves(tree: Overrides, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each value with its dotted path."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _set(path: str, value: str | float, stack: str) -> str:
    return set_command(f"{OVERRIDES_KEY}.{path}", value, stack)


def _grouped(parts: list[Part]) -> list[list[Part]]:
    """Parts by step, as late as may be; what has to be in no step before the phase's is no part."""
    known = {part.name: part for part in parts}

    def depth(part: Part) -> int:
        return 1 + max((depth(known[name]) if name in known else 0 for name in part.before), default=-1)

    depths = {part.name: depth(part) for part in parts}
    return [
        [part for part in parts if depths[part.name] == level]
        for level in range(max(depths.values(), default=0), 0, -1)
    ]


def _parts(old: Phase, new: Phase) -> Iterator[Part]:
    yield from _database_parts(old, new)
    for name in ("cache", "state"):
        yield from _cache_parts(name, old, new)


def _database_parts(old: Phase, new: Phase) -> Iterator[Part]:
    """Storage that becomes striped, then the readers, then the primary, which comes with the phase.

    PostgreSQL stops a standby whose max_connections is below its primary's, so readers grow first and shrink last:
    https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-ADMIN. Storage apart from the class: RDS
    takes both at once, but a volume that is being striped is slow for hours, and a failover would land in them.
    """
    one, other = old.database, new.database
    resized = [
        name
        for name, changes in (
            ("readers", one.replica_class != other.replica_class and one.local_replicas + one.remote_replicas > 0),
            ("primary", one.instance_class != other.instance_class),
        )
        if changes
    ]
    if one.storage_gib < STRIPED_FROM_GIB <= other.storage_gib and resized:
        most = max(one.max_storage_gib, other.max_storage_gib)
        size: dict[str, int | None] = {"storageGib": other.storage_gib, "maxStorageGib": most}
        size |= {"iops": other.iops, "throughputMibps": other.throughput_mibps}
        wait = "until the instances are `available` again, and not `storage-optimization`: minutes to hours"
        yield Part("database storage", {"database": size}, tuple(resized), wait)
    if len(resized) == 2:  # noqa: PLR2004 - readers and primary
        wait = "until the readers' alarm of lag is OK"
        if one.max_connections(other.replica_class) >= one.max_connections(one.instance_class):
            yield Part("readers", {"database": {"replicaClass": other.replica_class}}, ("primary",), wait)
        else:
            yield Part("primary", {"database": {"instanceClass": other.instance_class}}, ("readers",), wait)


def _cache_parts(name: str, old: Phase, new: Phase) -> Iterator[Part]:
    """Node type and shards apart: each moves every key of the group, the one to new nodes, the other between them."""
    one: CacheGroup = getattr(old, name)
    other: CacheGroup = getattr(new, name)
    if one.node_type == other.node_type or one.shards == other.shards:
        return
    wait = f"until the group {name} is `available` again"
    nodes, shards = {name: {"nodeType": other.node_type}}, {name: {"shards": other.shards}}
    if _fits(old, nodes):
        yield Part(f"{name} nodes", nodes, (f"{name} shards",), wait)
    else:
        yield Part(f"{name} shards", shards, (f"{name} nodes",), wait)


def _fits(base: Phase, overrides: Overrides) -> bool:
    """Whether a phase holds what it must with these overrides; its own may be in it already."""
    plain = base.model_dump(mode="json", by_alias=True)
    name = next(iter(overrides))
    try:
        CacheGroup.model_validate_json(json.dumps({**plain[name], **overrides[name]}), by_alias=True, by_name=False)
    except ValueError:
        return False
    return True


def reboots(growth: Growth, resources: list[PlannedResource]) -> list[str]:
    """Instances that must be restarted by hand after an update: a static parameter changed, and nothing restarts them.

    A change of the class or of the engine's version restarts an instance, and with it the parameters come in; that
    they do is from RDS's description of `pending-reboot`, and was not tried.
    """
    changed = {
        one.resource.urn
        for one in growth.of(Action.UPDATE)
        if one.resource.type == "aws:rds/parameterGroup:ParameterGroup" and _is_static(one)
    }
    restarted = {
        one.resource.urn
        for one in growth.operations
        if one.action is not Action.UPDATE
        or {"instanceClass", "engineVersion"} & {change.root for change in one.changes}
    }
    return [
        str(one.inputs.get("identifier", one.name))
        for one in resources
        if one.type == DATABASE
        and one.urn not in restarted
        and not changed.isdisjoint(one.property_dependencies.get("parameterGroupName", ()))
    ]


def _is_static(operation: Operation) -> bool:
    parameters = operation.resource.inputs.get("parameters", [])
    touched = {int(change.path.split("[")[1].split("]")[0]) for change in operation.changes if "[" in change.path}
    return any(parameters[index].get("applyMethod") == "pending-reboot" for index in touched if index < len(parameters))
