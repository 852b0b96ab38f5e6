"""Rules about the firewall."""

from __future__ import annotations

from typing import Any

from policies.rules import waf
from tests.policies.cases import GONE, PREFIX, Case, made


def group(name: str) -> dict[str, Any]:
    """A managed rule group that keeps its own actions."""
    return {
        "overrideAction": {"none": {}},
        "statement": {"managedRuleGroupStatement": {"name": name, "ruleActionOverrides": []}},
        "visibilityConfig": {"cloudwatchMetricsEnabled": True},
    }


FLOOD = {
    "action": {"block": {}},
    "statement": {"rateBasedStatement": {"limit": 10_000}},
    "visibilityConfig": {"cloudwatchMetricsEnabled": True},
}
GOOD = [
    made(
        waf.WEB_ACL,
        "firewall",
        {
            "rules": [FLOOD, group(waf.KNOWN_BAD_INPUTS), group(waf.ANONYMOUS_IP)],
            "visibilityConfig": {"cloudwatchMetricsEnabled": True},
        },
    )
]
COUNTED = [{"name": "Log4JRCE_HEADER", "actionToUse": {"count": {}}}]

CASES = [
    Case(
        rule="waf-rules-decide",
        good=GOOD,
        path="rules.0.action",
        broken=[GONE, {}],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="waf-metrics",
        good=GOOD,
        path="rules.1.visibilityConfig.cloudwatchMetricsEnabled",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="waf-known-bad-inputs",
        good=GOOD,
        path="rules.1.statement.managedRuleGroupStatement",
        broken=[
            {"name": "AWSManagedRulesCommonRuleSet"},
            {"name": waf.KNOWN_BAD_INPUTS, "ruleActionOverrides": COUNTED},
            GONE,
        ],
        absent="broken",
        unknown="undecided",
        shipped_path="rules.4.overrideAction",
        shipped_value={"count": {}},
    ),
    Case(
        rule="waf-anonymous-addresses",
        good=GOOD,
        path="rules.2.statement.managedRuleGroupStatement.name",
        broken=["AWSManagedRulesCommonRuleSet", GONE],
        absent="broken",
        unknown="undecided",
        shipped_path="rules.6.statement.managedRuleGroupStatement.name",
    ),
    Case(
        rule="waf-rate-limit",
        good=GOOD,
        path="rules.0.statement.rateBasedStatement",
        broken=[GONE, {}],
        absent="broken",
        unknown="fine",
        shipped_path="rules.1.action",
        shipped_value={"count": {}},
    ),
    Case(
        rule="waf-logging",
        good=[
            *GOOD,
            made(
                waf.LOGGING,
                "firewall",
                {"logDestinationConfigs": ["arn"]},
                sources={"resourceArn": [f"{waf.WEB_ACL}::firewall"]},
            ),
        ],
        path="@urn",
        broken=[f"{PREFIX}nobodys"],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="waf-log-redacted",
        good=[
            made(
                waf.LOGGING,
                "firewall",
                {"redactedFields": [{"singleHeader": {"name": header}} for header in ("Authorization", "cookie")]},
            )
        ],
        path="redactedFields",
        broken=[[], [{"singleHeader": {"name": "authorization"}}], GONE],
        absent="broken",
        unknown="undecided",
    ),
]
