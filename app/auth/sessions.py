"""Sessions and their refresh tokens: each token works once, and one that works twice ends the session.

Times are the database's, so that no pod's clock decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from secrets import token_urlsafe
from typing import NamedTuple
from uuid import UUID

import structlog

from app.auth.errors import NotAuthenticatedError, RefreshConflictError
from app.auth.revocation import Revocations
from app.auth.settings import AuthSettings
from app.auth.store import Connections
from app.data.connection import Row, Writing

TOKEN_BYTES = 32
MAXIMUM_USER_AGENT_LENGTH = 256
SWEEP = (
    "DELETE FROM auth_refresh_tokens WHERE expires_at < now()",
    "DELETE FROM auth_sessions WHERE least(expires_at, revoked_at) < now() - interval '7 days'",
)
"""For the daily job. Ended sessions stay a week, for those who ask what happened."""

_BEGIN = """
    WITH session AS (
        INSERT INTO auth_sessions (user_id, user_agent, second_factor, idle_seconds, expires_at)
        VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))
        RETURNING session_id, generation, least(expires_at, now() + make_interval(secs => idle_seconds)) AS token_ends
    ), token AS (
        INSERT INTO auth_refresh_tokens (token_hash, session_id, generation, expires_at)
        SELECT $6, session_id, generation, token_ends FROM session
    ), ended AS (
        UPDATE auth_sessions SET revoked_at = clock_timestamp(), revoked_reason = 'too_many_devices'
        WHERE session_id IN (SELECT session_id FROM auth_sessions WHERE user_id = $1 AND revoked_at IS NULL
            AND expires_at > now() AND used_at > now() - make_interval(secs => idle_seconds)
            ORDER BY created_at DESC, session_id OFFSET $7)
        RETURNING session_id
    )
    SELECT session_id, ARRAY(SELECT session_id FROM ended) AS ended FROM session
