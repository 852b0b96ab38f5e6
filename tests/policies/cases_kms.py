"""Rules about keys."""

from __future__ import annotations

import json
from typing import Any

from policies.rules.kms import KEY
from tests.policies.cases import GONE, Case, made

ROOT = {"AWS": "arn:aws:iam::123456789012:root"}


def policy(*principals: Any) -> str:
    statements = [{"Effect": "Allow", "Principal": one, "Action": "kms:*", "Resource": "*"} for one in principals]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


CASES = [
    Case(
        rule="kms-rotated",
        good=[made(KEY, "key", {"enableKeyRotation": True})],
        path="enableKeyRotation",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="kms-not-public",
        good=[made(KEY, "key", {"policy": policy(ROOT)})],
        path="policy",
        broken=[policy(ROOT, "*"), policy(ROOT, {"AWS": ["*"]})],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="kms-administered",
        good=[made(KEY, "key", {"policy": policy(ROOT)})],
        path="policy",
        broken=[policy({"AWS": "arn:aws:iam::123456789012:user/one"}), policy({"Service": "s3.amazonaws.com"}), GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="kms-deletion-window",
        good=[made(KEY, "key", {"deletionWindowInDays": 30})],
        path="deletionWindowInDays",
        broken=[7],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="kms-enabled",
        good=[made(KEY, "key", {"isEnabled": True})],
        path="isEnabled",
        broken=[False],
        absent="fine",
        unknown="undecided",
    ),
]
