"""Where authentication keeps what it knows, and how it reaches it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol
from uuid import UUID

from app.data.connection import Row, Writing


class Connections(Protocol):
    """The database with the accounts: `Database` of `app.data.database`, or one that does the same."""

    def system_writer(self) -> AbstractAsyncContextManager[Writing]:
        """A connection in a transaction of its own, as the role that sees every user.

        It commits when the block ends, and rolls back when an exception leaves the block. So nothing here raises
        inside the block to refuse a request: what was written on the way to a 401 has to stay.
        """
        ...


class Account(NamedTuple):
    """What a login needs to know.

    Attributes:
        user_id: for ever.
        email: normalised.
        password_hash: argon2's encoding, parameters and salt in it.
        second_factor_required: by policy, for administrators and accounts of high value.
        second_factor: whether there is one.
        disabled: nobody logs in.
    """

    user_id: UUID
    email: str
    password_hash: str
    second_factor_required: bool
    second_factor: bool
    disabled: bool

    def __repr__(self) -> str:
        """Neither address nor hash, wherever this is printed."""
        return f"Account({self.user_id})"


_ACCOUNT = """
    SELECT a.user_id, a.email, a.password_hash, a.second_factor_required,
        t.confirmed_at IS NOT NULL AS second_factor, a.disabled_at IS NOT NULL AS disabled
    FROM auth_accounts a LEFT JOIN auth_totp t USING (user_id)
"""


class Accounts:
    """The accounts. E-mail addresses come in normalised."""

    def __init__(self, connections: Connections) -> None:
        """Keep the connections."""
        self._connections = connections

    async def create(self, email: str, password_hash: str) -> UUID | None:
        """A new account's user; None if the address has one."""
        async with self._connections.system_writer() as connection:
            user_id: UUID | None = await connection.fetchval(
                "INSERT INTO auth_accounts (email, password_hash) VALUES ($1, $2) "
                "ON CONFLICT (email) DO NOTHING RETURNING user_id",
                email,
                password_hash,
            )
            return user_id

    async def by_email(self, email: str) -> Account | None:
        """The account of an address."""
        async with self._connections.system_writer() as connection:
            return _account(await connection.fetchrow(_ACCOUNT + " WHERE a.email = $1", email))

    async def by_user(self, user_id: UUID) -> Account | None:
        """The account of a user."""
        async with self._connections.system_writer() as connection:
            return _account(await connection.fetchrow(_ACCOUNT + " WHERE a.user_id = $1", user_id))

    async def replace_hash(self, user_id: UUID, old: str, new: str) -> None:
        """Keep a hash with newer parameters, unless the password changed meanwhile."""
        async with self._connections.system_writer() as connection:
            await connection.execute(
                "UPDATE auth_accounts SET password_hash = $3 WHERE user_id = $1 AND password_hash = $2",
                user_id,
                old,
                new,
            )


def _account(row: Row | None) -> Account | None:
    return None if row is None else Account(**dict(row))
