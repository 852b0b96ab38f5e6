"""A job: a row of the outbox first, written with the change that asks for it, then a message of a queue."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal
from uuid import UUID, uuid4

import orjson

from app.data.connection import Writing

MAXIMUM_BYTES = 200_000
"""Of a job's payload. A message may have 256 KiB at the least (more since 2025, which is not counted on)."""

Kind = Literal[
    "analytics-event",
    "email",
    "erasure",
    "export",
    "export-expiry",
    "lead-score",
    "payment",
    "search-index",
    "video",
    "webhook-delivery",
]
QUEUES: Mapping[Kind, str] = MappingProxyType(
    {
        "analytics-event": "analytics",
        "email": "email",
        "erasure": "export",
        "export": "export",
        "export-expiry": "export",
        "lead-score": "leads",
        "payment": "export",
        "search-index": "search-index",
        "video": "video",
        "webhook-delivery": "export",
    }
)
"""The queue of each kind of job."""
SWEEP = (
    # Longer than a message may wait in a queue (4 days), be set aside (14) and be sent back.
    "DELETE FROM processed_jobs WHERE processed_at < now() - interval '30 days'",
    "DELETE FROM mail_sends WHERE created_at < now() - interval '30 days'",
    "DELETE FROM webhook_deliveries WHERE created_at < now() - interval '30 days'",
    # A message is believed for five minutes, and its job is in `processed_jobs`.
    "DELETE FROM webhook_events WHERE received_at < now() - interval '3 days'",
)
"""For the daily job: what only says that something was done."""
OTHERWISE = "export"
"""The queue for jobs whose own one the phase does not have yet; all phases have this one."""


class MalformedError(Exception):
    """A message that is no job. It is tried as often as any, then set aside for somebody to look at."""


class TooLargeError(Exception):
    """A payload that fits into no message: it belongs into a table or the bucket, and its key into the job."""


class LaterError(Exception):
    """The job cannot be done now, through no fault of its own.

    Attributes:
        seconds: when to try again.
    """

    def __init__(self, seconds: int) -> None:
        """Say when."""
        super().__init__(f"again in {seconds} s")
        self.seconds = seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One thing to do, at least once.

    Attributes:
        id: the same however often it comes; what makes the second time harmless.
        kind: what to do.
        user_id: whose it is, and so on which shard; None for what is no user's.
        payload: what the kind needs; ids rather than personal data.
    """

    id: UUID
    kind: str
    user_id: UUID | None
    payload: Mapping[str, Any]

    def __repr__(self) -> str:
        """Without the payload."""
        return f"Job({self.kind} {self.id})"

    def encode(self) -> str:
        """As a message has it."""
        user = None if self.user_id is None else str(self.user_id)
        value = {"id": str(self.id), "kind": self.kind, "user_id": user, "payload": dict(self.payload)}
        return orjson.dumps(value).decode()

    @property
    def user(self) -> UUID:
        """Whose it is.

        Raises:
            MalformedError: nobody's.
        """
        if self.user_id is None:
            raise MalformedError
        return self.user_id


def decode(body: str) -> Job:
    """The job of a message.

    Raises:
        MalformedError: it has none.
    """
    try:
        value = orjson.loads(body)
        user = value["user_id"]
        payload = value["payload"]
        if not isinstance(payload, dict) or not isinstance(value["kind"], str):
            raise MalformedError
        return Job(
            id=UUID(value["id"]), kind=value["kind"], user_id=None if user is None else UUID(user), payload=payload
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise MalformedError from None


def queue_of(kind: str, queues: Collection[str]) -> str:
    """The queue of a kind among those that this phase has."""
    wanted = QUEUES.get(kind, OTHERWISE)  # type: ignore[call-overload]
    return wanted if wanted in queues else OTHERWISE


async def enqueue(
    connection: Writing,
    kind: Kind,
    user_id: UUID,
    payload: Mapping[str, Any],
    *,
    job_id: UUID | None = None,
    due_at: dt.datetime | None = None,
) -> UUID:
    """Ask for a job, in the transaction of what it follows from: both are there, or neither.

    Args:
        connection: of the user's shard, as the user or the system.
        kind: what to do.
        user_id: for whom; the row goes with the user's.
        payload: what the kind needs.
        job_id: the same one asks once, while the first is not on its way; a new one without.
        due_at: not before then; at once without.

    Returns:
        The job's id.

    Raises:
        TooLargeError: nothing was written.
    """
    encoded = orjson.dumps(dict(payload))
    if len(encoded) > MAXIMUM_BYTES:
        raise TooLargeError
    identifier = job_id or uuid4()
    await connection.execute(
        "INSERT INTO outbox (id, user_id, topic, payload, due_at) VALUES ($1, $2, $3, $4::jsonb, "
        "coalesce($5, now())) ON CONFLICT DO NOTHING",
        identifier,
        user_id,
        kind,
        encoded.decode(),
        due_at,
    )
    return identifier


async def first_time(connection: Writing, job: Job) -> bool:
    """Whether nobody did this job yet; from now on somebody did, if the transaction is committed.

    A second worker with the same message waits here until the first one's transaction ends.
    """
    found = await connection.fetchval(
        "INSERT INTO processed_jobs (job_id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING true", job.id
    )
    return found is True
