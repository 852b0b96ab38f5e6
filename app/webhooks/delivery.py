"""Telling others: an event becomes a delivery to each endpoint of its user, each tried until it is taken."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
import structlog

from app.data.connection import Row, Writing
from app.data.database import Database
from app.mail.sending import ask_for_mail
from app.ops.metrics import Counter
from app.webhooks.sender import ForbiddenAddressError, Sender, UndeliveredError
from app.webhooks.signatures import endpoint_secret, headers
from app.worker.jobs import Job, MalformedError, enqueue

PAUSES = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before each further attempt, about three days in all, as the specification suggests them."""
DISABLED_AFTER = 20
"""Attempts in a row, over all deliveries, without one that was taken. Ours."""
GONE = 410
"""The receiver says that it never wants to hear from us again."""
SUCCESS = range(200, 300)

deliveries = Counter("webhook_deliveries_total", "Attempts to deliver a webhook.", ("outcome",))

_log = structlog.get_logger()


async def emit(connection: Writing, user_id: UUID, event_type: str, data: Mapping[str, Any]) -> int:
    """Tell a user's endpoints what happened, once the transaction is committed; their number.

    Args:
        connection: of the user's shard, as the user or the system.
        user_id: whose endpoints.
        event_type: such as `lead.created`.
        data: what there is to tell; it is sent as it is now.
    """
    rows = await connection.fetch(
        "INSERT INTO webhook_deliveries (user_id, endpoint_id, event_type, payload) "
        "SELECT user_id, id, $2, $3::jsonb FROM webhook_endpoints WHERE user_id = $1 AND disabled_at IS NULL "
        "RETURNING id",
        user_id,
        event_type,
        orjson.dumps(dict(data)).decode(),
    )
    for row in rows:
        await enqueue(connection, "webhook-delivery", user_id, {"delivery_id": str(row["id"]), "attempt": 1})
    return len(rows)


class Deliverer:
    """Does the jobs of kind `webhook-delivery`."""

    def __init__(self, database: Database, sender: Sender, key: bytes) -> None:
        """Take the shards, a way out, and the key that secrets are derived from."""
        self._database, self._sender, self._key = database, sender, key

    async def deliver(self, job: Job) -> None:
        """Make one attempt. A further one is a job of its own, so that a pause may be a day.

        A worker that dies after its request was taken makes the same attempt again: with the same id, by which the
        receiver knows it.
        """
        try:
            delivery, attempt = UUID(job.payload["delivery_id"]), int(job.payload["attempt"])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise MalformedError from None
        async with self._database.system_writer(job.user) as connection:
            row = await connection.fetchrow(
                "SELECT d.id, d.event_type, d.payload, d.created_at, e.id AS endpoint_id, e.url, e.secret_version, "
                "e.previous_until > now() AS has_previous FROM webhook_deliveries d "
                "JOIN webhook_endpoints e ON e.id = d.endpoint_id "
                "WHERE d.id = $1 AND d.status = 'pending' AND d.attempts = $2 - 1 AND e.disabled_at IS NULL",
                delivery,
                attempt,
            )
        if row is None:
            return  # Delivered, tried already, or nobody's wish any more.
        status, outcome = await self._try(row)
        deliveries.add(1, outcome)
        async with self._database.system_writer(job.user) as connection:
            await self._note(connection, job.user, row, attempt, status)

    async def _try(self, row: Row) -> tuple[int | None, str]:
        """The answer's status, if there was one."""
        body = orjson.dumps(
            {
                "type": row["event_type"],
                "timestamp": row["created_at"].astimezone(dt.UTC).isoformat(),
                "data": orjson.loads(row["payload"]),
            }
        )
        version = row["secret_version"]
        versions = [version, version - 1] if row["has_previous"] else [version]
        secrets = [endpoint_secret(self._key, row["endpoint_id"], one) for one in versions]
        try:
            status = await self._sender.post(row["url"], body, headers(secrets, f"msg_{row['id'].hex}", body))
        except ForbiddenAddressError:
            return None, "forbidden"
        except UndeliveredError:
            return None, "unanswered"
        return status, "delivered" if status in SUCCESS else "refused"

    async def _note(self, connection: Writing, user_id: UUID, row: Row, attempt: int, status: int | None) -> None:
        is_taken = status is not None and status in SUCCESS
        is_last = attempt > len(PAUSES)
        state = "delivered" if is_taken else "failed" if is_last or status == GONE else "pending"
        noted = await connection.fetchval(
            "UPDATE webhook_deliveries SET attempts = $2, status_code = $3, status = $4 "
            "WHERE id = $1 AND attempts = $2 - 1 RETURNING true",
            row["id"],
            attempt,
            status,
            state,
        )
        if not noted:
            return
        if is_taken:
            await connection.execute("UPDATE webhook_endpoints SET failures = 0 WHERE id = $1", row["endpoint_id"])
            return
        disabled = await connection.fetchval(
            "UPDATE webhook_endpoints SET failures = failures + 1, "
            "disabled_at = CASE WHEN $2 OR failures + 1 >= $3 THEN now() END WHERE id = $1 AND disabled_at IS NULL "
            "RETURNING disabled_at IS NOT NULL",
            row["endpoint_id"],
            status == GONE,
            DISABLED_AFTER,
        )
        if disabled:
            _log.info("webhook_disabled", user_id=str(user_id))
            await ask_for_mail(connection, user_id, "webhook-disabled", {})
        elif state == "pending":
            due = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=PAUSES[attempt - 1])
            payload = {"delivery_id": str(row["id"]), "attempt": attempt + 1}
            await enqueue(connection, "webhook-delivery", user_id, payload, due_at=due)
