"""IAM policy documents as plain data, rendered the same way each time so that a plan never shows a reordering."""

from __future__ import annotations

import json
from collections.abc import Mapping

Statement = Mapping[str, object]


def document(*statements: Statement) -> str:
    """A policy document of `statements`, in their order."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(service: str, *, account_id: str | None = None, actions: tuple[str, ...] = ("sts:AssumeRole",)) -> str:
    """Trust policy for one AWS service, pinned to `account_id` where the service sends it (confused deputy)."""
    statement: dict[str, object] = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": list(actions),
    }
    if account_id is not None:
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": account_id}}
    return document(statement)
