"""Who is an administrator: changed by whoever may run commands in a pod, and by nothing that listens to requests."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from app.auth.passwords import normalised_email
from app.data.database import Database
from app.privacy import audit


class NoAccountError(Exception):
    """Nobody has the address, or the account is closed."""


class Changed(NamedTuple):
    """What came of it.

    Attributes:
        user_id: of the account.
        is_new: it was not so before.
        second_factor: whether the account has one, without which an administrator may do nothing.
    """

    user_id: UUID
    is_new: bool
    second_factor: bool


async def set_administrator(database: Database, email: str, *, to: bool) -> Changed:
    """Make an account an administrator's, or an ordinary one again.

    No session ends by that: no token says who is an administrator, each request asks the primary. The line in the audit
    log is written first, as it may be in another database: it may tell of what then failed, and never leaves out what
    was done.

    Args:
        database: all shards.
        email: of the account.
        to: whether it shall be one.

    Raises:
        NoAccountError: there is no such account.
        ValueError: that is no address.
        app.data.errors.UnavailableError: a database is away, or the user's rows move.
    """
    query = (
        "SELECT a.user_id, a.administrator, a.disabled_at, t.confirmed_at FROM auth_accounts a "
        "LEFT JOIN auth_totp t USING (user_id) WHERE a.email = $1"
    )
    async with database.system_writer() as connection:
        found = await connection.fetchrow(query, normalised_email(email))
    if found is None or (to and found["disabled_at"] is not None):
        raise NoAccountError
    user_id, is_new = found["user_id"], found["administrator"] != to
    if is_new:
        async with database.system_writer(user_id) as connection:
            await audit.record(connection, user_id, "administrator.added" if to else "administrator.removed")
        async with database.system_writer() as connection:
            await connection.execute(
                "UPDATE auth_accounts SET administrator = $2, second_factor_required = second_factor_required OR $2 "
                "WHERE user_id = $1",
                user_id,
                to,
            )
    return Changed(user_id, is_new, found["confirmed_at"] is not None)
