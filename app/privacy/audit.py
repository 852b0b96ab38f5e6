"""The log of what matters: appended to, never changed, without personal data, kept when the account is gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

import orjson

from app.data.connection import Writing

Action = Literal[
    "admin.metrics_read",
    "administrator.added",
    "administrator.removed",
    "erasure.cancelled",
    "erasure.done",
    "erasure.requested",
    "export.done",
    "export.requested",
]


async def record(
    connection: Writing,
    user_id: UUID,
    action: Action,
    *,
    subject: str = "",
    details: Mapping[str, int | bool] | None = None,
) -> None:
    """Add a line in the transaction of what it tells about.

    Args:
        connection: of the user's shard.
        user_id: who did it, or to whose account it was done.
        action: what.
        subject: an id of what it was done to.
        details: numbers and flags; nothing that says who somebody is.
    """
    await connection.execute(
        "INSERT INTO audit_log (user_id, action, subject, details) VALUES ($1, $2, $3, $4::jsonb)",
        user_id,
        action,
        subject,
        orjson.dumps(dict(details or {})).decode(),
    )