"""
"""One statement, since each costs a login under load a turn of the loop. It does not see the session that it adds, so
$7 is how many others may stay."""
_log = structlog.get_logger()


class Session(NamedTuple):
    """A login on one device.

    Attributes:
        session_id: also the refresh tokens' family.
        user_agent: what the browser called itself.
        second_factor: passed one.
        created_at: login.
        used_at: last refresh.
        expires_at: end, however much it is used.
    """

    session_id: UUID
    user_agent: str
    second_factor: bool
    created_at: datetime
    used_at: datetime
    expires_at: datetime


class Refreshed(NamedTuple):
    """A session and its newest token: `refresh_token` is kept nowhere, `seconds` is its life."""

    user_id: UUID
    session_id: UUID
    second_factor: bool
    second_factor_due: bool
    refresh_token: str
    seconds: int

    def __repr__(self) -> str:
        """Without the token."""
        return f"Refreshed(session {self.session_id})"


class Sessions:
    """Begins, refreshes and ends sessions; every end reaches the access tokens through `revocations`."""

    def __init__(self, settings: AuthSettings, connections: Connections, revocations: Revocations) -> None:
        """Keep what is needed."""
        self._settings, self._connections, self._revocations = settings, connections, revocations

    async def begin(self, user_id: UUID, user_agent: str, *, second_factor: bool, remember: bool) -> Refreshed:
        """A new session; the user's oldest ones end so that no more than `max_sessions` are left.

        Raises:
            NotAuthenticatedError: the account is disabled or gone by now.
        """
        settings = self._settings
        idle = settings.remembered_seconds if remember else settings.idle_seconds
        life = settings.remembered_seconds if remember else settings.session_seconds
        token = token_urlsafe(TOKEN_BYTES)
        begun: Row | None = None
        async with self._connections.system_writer() as connection:
            # The lock makes a user's logins wait for each other: counting and ending are one step.
            account = await connection.fetchrow(
                "SELECT second_factor_required FROM auth_accounts "
                "WHERE user_id = $1 AND disabled_at IS NULL FOR UPDATE",
                user_id,
            )
            if account is not None:
                begun = await connection.fetchrow(
                    _BEGIN,
                    user_id,
                    user_agent[:MAXIMUM_USER_AGENT_LENGTH],
                    second_factor,
                    idle,
                    float(life),
                    _hash(token),
                    settings.max_sessions - 1,
                )
        if account is None or begun is None:
            raise NotAuthenticatedError
        await self._revoke(begun["ended"], "too_many_devices")
        due = account["second_factor_required"] and not second_factor
        return Refreshed(user_id, begun["session_id"], second_factor, due, token, idle)

    async def find(self, token: str) -> UUID:
        """The session of a refresh token, used or not.

        Raises:
            NotAuthenticatedError: there is none.
        """
        async with self._connections.system_writer() as connection:
            session_id: UUID | None = await connection.fetchval(
                "SELECT session_id FROM auth_refresh_tokens WHERE token_hash = $1", _hash(token)
            )
        if session_id is None:
            raise NotAuthenticatedError
        return session_id

    async def refresh(self, token: str) -> Refreshed:
        """The next token. Of concurrent calls with one token, one succeeds.

        A token that comes back was copied, or its answer got lost. The one before the current is taken for a retry
        within `refresh_grace_seconds`: no token is given, and nothing ends. Any older one, or later, ends the session:
        thief and owner cannot be told apart. That end is committed before this raises.

        Raises:
            RefreshConflictError: such a retry.
            NotAuthenticatedError: the token is unknown, expired or used, or its session ended.
        """
        new = token_urlsafe(TOKEN_BYTES)
        async with self._connections.system_writer() as connection:
            used = await connection.fetchrow(
                "UPDATE auth_refresh_tokens SET used_at = clock_timestamp() WHERE token_hash = $1 AND used_at IS NULL "
                "AND expires_at > now() RETURNING session_id, generation",
                _hash(token),
            )
            session = None if used is None else await self._advance(connection, used)
            if session is not None:
                await _insert_token(connection, new, session["session_id"])
        if session is None:
            raise await self._refusal(token)
        return Refreshed(
            session["user_id"],
            session["session_id"],
            session["second_factor"],
            session["due"],
            new,
            int(session["seconds"]),
        )

    async def end(self, user_id: UUID, session_id: UUID, reason: str) -> bool:
        """End one session of a user; False if there is none that could."""
        return bool(await self._end(user_id, reason, session_id))

    async def end_all(self, user_id: UUID, reason: str) -> int:
        """End all of a user's sessions; their number."""
        return await self._end(user_id, reason)

    async def end_others(self, user_id: UUID, session_id: UUID, reason: str) -> int:
        """End a user's sessions but one; their number."""
        return await self._end(user_id, reason, session_id, others=True)

    async def open(self, user_id: UUID) -> list[Session]:
        """A user's sessions that could still be refreshed, the newest first."""
        async with self._connections.system_writer() as connection:
            rows = await connection.fetch(
                "SELECT session_id, user_agent, second_factor, created_at, used_at, expires_at FROM auth_sessions "
                "WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now() "
                "AND used_at > now() - make_interval(secs => idle_seconds) ORDER BY created_at DESC",
                user_id,
            )
        return [Session(**dict(row)) for row in rows]

    async def confirm_second_factor(self, session_id: UUID) -> None:
        """The session's user just passed a second factor; its next access token says so."""
        async with self._connections.system_writer() as connection:
            await connection.execute(
                "UPDATE auth_sessions SET second_factor = true WHERE session_id = $1 AND revoked_at IS NULL", session_id
            )

    async def _advance(self, connection: Writing, used: Row) -> Row | None:
        """Move the session to the next generation; None if it ended, also a moment ago."""
        return await connection.fetchrow(
            "UPDATE auth_sessions s SET generation = s.generation + 1, used_at = clock_timestamp() "
            "FROM auth_accounts a WHERE s.session_id = $1 AND s.generation = $2 "
            "AND s.revoked_at IS NULL AND s.expires_at > now() AND a.user_id = s.user_id AND a.disabled_at IS NULL "
            "RETURNING s.session_id, s.user_id, s.second_factor, "
            "a.second_factor_required AND NOT s.second_factor AS due, "
            "least(s.idle_seconds, extract(epoch FROM s.expires_at - now())) AS seconds",
            used["session_id"],
            used["generation"],
        )

    async def _refusal(self, token: str) -> NotAuthenticatedError | RefreshConflictError:
        """Why a token is not accepted; a second use ends the session in a transaction that is done on return."""
        async with self._connections.system_writer() as connection:
            row = await connection.fetchrow(
                "SELECT s.session_id, s.user_id, s.revoked_at IS NULL AND t.generation = s.generation - 1 "
                "AND t.used_at > clock_timestamp() - make_interval(secs => $2) AS is_retry "
                "FROM auth_refresh_tokens t JOIN auth_sessions s USING (session_id) "
                "WHERE t.token_hash = $1 AND t.used_at IS NOT NULL",
                _hash(token),
                float(self._settings.refresh_grace_seconds),
            )
        if row is None:
            return NotAuthenticatedError()
        if row["is_retry"]:
            return RefreshConflictError()
        if await self.end(row["user_id"], row["session_id"], "token_used_twice"):
            _log.warning("refresh_token_reused", user_id=str(row["user_id"]), session_id=str(row["session_id"]))
        return NotAuthenticatedError()

    async def _end(self, user_id: UUID, reason: str, session_id: UUID | None = None, *, others: bool = False) -> int:
        """End a user's session, the others, or (without one) all."""
        async with self._connections.system_writer() as connection:
            ended = await connection.fetch(
                "UPDATE auth_sessions SET revoked_at = clock_timestamp(), revoked_reason = $2 "
                "WHERE user_id = $1 AND revoked_at IS NULL AND ($3::uuid IS NULL OR (session_id = $3) = NOT $4) "
                "RETURNING session_id",
                user_id,
                reason,
                session_id,
                others,
            )
        await self._revoke([row["session_id"] for row in ended], reason)
        return len(ended)

    async def _revoke(self, ended: Sequence[UUID], reason: str) -> None:
        """After the commit: who reads the revocations from the database finds these too."""
        if ended:
            await self._revocations.add(ended)
            _log.info("sessions_ended", count=len(ended), reason=reason)


async def _insert_token(connection: Writing, token: str, session_id: UUID | None) -> None:
    """The token of a session's present generation; it never outlives the session."""
    await connection.execute(
        "INSERT INTO auth_refresh_tokens (token_hash, session_id, generation, expires_at) "
        "SELECT $1, session_id, generation, least(expires_at, now() + make_interval(secs => idle_seconds)) "
        "FROM auth_sessions WHERE session_id = $2",
        _hash(token),
        session_id,
    )


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
