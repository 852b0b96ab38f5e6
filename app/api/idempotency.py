"""A request that is sent twice does its work once: `Idempotency-Key`, kept with the effect in one transaction.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ (a draft; the statuses are its own)
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import Header
from starlette.responses import Response

from app.data.connection import Writing
from app.ops.errors import AppError

KEEP_HOURS = 72
"""An answer is given again so long; a key may then be used anew."""
REPLAYED = "Idempotency-Replayed"
SWEEP = "DELETE FROM idempotency_keys WHERE expires_at < now()"
"""For a job: keys whose time is over. A request only takes away the one that it brings."""

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Anything unique, such as a UUID: sent again with the same request, it gets the same answer.",
    ),
]


class KeyReusedError(AppError):
    """The same key with another request."""

    def __init__(self) -> None:
        """Say what to do."""
        message = "This idempotency key was used for another request; use a new one."
        super().__init__(HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency_key_reused", message)


class InFlightError(AppError):
    """The same request is being worked on."""

    def __init__(self) -> None:
        """Say what to do."""
        message = "A request with this idempotency key is still running; try again in a moment."
        super().__init__(HTTPStatus.CONFLICT, "request_in_flight", message, {"Retry-After": "1"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a request came to.

    Attributes:
        status: of the answer.
        body: JSON.
        headers: that are given again too, such as `Location`.
        is_replay: nothing was done now.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    is_replay: bool = False

    def response(self) -> Response:
        """As it is sent."""
        marks = {REPLAYED: "true"} if self.is_replay else {}
        return Response(self.body, self.status, {**self.headers, **marks}, media_type="application/json")


@dataclass(frozen=True, kw_only=True, slots=True)
class Once:
    """One request of a user.

    Attributes:
        user_id: whose it is; others may use the same key.
        endpoint: method and path, such as `POST /api/v1/leads`.
        key: what the client chose; without one, each request is a new one.
        body: what was asked for, as it was understood: spaces and the order of fields do not matter.
    """

    user_id: UUID
    endpoint: str
    key: str | None
    body: bytes

    async def run(self, writing: Writing, effect: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Do it, or give the answer that it had.

        The lock is the transaction's: whoever dies with it leaves no key behind that would be in flight for ever.

        Args:
            writing: transaction of the user; the effect belongs to it as well.
            effect: what to do. What it raises takes the key along: only successes are kept.

        Raises:
            InFlightError: another request with this key has not ended.
            KeyReusedError: the key belongs to another request.
        """
        if self.key is None:
            return await effect()
        lock = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))"
        if not await writing.fetchval(lock, f"{self.user_id} {self.endpoint} {self.key}"):
            raise InFlightError
        fingerprint = hashlib.sha256(self.body).digest()
        row = await writing.fetchrow(
            """SELECT fingerprint, status_code, response, response_headers FROM idempotency_keys
            WHERE user_id = $1 AND endpoint = $2 AND key = $3 AND expires_at > now()""",
            self.user_id,
            self.endpoint,
            self.key,
        )
        if row is None:
            outcome = await effect()
            await self._keep(writing, fingerprint, outcome)
            return outcome
        if row["fingerprint"] != fingerprint:
            raise KeyReusedError
        headers = orjson.loads(row["response_headers"])
        return Outcome(status=row["status_code"], body=row["response"], headers=headers, is_replay=True)

    async def _keep(self, writing: Writing, fingerprint: bytes, outcome: Outcome) -> None:
        await writing.execute(
            """INSERT INTO idempotency_keys
            (user_id, endpoint, key, fingerprint, status_code, response, response_headers, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, now() + $8 * interval '1 hour')
            ON CONFLICT (user_id, endpoint, key) DO UPDATE SET fingerprint = excluded.fingerprint,
            status_code = excluded.status_code, response = excluded.response,
            response_headers = excluded.response_headers, created_at = now(), expires_at = excluded.expires_at""",
            self.user_id,
            self.endpoint,
            self.key,
            fingerprint,
            outcome.status,
            outcome.body,
            orjson.dumps(dict(outcome.headers)).decode(),
            KEEP_HOURS,
        )
