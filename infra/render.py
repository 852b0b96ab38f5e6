"""A plan for eyes: as a tree by component, and as a picture."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from infra.plan import Plan, PlannedResource

if TYPE_CHECKING:
    from rich.tree import Tree

BACKGROUND = {"telemetry:Alarms", "telemetry:Logs", "security:Keys", "security:Secrets", "storage:LogsBucket"}
"""Nearly everything uses these, so their arrows would hide all others in the picture."""


def short_type(resource: PlannedResource) -> str:
    """`aws:rds/instance:Instance` as `rds.Instance`."""
    package, module, kind = resource.type.split(":")
    group = module.split("/")[0]
    return kind if group in {"", "index"} else f"{package if package != 'aws' else group}.{kind}"


def tree(plan: Plan) -> Tree:
    """The plan by component: each with the count of what it holds, and its resources by type."""
    from rich.tree import Tree

    children: dict[str | None, list[PlannedResource]] = defaultdict(list)
    for resource in plan.resources:
        children[resource.parent].append(resource)

    def held(urn: str) -> int:
        return sum(held(child.urn) if child.is_component else 1 for child in children[urn])

    def grow(branch: Tree, parent: str | None) -> None:
        for component in (child for child in children[parent] if child.is_component):
            kind = component.type.removeprefix("headroom:")
            grow(
                branch.add(f"[bold]{component.name}[/bold]  {kind}  [cyan]{held(component.urn)}[/cyan]"),
                component.urn,
            )
        leaves = Counter(short_type(child) for child in children[parent] if not child.is_component)
        for kind, count in sorted(leaves.items()):
            branch.add(f"{kind} [cyan]{count}[/cyan]" if count > 1 else kind)

    total = sum(not resource.is_component for resource in plan.resources)
    components = len(plan.resources) - total
    root = Tree(
        f"[bold]{plan.stack}[/bold]  phase {plan.phase}  "
        f"[cyan]{total}[/cyan] resources in [cyan]{components}[/cyan] components"
    )
    grow(root, None)
    return root


def mermaid(plan: Plan, *, known: Collection[str] | None = None, brief: Collection[str] = ()) -> str:
    """The plan's components and what they use, as a Mermaid flowchart.

    An arrow points from a component to one whose resources it depends on; what follows from other arrows is left out.

    Args:
        plan: what is drawn.
        known: names of components that an earlier picture has; others stand out.
        brief: groups, such as regions like another one, that are one box each.
    """
    by_urn = {resource.urn: resource for resource in plan.resources}
    tops = [resource for resource in plan.resources if resource.is_component and _depth(resource, by_urn) == 1]
    boxes = {top.urn: group if (group := _group(top, by_urn)) in brief else top.name for top in tops}
    counts: Counter[str] = Counter()
    arrows: set[tuple[str, str]] = set()
    for resource in plan.resources:
        home = _top(resource, by_urn)
        box = boxes.get(home.urn) if home is not None else None
        if box is None or resource.is_component:
            continue
        counts[box] += 1
        for dependency in resource.dependencies:
            target = _top(by_urn[dependency], by_urn) if dependency in by_urn else None
            other = boxes.get(target.urn) if target is not None else None
            if other is not None and other != box:
                arrows.add((box, other))
    shown = {boxes[top.urn] for top in tops if top.type.removeprefix("headroom:") not in BACKGROUND}
    lines = ["flowchart LR"]
    for group in dict.fromkeys(_group(top, by_urn) for top in tops):
        if group in brief:
            lines.append(f'  {_identifier(group)}["{group}<br/>{_counted(counts[group])}"]')
            continue
        lines.append(f'  subgraph {_identifier(group)}["{group}"]' if group else "")
        lines += [
            f'    {_identifier(top.name)}["{_label(top, by_urn)}<br/>{_counted(counts[top.name])}"]'
            for top in tops
            if _group(top, by_urn) == group and top.name in shown
        ]
        lines.append("  end" if group else "")
    drawn = _reduced({arrow for arrow in arrows if shown.issuperset(arrow)})
    lines += [f"  {_identifier(source)} --> {_identifier(target)}" for source, target in sorted(drawn)]
    if known is not None and (new := sorted(_identifier(name) for name in shown - set(known))):
        lines += ["  classDef new stroke-width:3px", f"  class {','.join(new)} new"]
    return "\n".join(line for line in lines if line)


def drawn_components(plan: Plan) -> set[str]:
    """Names of the components that a picture of the plan has, and of the groups they stand in."""
    by_urn = {resource.urn: resource for resource in plan.resources}
    tops = [resource for resource in plan.resources if resource.is_component and _depth(resource, by_urn) == 1]
    return {top.name for top in tops} | {_group(top, by_urn) for top in tops}


def _reduced(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The fewest arrows that still reach the same, by the transitive reduction of an acyclic graph.

    Boxes that stand for several components may use each other; such a pair keeps its arrows.
    """
    following: dict[str, set[str]] = defaultdict(set)
    for source, target in arrows:
        following[source].add(target)

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        waiting = [start]
        while waiting:
            for step in following[waiting.pop()] - found:
                found.add(step)
                waiting.append(step)
        return found

    beyond = {name: reached(name) for name in list(following)}

    def detour(source: str, target: str) -> bool:
        steps = (step for step in following[source] - {target} if source not in beyond.get(step, ()))
        return any(target in beyond.get(step, ()) for step in steps)

    return {(source, target) for source, target in arrows if not detour(source, target)}


def _group(resource: PlannedResource, by_urn: dict[str, PlannedResource]) -> str:
    """The region it stands in, or the edge."""
    return by_urn[resource.parent].name if resource.parent else ""


def _label(resource: PlannedResource, by_urn: dict[str, PlannedResource]) -> str:
    """The name without the region it is drawn in."""
    return resource.name.removeprefix(f"{_group(resource, by_urn)}-")


def _counted(count: int) -> str:
    return "1 resource" if count == 1 else f"{count} resources"


def _ancestors(resource: PlannedResource, by_urn: dict[str, PlannedResource]) -> Iterator[PlannedResource]:
    """Itself, then its parents, innermost first."""
    current: PlannedResource | None = resource
    while current is not None:
        yield current
        current = by_urn[current.parent] if current.parent else None


def _depth(resource: PlannedResource, by_urn: dict[str, PlannedResource]) -> int:
    return sum(1 for _ in _ancestors(resource, by_urn)) - 1


def _top(resource: PlannedResource, by_urn: dict[str, PlannedResource]) -> PlannedResource | None:
    """The component that stands directly in a region or in the edge, and holds `resource`."""
    return next((ancestor for ancestor in _ancestors(resource, by_urn) if _depth(ancestor, by_urn) == 1), None)


def _identifier(name: str) -> str:
    return name.replace("-", "_").replace(".", "_")
