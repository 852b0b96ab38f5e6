"""The generated parts of the growth guide: when each step is due, and what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from infra import stack_file
from infra.growth.command import grow
from infra.growth.times import clock
from infra.problems import NAMESPACE
from stacks.phase import Phase, PhaseName
from stacks.phases import phase

ROOT = Path(__file__).parents[1]
DUE_PERCENT = 80
"""Of what a phase is made for. Growing takes hours and its preparation days: the rest is the time for both."""


def _due(value: float) -> str:
    return f"{value * DUE_PERCENT / 100:,.0f}"


def _cost(one: Phase) -> str:
    targets = one.targets
    return f"{targets.monthly_usd.high / targets.monthly_users * 1_000:,.0f} USD"


MEASURES: Mapping[str, tuple[str, Callable[[Phase], str]]] = {
    "users at the same time": ("WebSockets that are open", lambda one: _due(one.targets.concurrent_users.high)),
    "requests a second": (
        "`RequestCount` of the load balancer, busiest minute",
        lambda one: _due(one.targets.requests_per_second),
    ),
    "database queries a second": (
        "`pg_stat_statements`, calls a second over primary and readers",
        lambda one: _due(one.targets.database_queries_per_second.high),
    ),
    "connections to a primary": (
        "`DatabaseConnections`, maximum",
        lambda one: _due(one.database.server_connections),
    ),
    "data in a primary": (
        "allocated less free storage",
        lambda one: f"{_due(one.database.logical_budget_gib)} GiB",
    ),
    "what the cache holds": ("`BytesUsedForCache` over all shards", lambda one: f"{_due(one.cache.usable_mib)} MiB"),
    "what the state holds": ("`BytesUsedForCache` over all shards", lambda one: f"{_due(one.state.usable_mib)} MiB"),
    "api pods at their maximum": (
        "replicas of the autoscaler",
        lambda one: f"{one.compute.pods['api'].maximum} for an hour a day",
    ),
    "p95 of the API": (
        "`TargetResponseTime`, on three days of a week",
        lambda one: f"{_due(one.targets.p95_ms)} ms",
    ),
    "cost for 1,000 users": ("budget over users", lambda one: f"above {_cost(one)}"),
}
"""What is measured, where, and from which value on the phase is left. One is a reason to look, two to grow."""


def triggers() -> str:
    """From which values on each phase is left for the next."""
    names = list(PhaseName)[:-1]
    rows = [
        f"| leave | {' | '.join(f'`{name}` at' for name in names)} | measured by |",
        "| --- " * (len(names) + 2) + "|",
    ]
    for what, (how, value) in MEASURES.items():
        rows.append(f"| {what} | {' | '.join(value(phase(name)) for name in names)} | {how} |")
    rows.append(f"| CPU of the primary | {' | '.join('60 % for an hour a day' for _ in names)} | `CPUUtilization` |")
    return "\n".join(rows)


def steps() -> str:
    """Each growth with its steps, as `headroom grow` plans them for a stack without overrides."""
    shipped = stack_file.read(ROOT / "Pulumi.10k.yaml")
    account = f"{NAMESPACE}:cloudflareAccountId"
    stored = replace(shipped, raw={account: "0" * 32, **shipped.raw})
    rows = [
        "| from, to | step | updates on AWS, about | without an answer | then wait |",
        "| --- | --- | --- | --- | --- |",
    ]
    for old, new in pairwise(PhaseName):
        for number, stage in enumerate(grow(stored, old, new).stages, 1):
            down = stage.growth.downtime_seconds
            cells = [
                f"{old} to {new}" if number == 1 else "",
                f"{number}. {stage.step.name}",
                clock(stage.chain.seconds),
                clock(down) if down else "no",
                "; ".join(stage.step.waits),
            ]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)
