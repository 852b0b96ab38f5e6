"""Rules about what is spent, by whom, and for what."""

from __future__ import annotations

from policies.rule import ROOT
from policies.rules import budgets
from policies.rules.sns import TOPIC
from policies.rules.tags import REQUIRED
from tests.policies.cases import GONE, PREFIX, Case, made

MAIL = {"subscriberEmailAddresses": ["money@example.com"]}
TAGS = dict.fromkeys(REQUIRED, "known")
BUDGET = {"budgetType": "COST", "timeUnit": "MONTHLY", "notifications": [MAIL, {"subscriberSnsTopicArns": ["arn"]}]}

CASES = [
    Case(
        rule="budget-notifies",
        good=[made(budgets.BUDGET, "budget", BUDGET), made(ROOT)],
        path="notifications",
        broken=[[MAIL], [MAIL, {"subscriberEmailAddresses": []}], GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="budget-monthly",
        good=[made(budgets.BUDGET, "budget", BUDGET)],
        path="timeUnit",
        broken=["ANNUALLY", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="budget-anomalies-heard",
        good=[
            made(budgets.MONITOR, "budget"),
            made(
                budgets.SUBSCRIPTION,
                "budget",
                {"subscribers": [{"type": "EMAIL"}]},
                sources={"monitorArnLists": [f"{budgets.MONITOR}::budget"]},
            ),
            made(ROOT),
        ],
        path="@urn",
        broken=[f"{PREFIX}another"],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="tags-required",
        good=[made(TOPIC, "page", {"tags": TAGS})],
        path="tags",
        broken=[{}, {**TAGS, "Owner": ""}, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="cost-priced",
        good=[made(TOPIC, "page")],
        path="@type",
        broken=["aws:nosuch/thing:Thing"],
        absent="broken",
        unknown="fine",
        shipped="us-east-1-events",
    ),
]
