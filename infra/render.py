"""A plan for eyes: as a tree by component, and as a picture."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
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


def mermaid(plan: Plan) -> str:
    """The plan's components and what they use, as a Mermaid flowchart.

    An arrow points from a component to one whose resources it depends on; what follows from other arrows is left out.
    """
    by_urn = {resource.urn: resource for resource in plan.resources}
    tops = [resource for resource in plan.resources if resource.is_component and _depth(resource, by_urn) == 1]
    counts: Counter[str] = Counter()
    arrows: set[tuple[str, str]] = set()
    for resource in plan.resources:
        home = _top(resource, by_urn)
        if home is None or resource.is_component:
            continue
        counts[home.urn] += 1
        for dependency in resource.dependencies:
            target = _top(by_urn[dependency], by_urn) if dependency in by_urn else None
            if target is not None and target is not home:
                arrows.add((home.name, target.name))
    shown = {resource.name for resource in tops if resource.type.removeprefix("headroom:") not in BACKGROUND}
    lines = ["flowchart LR"]
    for group in dict.fromkeys(resource.parent for resource in tops):
        lines.append(f'  subgraph {_identifier(by_urn[group].name)}["{by_urn[group].name}"]' if group else "")
        lines += [
            f'    {_identifier(resource.name)}["{_label(resource, by_urn)}<br/>{_counted(counts[resource.urn])}"]'
            for resource in tops
            if resource.parent == group and resource.name in shown
        ]
        lines.append("  end" if group else "")
    drawn = _reduced({arrow for arrow in arrows if shown.issuperset(arrow)})
    lines += [f"  {_identifier(source)} --> {_identifier(target)}" for source, target in sorted(drawn)]
    return "\n".join(line for line in lines if line)


def _reduced(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The transitive reduction of an acyclic graph: the fewest arrows that still reach the same."""
    following: dict[str, set[str]] = defaultdict(set)
    for source, target in arrows:
        following[source].add(target)

    def reaches(start: str, goal: str) -> bool:
        return goal in following[start] or any(reaches(step, goal) for step in following[start])

    return {
        (source, target)
        for source, target in arrows
        if not any(reaches(step, target) for step in following[source] - {target})
    }


def _label(resource: PlannedResource, by_urn: dict[str, PlannedResource]) -> str:
    """The name without the region it is drawn in."""
    group = by_urn[resource.parent].name if resource.parent else ""
    return resource.name.removeprefix(f"{group}-")


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
