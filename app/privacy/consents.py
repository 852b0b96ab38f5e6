"""What users agreed to, and when they thought again: a log that is appended to, with the version of the text.

It stays when the account is gone, with the id and nothing else of the user: whoever has sent mail must be able to show
that it was wanted (Article 7(1) GDPR), for as long as somebody may claim that it was not (Article 17(3)(e)).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple
from uuid import UUID

from app.data.connection import Reading, Row, Writing
from app.data.database import Database

Purpose = Literal["newsletter", "marketing"]
Source = Literal["account", "unsubscribe-link"]


class Text(NamedTuple):
    """What is agreed to. Other words are another version; mail of another kind is another purpose."""

    version: str
    words: str


TEXTS: Mapping[Purpose, Text] = MappingProxyType(
    {
        "newsletter": Text(
            "2026-11-21",
            "Send me the newsletter: what is new in the product, once a month at most. I can stop it at any time.",
        ),
        "marketing": Text(
            "2026-11-21",
            "Send me offers, such as discounts and invitations to try a larger plan. I can stop it at any time.",
        ),
    }
)
SWEEP = """DELETE FROM consents WHERE created_at < now() - interval '3 years'
AND NOT EXISTS (SELECT FROM users WHERE users.id = consents.user_id)"""
"""For the daily job: of accounts that are gone. The law names no time; three years is what claims have in Germany
(section 195 BGB), and ours."""
_NEWEST = """SELECT DISTINCT ON (purpose) purpose, text_version, given, created_at FROM consents
WHERE user_id = $1 ORDER BY purpose, created_at DESC"""
_GIVEN = "SELECT given FROM consents WHERE user_id = $1 AND purpose = $2 ORDER BY created_at DESC LIMIT 1"
_GIVE = """INSERT INTO consents (user_id, purpose, text_version, given, source)
VALUES ($1, $2, $3, true, 'account')"""
_WITHDRAW = "INSERT INTO consents (user_id, purpose, text_version, given, source) VALUES ($1, $2, $3, false, $4)"


async def newest(connection: Reading, user_id: UUID) -> dict[str, Row]:
    """The last entry of each purpose that has one: `text_version`, `given` and `created_at`."""
    return {row["purpose"]: row for row in await connection.fetch(_NEWEST, user_id)}


async def is_given(connection: Reading, user_id: UUID, purpose: Purpose) -> bool:
    """Whether a user agrees now; silence is no consent."""
    return await connection.fetchval(_GIVEN, user_id, purpose) is True


async def give(connection: Writing, user_id: UUID, purpose: Purpose) -> None:
    """Add that a user agrees to the text of now, unless that is the last entry already."""
    version = TEXTS[purpose].version
    last = await _locked(connection, user_id, purpose)
    if last is None or not last["given"] or last["text_version"] != version:
        await connection.execute(_GIVE, user_id, purpose, version)


async def withdraw(connection: Writing, user_id: UUID, purpose: Purpose, source: Source) -> None:
    """Add that a user agrees no more, to whatever version it was; nothing if there is no consent."""
    last = await _locked(connection, user_id, purpose)
    if last is not None and last["given"]:
        await connection.execute(_WITHDRAW, user_id, purpose, last["text_version"], source)


async def leave_list(database: Database, user_id: UUID) -> None:
    """Take a user's address from the newsletter's list too, which knows addresses and no users."""
    async with database.system_writer(user_id) as connection:
        email = await connection.fetchval("SELECT email FROM users WHERE id = $1", user_id)
    async with database.system_writer() as home:
        await home.execute("UPDATE newsletter_subscribers SET status = 'unsubscribed' WHERE email = $1", email)


async def _locked(connection: Writing, user_id: UUID, purpose: Purpose) -> Row | None:
    """The last entry; nobody adds another before this transaction ends, so that times are in order."""
    await connection.fetchval("SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE", user_id)
    query = """SELECT text_version, given FROM consents WHERE user_id = $1 AND purpose = $2
    ORDER BY created_at DESC LIMIT 1"""
    return await connection.fetchrow(query, user_id, purpose)
