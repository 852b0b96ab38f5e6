"""What looks at the stack from inside and from outside: agent, traces, canary, Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from infra.verify.facts import Fact, Probe, Scope, equal, holds, unchecked

ADD_ON = "amazon-cloudwatch-observability"
LOCAL = "the local cloud only remembers it (moto)"


def agent(scope: Scope) -> Iterator[Probe]:
    """The add-on that runs CloudWatch's agent."""
    if scope.phase.telemetry.tracing or scope.phase.telemetry.container_insights:
        yield Probe("observability", f"add-on {ADD_ON}", partial(_agent, scope, scope.text("clusterName")))


def _agent(scope: Scope, cluster: str) -> Iterator[Fact]:
    if scope.local:
        yield unchecked("runs", LOCAL)
        return
    found = scope.client("eks").describe_addon(clusterName=cluster, addonName=ADD_ON)["addon"]
    yield equal("status", "ACTIVE", found["status"])
    values = found.get("configurationValues") or ""
    yield holds(
        "takes traces", ("otlp" in values) == scope.phase.telemetry.tracing, scope.phase.telemetry.tracing, values
    )


def sampling(scope: Scope) -> Iterator[Probe]:
    """X-Ray's rule for the stack's requests."""
    if scope.phase.telemetry.tracing:
        yield Probe("observability", "X-Ray sampling", partial(_sampling, scope))


def _sampling(scope: Scope) -> Iterator[Fact]:
    if scope.local:
        yield unchecked("rate", LOCAL)
        return
    pages = scope.client("xray").get_paginator("get_sampling_rules").paginate()
    rates = {
        rule["SamplingRule"]["FixedRate"]
        for page in pages
        for rule in page["SamplingRuleRecords"]
        if rule["SamplingRule"]["RuleName"] != "Default"
    }
    wanted = scope.phase.telemetry.trace_sample_percent / 100
    yield holds("rate", wanted in rates, wanted, rates)


def canary(scope: Scope) -> Iterator[Probe]:
    """The visitor of the region."""
    if scope.phase.telemetry.canaries:
        name = scope.text("canaryName")
        yield Probe("observability", f"canary {name}", partial(_canary, scope, name))


def _canary(scope: Scope, name: str) -> Iterator[Fact]:
    if scope.local:
        yield unchecked("runs", LOCAL)
        return
    client = scope.client("synthetics")
    found = client.get_canary(Name=name)["Canary"]
    yield equal("status", "RUNNING", found["Status"]["State"])
    yield equal("runs each", "rate(5 minutes)", found["Schedule"]["Expression"])
    runs = client.get_canary_runs(Name=name, MaxResults=1)["CanaryRuns"]
    yield equal("last run", ["PASSED"], [run["Status"]["State"] for run in runs])


def prometheus(scope: Scope) -> Iterator[Probe]:
    """The region's workspace, its rules and its collector."""
    if scope.phase.telemetry.managed_prometheus:
        workspace = scope.text("prometheusWorkspaceId")
        yield Probe("observability", f"Prometheus {workspace}", partial(_prometheus, scope, workspace))


def _prometheus(scope: Scope, workspace: str) -> Iterator[Fact]:
    client = scope.client("amp")
    found = client.describe_workspace(workspaceId=workspace)["workspace"]
    yield equal("status", "ACTIVE", found["status"]["statusCode"])
    rules = client.list_rule_groups_namespaces(workspaceId=workspace)["ruleGroupsNamespaces"]
    yield holds("rules", rules, "one or more groups", [rule["name"] for rule in rules])
    if scope.local:
        yield unchecked("encryption and collector", "the local cloud keeps neither (moto)")
        return
    keys = set(scope.names("keyArns").values())
    yield holds("encrypted with the stack's key", found.get("kmsKeyArn") in keys, keys, found.get("kmsKeyArn"))
    scrapers = client.list_scrapers(filters={"destinationArn": [found["arn"]]})["scrapers"]
    yield equal("collectors", ["ACTIVE"], [scraper["status"]["statusCode"] for scraper in scrapers])
