"""The generated part of the page on policies: every rule, by the service that it is about."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from infra.policy_command import rules

ACRONYMS = {"acm", "alb", "ecr", "eks", "iam", "kms", "rds", "s3", "ses", "sns", "sqs", "vpc", "waf"}
NAMES = {
    "alarm": "CloudWatch alarms",
    "apigateway": "API Gateway",
    "budget": "Budgets",
    "cloudfront": "CloudFront",
    "cloudtrail": "CloudTrail",
    "cost": "Cost, of every type",
    "elasticache": "ElastiCache",
    "events": "EventBridge",
    "guardduty": "GuardDuty",
    "logs": "CloudWatch Logs",
    "opensearch": "OpenSearch",
    "pooler": "PgBouncer",
    "route53": "Route 53",
    "secrets": "Secrets, of every type",
    "stateful": "What holds data, of every type",
    "tags": "Tags, of every type",
}
"""Services whose name is not the first part of a rule's id with a capital letter."""


def rule_table() -> str:
    """How many rules there are, and a table of them for each service."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for rule in rules():
        found[rule["id"].partition("-")[0]].append(rule)
    levels = ("mandatory", "production", "advisory")
    counts = {level: sum(one["level"] == level for group in found.values() for one in group) for level in levels}
    total = f"{sum(counts.values())} rules: {', '.join(f'{count} {level}' for level, count in counts.items())}."
    return "\n\n".join([total, *(_group(key, found[key]) for key in sorted(found, key=lambda key: _name(key).lower()))])


def _name(key: str) -> str:
    return NAMES.get(key) or (key.upper() if key in ACRONYMS else key.capitalize())


def _group(key: str, group: list[dict[str, Any]]) -> str:
    rows = [
        f"### {_name(key)}",
        "",
        "| rule | level | severity | what it demands | elsewhere |",
        "| --- | --- | --- | --- | --- |",
    ]
    for one in sorted(group, key=lambda one: str(one["id"])):
        cells = (f"`{one['id']}`", one["level"], one["severity"], one["demands"], ", ".join(one["frameworks"]))
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)
