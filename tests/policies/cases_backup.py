"""Rules about backups."""

from __future__ import annotations

from policies.rules.backup import PLAN, VAULT
from tests.policies.cases import GONE, Case, made

CASES = [
    Case(
        rule="backup-own-key",
        good=[made(VAULT, "vault", {"kmsKeyArn": "key"})],
        path="kmsKeyArn",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="backup-copied",
        good=[
            made(
                PLAN,
                "plan",
                {"region": "us-east-1", "rules": [{"copyActions": [{"destinationVaultArn": "vault"}]}]},
                sources={"rules": [f"{VAULT}::there"]},
            ),
            made(VAULT, "there", {"region": "eu-west-1"}),
        ],
        path="rules.0.copyActions",
        broken=[[], GONE],
        absent="broken",
        unknown="undecided",
    ),
]
