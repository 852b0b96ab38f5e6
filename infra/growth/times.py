"""How long the engine would take on AWS: the longest path of waits through a plan, or through the steps of a growth.

The engine works on everything at once that waits for nothing, so the longest chain of waits is the time; the seconds
of each type are in `durations.json`, with their sources.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Final

from infra.growth.guard import Action, Growth, Operation
from infra.plan import PlannedResource

DATA: Final = Path(__file__).with_name("durations.json")

NEEDED: Final[Mapping[tuple[str, str], str]] = {
    ("*", "aws:iam/rolePolic*"): "a service acts with its role's policies from the first minute, or fails",
    ("*", "aws:lambda/permission:Permission"): "whoever calls a function is refused until it may",
    ("*", "aws:eks/podIdentityAssociation:*"): "a pod gets its credentials when it starts, or never",
    ("*", "aws:cloudwatch/logGroup:LogGroup"): "the service would make the group itself: no retention, no key",
    ("aws:s3/bucketLifecycleConfiguration:*", "aws:s3/bucketVersioning:*"): "rules for versions need versions",
    ("aws:s3/bucketPolicy:*", "aws:s3/bucketPublicAccessBlock:*"): "S3 refuses two of these at the same time",
    ("pulumi:providers:kubernetes", "aws:eks/accessPolicyAssociation:*"): "until then the API refuses the program",
    ("aws:acm/certificateValidation:*", "cloudflare:index/dnsRecord:DnsRecord"): "ACM looks for the record",
    ("aws:ec2/*", "aws:ec2/internetGateway:InternetGateway"): "public addresses need a way out that exists",
    ("aws:ec2/*", "aws:ec2/vpcPeeringConnectionAccepter:*"): "routes and options want a peering that was accepted",
    ("aws:opensearch/domain:Domain", "aws:cloudwatch/logResourcePolicy:*"): "refused until it may write its logs",
    ("aws:sesv2/configurationSetEventDestination:*", "aws:sns/topic*"): "what is told before anybody listens is lost",
    ("aws:apigatewayv2/stage:Stage", "aws:apigatewayv2/route:Route"): "what is deployed is what is there",
    ("aws:fis/experimentTemplate:*", "aws:eks/accessEntry:*"): "an experiment acts in the cluster with these rights",
    ("aws:fis/experimentTemplate:*", "kubernetes:*"): "an experiment acts in the cluster with these rights",
    ("kubernetes:*", "kubernetes:helm.sh/v3:Release"): "kinds and webhooks come with the chart",
    ("aws:eks/addon:Addon", "kubernetes:karpenter.sh/v1:NodePool"): "its pods need nodes",
    ("kubernetes:*", "kubernetes:karpenter.sh/v1:NodePool"): "pods need nodes",
    ("kubernetes:*", "kubernetes:eks.amazonaws.com/v1:*"): "objects are named, not used",
    ("kubernetes:*", "kubernetes:core/v1:*"): "objects are named, not used",
    (
        "kubernetes:*",
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
    ): "no pod runs without its fence, not for a second",
    ("kubernetes:apps/v1:*", "kubernetes:batch/v1:Job"): "the schema must be there before the code",
    ("kubernetes:autoscaling/v2:*", "kubernetes:apps/v1:Deployment"): "it scales what is there",
}
"""Waits for something that nothing is used of, which somebody needs all the same: who, for what, and why."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The longest chain of waits, first to last; every resource with its own seconds."""

    links: tuple[tuple[PlannedResource, int], ...]

    @property
    def seconds(self) -> int:
        """From the first to the end of the last."""
        return sum(seconds for _, seconds in self.links)

    @property
    def slow(self) -> tuple[tuple[PlannedResource, int], ...]:
        """The links that take a minute or more: what a reader wants to know."""
        minute = 60
        return tuple(link for link in self.links if link[1] >= minute)


@cache
def _data() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))
    return found


def duration(action: Action, resource: PlannedResource, changed: Iterable[str] = ()) -> int:
    """Seconds of one operation; `changed` are the inputs that an update changes."""
    entry = _data()["types"].get(resource.type, {})
    seconds = {**_data()["default"], **{key: entry[key] for key in ("create", "update", "delete") if key in entry}}
    roots = set(changed)
    fitting = [case for case in entry.get("when", ()) if _fits(case, resource.inputs, roots)]
    for case in sorted(fitting, key=lambda case: max(case.get(key, 0) for key in seconds)):
        seconds |= {key: case[key] for key in seconds if key in case}
    if action is Action.REPLACE:
        return int(seconds["create"] + seconds["delete"])
    return int(seconds[action.value])


