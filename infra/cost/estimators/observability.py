"""Metrics, alarms, traces, dashboards, canaries; and what watches money and faults. Logs have a module of their own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from infra.cost.estimators import logs
from infra.cost.estimators.fleet import UNKNOWN_NODES, fleet
from infra.cost.estimators.logs import MINUTES
from infra.cost.model import HOURS, Charge, Estimator, Free, Item, NeedsUsage, Scene, Unpriced
from infra.cost.usage import DAYS, KIB_PER_GIB, SECONDS
from infra.cost.workloads import DEPLOYMENT
from infra.plan import PlannedResource

ALARM: Final = "aws:cloudwatch/metricAlarm:MetricAlarm"
DASHBOARD: Final = "aws:cloudwatch/dashboard:Dashboard"
SAMPLING_RULE: Final = "aws:xray/samplingRule:SamplingRule"
CANARY: Final = "aws:synthetics/canary:Canary"

SCRAPE_SECONDS: Final = 60
"""As the collector is told (`components.prometheus`); in a plan its configuration is unknown."""
PROMETHEUS_DAYS: Final = 150
"""How long a workspace keeps samples."""
SAMPLE_BYTES: Final = 2
"""Of one sample, at most: https://aws.amazon.com/prometheus/pricing/ says one or two."""

RUN_SECONDS: Final = Decimal(10)
"""Of a canary that asks for two addresses; assumed."""
MIB_OF_A_RUN: Final = Decimal(1_000)
"""Of its function, unless it says otherwise (recalled)."""

_RATE: Final = re.compile(r"rate\((\d+) (minute|hour)s?\)")


