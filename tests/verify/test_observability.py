"""What watches the stack is checked where AWS has it, and said to be unchecked where the local cloud has not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from infra.verify import observability
from infra.verify.facts import Fact, OutputError, Scope, Verdict
from stacks import phase_1m, phase_10k
from stacks.phase import Phase
from tests.verify.overlay import Overlaid

KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
OUTPUTS = {
    "clusterName": "one",
    "canaryName": "visitor",
    "prometheusWorkspaceId": "ws-1",
    "keyArns": {"operations": KEY},
}
CANARY = {"Status": {"State": "RUNNING"}, "Schedule": {"Expression": "rate(5 minutes)"}}
RIGHT: dict[str, dict[str, Any]] = {
    "xray": {
        "get_sampling_rules": {
            "SamplingRuleRecords": [
                {"SamplingRule": {"RuleName": "Default", "FixedRate": 0.05}},
                {"SamplingRule": {"RuleName": "ours", "FixedRate": 0.1}},
            ]
        }
    },
    "eks": {"describe_addon": {"addon": {"status": "ACTIVE", "configurationValues": '{"agent": {"otlp": {}}}'}}},
    "synthetics": {
        "get_canary": {"Canary": CANARY},
        "get_canary_runs": {"CanaryRuns": [{"Status": {"State": "PASSED"}}]},
    },
    "amp": {
        "describe_workspace": {"workspace": {"arn": "arn", "status": {"statusCode": "ACTIVE"}, "kmsKeyArn": KEY}},
        "list_rule_groups_namespaces": {"ruleGroupsNamespaces": [{"name": "headroom"}]},
        "list_scrapers": {"scrapers": [{"status": {"statusCode": "ACTIVE"}}]},
    },
}

PROBES = (observability.agent, observability.canary, observability.prometheus, observability.sampling)


def scope(
    endpoint: str, answers: Mapping[str, Any], *, phase: Phase = phase_1m.EFFICIENT, local: bool = False
) -> Scope:
    return Scope(
        region="us-east-1",
        outputs=OUTPUTS,
        phase=phase,
        domain="example.com",
        protected=True,
        clients=Overlaid(endpoint, answers),
        local=local,
    )


def facts(asked: Scope) -> Iterator[Fact]:
    for probes in PROBES:
        for probe in probes(asked):
            yield from probe.facts()


def test_what_is_right_holds(endpoint: str) -> None:
    assert {fact.verdict for fact in facts(scope(endpoint, RIGHT))} == {Verdict.HOLDS}


@pytest.mark.parametrize(
    ("service", "operation", "answer", "what"),
    [
        ("eks", "describe_addon", {"addon": {"status": "DEGRADED", "configurationValues": "otlp"}}, "status"),
        ("eks", "describe_addon", {"addon": {"status": "ACTIVE"}}, "takes traces"),
        ("synthetics", "get_canary", {"Canary": {**CANARY, "Status": {"State": "STOPPED"}}}, "status"),
        ("synthetics", "get_canary", {"Canary": {**CANARY, "Schedule": {"Expression": "rate(1 hour)"}}}, "runs each"),
        ("synthetics", "get_canary_runs", {"CanaryRuns": [{"Status": {"State": "FAILED"}}]}, "last run"),
        (
            "xray",
            "get_sampling_rules",
            {"SamplingRuleRecords": [{"SamplingRule": {"RuleName": "Default", "FixedRate": 0.1}}]},
            "rate",
        ),
        ("amp", "list_rule_groups_namespaces", {"ruleGroupsNamespaces": []}, "rules"),
        ("amp", "list_scrapers", {"scrapers": []}, "collectors"),
    ],
)
def test_what_is_wrong_differs(
    endpoint: str, service: str, operation: str, answer: Mapping[str, Any], what: str
) -> None:
    answers = {**RIGHT, service: {**RIGHT[service], operation: answer}}
    wrong = [fact.what for fact in facts(scope(endpoint, answers)) if fact.verdict is Verdict.DIFFERS]
    assert wrong == [what]


def test_a_phase_without_any_of_it_asks_nothing(endpoint: str) -> None:
    asked = scope(endpoint, {}, phase=phase_10k.EFFICIENT)
    assert list(facts(asked)) == []


def test_a_missing_output_is_named(endpoint: str) -> None:
    asked = scope(endpoint, RIGHT)
    bare = Scope(
        region=asked.region,
        outputs={},
        phase=asked.phase,
        domain=asked.domain,
        protected=True,
        clients=asked.clients,
    )
    with pytest.raises(OutputError, match="canaryName"):
        list(observability.canary(bare))


def test_what_the_local_cloud_only_remembers_is_unchecked(endpoint: str) -> None:
    asked = scope(
        endpoint, {"amp": {key: RIGHT["amp"][key] for key in RIGHT["amp"] if key != "list_scrapers"}}, local=True
    )
    found = list(facts(asked))
    assert [fact.what for fact in found if fact.verdict is Verdict.UNCHECKED] == [
        "runs",
        "runs",
        "encryption and collector",
        "rate",
    ]
    assert [fact for fact in found if fact.verdict is Verdict.DIFFERS] == []