def _fits(case: Mapping[str, Any], inputs: Mapping[str, Any], changed: set[str]) -> bool:
    if "changed" in case:
        return case["changed"] in changed
    return case["input"] in inputs and ("value" not in case or inputs[case["input"]] == case["value"])


def first_up(resources: Sequence[PlannedResource]) -> Chain:
    """The longest path of building everything from nothing."""
    seconds = {one.urn: duration(Action.CREATE, one) for one in resources if not one.is_component}
    return longest(resources, seconds)


def shortest_possible(resources: Sequence[PlannedResource]) -> Chain:
    """The longest path of what cannot be avoided: waits for values, for providers, and those declared as needed."""
    seconds = {one.urn: duration(Action.CREATE, one) for one in resources if not one.is_component}
    return longest(resources, seconds, waits=_unavoidable(resources))


def of_growth(growth: Growth, resources: Sequence[PlannedResource]) -> Chain:
    """The longest path of a growth's operations; what is deleted goes after everything else, in reverse."""
    there = {one.resource.urn: _seconds(one) for one in growth.operations if one.action is not Action.DELETE}
    gone = [one.resource for one in growth.operations if one.action is Action.DELETE]
    before = longest(resources, there)
    after = longest(
        list(reversed(gone)),
        {one.urn: duration(Action.DELETE, one) for one in gone},
    )
    return Chain((*before.links, *reversed(after.links)))


def _seconds(operation: Operation) -> int:
    if operation.only_tags:
        return int(_data()["default"]["update"])
    return duration(operation.action, operation.resource, {change.root for change in operation.changes})


def longest(
    resources: Sequence[PlannedResource],
    seconds: Mapping[str, int],
    waits: Callable[[PlannedResource], Iterable[str]] | None = None,
) -> Chain:
    """The longest path through `resources`, which are in an order that no wait goes against."""
    waits = waits or all_waits
    by_urn = {one.urn: one for one in resources}
    ends: dict[str, int] = {}
    comes_from: dict[str, str | None] = {}
    for one in resources:
        latest = max((urn for urn in waits(one) if urn in ends), key=lambda urn: ends[urn], default=None)
        comes_from[one.urn] = latest
        ends[one.urn] = (ends[latest] if latest else 0) + seconds.get(one.urn, 0)
    links = []
    urn = max(ends, key=lambda urn: ends[urn], default=None)
    while urn is not None:
        if urn in seconds:
            links.append((by_urn[urn], seconds[urn]))
        urn = comes_from[urn]
    return Chain(tuple(reversed(links)))


def all_waits(resource: PlannedResource) -> Iterator[str]:
    """What the engine waits for before it begins: dependencies, the provider, and the parent."""
    yield from resource.dependencies
    if resource.parent:
        yield resource.parent
    if "provider" in resource.options:
        yield resource.options["provider"]


def needless(resources: Sequence[PlannedResource]) -> list[tuple[PlannedResource, PlannedResource]]:
    """Waits for something that nothing is used of, and that nobody declared as needed: who, for whom."""
    by_urn = {one.urn: one for one in resources}
    return [
        (one, by_urn[urn])
        for one in resources
        for urn in one.dependencies
        if urn in by_urn and not by_urn[urn].is_component and not _uses(one, urn)
        if not _is_needed(one.type, by_urn[urn].type)
    ]


@cache
def _is_needed(waiter: str, awaited: str) -> bool:
    return any(fnmatchcase(waiter, who) and fnmatchcase(awaited, what) for who, what in NEEDED)


def _uses(resource: PlannedResource, urn: str) -> bool:
    return any(urn in sources for sources in resource.property_dependencies.values())


def _unavoidable(resources: Sequence[PlannedResource]) -> Callable[[PlannedResource], Iterator[str]]:
    avoidable: dict[str, set[str]] = defaultdict(set)
    for one, other in needless(resources):
        avoidable[one.urn].add(other.urn)

    def waits(resource: PlannedResource) -> Iterator[str]:
        return (urn for urn in all_waits(resource) if urn not in avoidable[resource.urn])

    return waits


def clock(seconds: int) -> str:
    """A duration for people: `40 s`, `12 min`, `1 h 5 min`."""
    minute, hour = 60, 3600
    if seconds < minute:
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / minute), minute)
    return f"{minutes} min" if seconds < hour and not hours else f"{hours} h {minutes} min"


def told(chain: Chain) -> str:
    """The path in one line: `vpc 15 s → ...`, the slow links only."""
    return " → ".join(f"{one.name} ({one.type.rpartition(':')[2]}, {clock(took)})" for one, took in chain.slow)
