"""Rules about images."""

from __future__ import annotations

from policies.rules.ecr import LIFECYCLE, REPOSITORY
from tests.policies.cases import GONE, Case, made

CASES = [
    Case(
        rule="ecr-tags-fixed",
        good=[made(REPOSITORY, "images", {"imageTagMutability": "IMMUTABLE"})],
        path="imageTagMutability",
        broken=["MUTABLE", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="ecr-scanned",
        good=[made(REPOSITORY, "images", {"imageScanningConfiguration": {"scanOnPush": True}})],
        path="imageScanningConfiguration.scanOnPush",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="ecr-own-key",
        good=[made(REPOSITORY, "images", {"encryptionConfigurations": [{"encryptionType": "KMS", "kmsKey": "key"}]})],
        path="encryptionConfigurations.0.kmsKey",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="ecr-lifecycle",
        good=[
            made(REPOSITORY, "images", {"name": "images"}),
            made(LIFECYCLE, "images", {"repository": "images"}, sources={"repository": [f"{REPOSITORY}::images"]}),
        ],
        path="name",
        broken=["other"],
        absent="fine",
        unknown="fine",
    ),
]
