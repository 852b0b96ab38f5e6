"""Rules about secrets."""

from __future__ import annotations

from policies.rules.secrets import PASSWORD, ROTATION, SECRET, VERSION
from policies.view import UNKNOWN
from tests.policies.cases import GONE, PREFIX, Case, made

CASES = [
    Case(
        rule="secrets-own-key",
        good=[made(SECRET, "one", {"kmsKeyId": "key"})],
        path="kmsKeyId",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="secrets-recoverable",
        good=[made(SECRET, "one", {"recoveryWindowInDays": 30})],
        path="recoveryWindowInDays",
        broken=[0],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="secrets-rotated",
        good=[
            made(VERSION, "one", sources={"secretString": [f"{PASSWORD}::one"], "secretId": [f"{SECRET}::one"]}),
            made(SECRET, "one"),
            made(PASSWORD, "one"),
        ],
        path="@sources.secretString",
        broken=[[f"{PREFIX}random:index/randomBytes:RandomBytes::one"], GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="secrets-rotation-interval",
        good=[made(ROTATION, "one", {"rotationRules": {"automaticallyAfterDays": 30}})],
        path="rotationRules.automaticallyAfterDays",
        broken=[91, 0, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="secrets-marked",
        good=[made("aws:elasticache/user:User", "pods", {"authenticationMode": {"passwords": [UNKNOWN]}})],
        path="authenticationMode.passwords",
        broken=[["not marked"]],
        absent="fine",
        unknown="fine",
    ),
]
