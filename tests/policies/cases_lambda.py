"""Rules about functions."""

from __future__ import annotations

from policies.rules import lambda_
from tests.policies.cases import GONE, Case, made

CASES = [
    Case(
        rule="lambda-runtime-supported",
        good=[made(lambda_.FUNCTION, "rotate", {"runtime": "python3.12"})],
        path="runtime",
        broken=["python3.9", "nodejs20.x", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="lambda-permission-not-public",
        good=[made(lambda_.PERMISSION, "rotate", {"principal": "events.amazonaws.com", "sourceAccount": "1"})],
        path="sourceAccount",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="lambda-log-group",
        good=[
            made(lambda_.FUNCTION, "rotate", {"name": "rotate"}),
            made(lambda_.LOG_GROUP, "rotate", {"name": "/aws/lambda/rotate"}),
        ],
        path="name",
        broken=["another", GONE],
        absent="broken",
        unknown="undecided",
    ),
]