def metric_alarm(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """By metric that the alarm looks at, not by alarm."""
    totals: Counter[str] = scene.once(
        "alarms", lambda: sum((_alarm_metrics(one, scene) for one in scene.all(ALARM)), Counter[str]())
    )
    for kind, metrics in _alarm_metrics(resource, scene).items():
        yield Charge(component="alarm", key=f"cloudwatch/alarms/{kind}", quantity=metrics, of=totals[kind])


def _alarm_metrics(resource: PlannedResource, scene: Scene) -> Counter[str]:
    """Metrics by resolution: each of a formula counts, and a band counts twice.

    Source: https://aws.amazon.com/cloudwatch/pricing/
    """
    queries = resource.inputs.get("metricQueries")
    if not queries:
        return Counter({_resolution(resource.inputs.get("period")): 1})
    found: Counter[str] = Counter()
    for query in queries:
        if metric := query.get("metric"):
            found[_resolution(metric.get("period"))] += 1
        elif query.get("period"):
            # Only a query of Metrics Insights has a period of its own; ours looks at one metric of each Deployment.
            found["metrics-insights"] += len(scene.in_region(scene.region(resource), DEPLOYMENT))
        elif "ANOMALY_DETECTION_BAND" in str(query.get("expression")):
            found["standard"] += 2
    return found


def _resolution(period_seconds: object) -> str:
    return "high-resolution" if period_seconds and float(str(period_seconds)) < 60 else "standard"  # noqa: PLR2004 a minute


def composite_alarm(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """An alarm on alarms."""
    del resource, scene
    yield Charge(component="alarm", key="cloudwatch/alarms/composite", quantity=1)


def dashboard(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """The first three of an account are free."""
    del resource
    # A plan does not know what a dashboard shows.
    note = "one of more than 50 metrics is not free"
    key = "cloudwatch/dashboard"
    yield Charge(component="dashboard", key=key, quantity=1, of=scene.count(DASHBOARD), note=note)


def event_rule(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """AWS's own events and schedules are free on the default bus."""
    del scene
    if resource.inputs.get("eventBusName", "default") == "default":
        yield Free(why="events of AWS's services, and schedules, cost nothing")
    else:
        yield NeedsUsage(component="events", what="how many events are put on a bus of one's own")


def sampling_rule(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Traces: the first requests of each second, and a share of the others."""
    total = scene.once("traces", lambda: sum(_traces(one, scene) for one in scene.all(SAMPLING_RULE)))
    yield Charge(component="traces", key="xray/traces", quantity=_traces(resource, scene), of=total)


def _traces(resource: PlannedResource, scene: Scene) -> Decimal:
    requests = scene.usage.requests * scene.usage.share(scene.region(resource))
    first = min(requests, Decimal(str(resource.inputs["reservoirSize"])) * SECONDS)
    return first + (requests - first) * Decimal(str(resource.inputs["fixedRate"]))


def prometheus_workspace(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Samples taken in and kept; tiers count in each region apart.

    What rules and people read is far below the 200 billion samples that are free.
    """
    samples = _samples(resource, scene)
    if samples is None:
        yield Unpriced(component="samples", why=UNKNOWN_NODES)
        return
    kept = samples * PROMETHEUS_DAYS / DAYS * SAMPLE_BYTES / 1_024 / KIB_PER_GIB
    yield Charge(component="samples", key="amp/samples/ingested", quantity=samples)
    yield Charge(component="storage", key="amp/storage", quantity=kept)


def prometheus_collector(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """AWS's collector: by the hour, and by what it collects."""
    yield Charge(component="collector", key="amp/collector/hours", quantity=HOURS)
    samples = _samples(resource, scene)
    if samples is None:
        yield Unpriced(component="collected samples", why=UNKNOWN_NODES)
        return
    yield Charge(component="collected samples", key="amp/collector/samples", quantity=samples)


def _samples(resource: PlannedResource, scene: Scene) -> Decimal | None:
    found = fleet(scene, scene.region(resource))
    if found is None:
        return None
    return found.pods * scene.usage.profile.metric_series_per_pod * SECONDS / SCRAPE_SECONDS


def grafana_workspace(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Editors: those on call, and one at least, whom every workspace is charged."""
    del resource
    editors = max(scene.usage.profile.pagerduty_users, 1)
    yield Charge(component="editors", key="grafana/editor", quantity=editors)


def canary(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Runs, and the time of the function that CloudWatch makes for them."""
    runs = _runs(resource)
    if runs is None:
        yield NeedsUsage(component="runs", what="how often it runs: only schedules such as rate(5 minutes) are read")
        return
    total = scene.once("canaries", lambda: sum(_runs(one) or 0 for one in scene.all(CANARY)))
    memory = Decimal(str((resource.inputs.get("runConfig") or {}).get("memoryInMb", MIB_OF_A_RUN)))
    yield Charge(component="runs", key="synthetics/run", quantity=runs, of=total)
    yield Charge(component="function", key="synthetics/function", quantity=runs * RUN_SECONDS * memory / 1_024)


def _runs(resource: PlannedResource) -> Decimal | None:
    if not resource.inputs.get("startCanary"):
        return Decimal(0)
    found = _RATE.fullmatch(str((resource.inputs.get("schedule") or {}).get("expression")))
    if found is None:
        return None
    every = Decimal(found[1]) * (60 if found[2] == "hour" else 1)
    # AWS writes a single run, by hand, as a rate of 0.
    return MINUTES / every if every else Decimal(0)


ESTIMATORS: Final[Mapping[str, Estimator]] = {
    **logs.ESTIMATORS,
    ALARM: metric_alarm,
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": composite_alarm,
    DASHBOARD: dashboard,
    "aws:cloudwatch/eventRule:EventRule": event_rule,
    SAMPLING_RULE: sampling_rule,
    "aws:amp/workspace:Workspace": prometheus_workspace,
    "aws:amp/scraper:Scraper": prometheus_collector,
    "aws:grafana/workspace:Workspace": grafana_workspace,
    CANARY: canary,
}
FREE: Final[Mapping[str, str]] = {
    **logs.FREE,
    "aws:cloudwatch/eventTarget:EventTarget": "the target pays for itself",
    "aws:xray/group:Group": "a saved view; traces are on the sampling rule",
    "aws:amp/ruleGroupNamespace:RuleGroupNamespace": "reads far less than the 200 billion samples that are free",
    "aws:amp/alertManagerDefinition:AlertManagerDefinition": "alerts are free; the topic's requests are on the topic",
    "aws:fis/experimentTemplate:ExperimentTemplate": "charged by the minute of an action, when somebody runs it",
    "aws:budgets/budget:Budget": "budgets without actions are free",
    "aws:costexplorer/anomalyMonitor:AnomalyMonitor": "free",
    "aws:costexplorer/anomalySubscription:AnomalySubscription": "free",
}
