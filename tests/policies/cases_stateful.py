"""Rules about what holds data."""

from __future__ import annotations

from tests.policies.cases import Case, made

BUCKET = "aws:s3/bucket:Bucket"

CASES = [
    Case(
        rule="stateful-protected",
        good=[made("aws:rds/instance:Instance", "db")],
        path="@protect",
        broken=[False],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="stateful-retained",
        good=[made("aws:rds/instance:Instance", "db")],
        path="@retained",
        broken=[False],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="stateful-not-deleted-first",
        good=[made("aws:rds/instance:Instance", "db")],
        path="@delete_first",
        broken=[True],
        absent="fine",
        unknown="fine",
    ),
    Case(
        rule="stateful-not-forced",
        good=[made(BUCKET, "files", {"forceDestroy": False})],
        path="forceDestroy",
        broken=[True],
        absent="fine",
        unknown="undecided",
        shipped="*-uploads",
    ),
]
