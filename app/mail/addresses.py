"""Addresses that nobody writes to any more, and senders whose mail came back too often.

Both are in the first shard, and no address is: only its hash, which outlives the account. What came of a campaign is on
its user's shard.
"""

from __future__ import annotations

import hashlib
from typing import Literal
from uuid import UUID

from app.data.connection import Reading, Writing

Reason = Literal["bounce", "complaint"]

BOUNCE_PERCENT = 5
"""From here on SES puts an account under review
(https://docs.aws.amazon.com/ses/latest/dg/reputationdashboardmessages.html); one sender must not bring us there."""
COMPLAINTS_PER_THOUSAND = 1
JUDGED_FROM, COMPLAINTS_JUDGED_FROM = 100, 1_000
"""Mails that a sender sent before a rate says anything. Ours."""


def address_hash(address: str) -> bytes:
    """SHA-256 of an address, however it is written."""
    return hashlib.sha256(address.strip().lower().encode()).digest()


async def is_suppressed(connection: Reading, address: str) -> bool:
    """Whether mail to an address came back for good, or its reader complained."""
    query = "SELECT EXISTS (SELECT FROM mail_suppressions WHERE email_hash = $1)"
    return await connection.fetchval(query, address_hash(address)) is True


async def suppress(connection: Writing, address: str, reason: Reason) -> None:
    """Write to an address no more; a complaint stays one."""
    await connection.execute(
        "INSERT INTO mail_suppressions (email_hash, reason) VALUES ($1, $2) "
        "ON CONFLICT (email_hash) DO UPDATE SET reason = excluded.reason WHERE excluded.reason = 'complaint'",
        address_hash(address),
        reason,
    )


async def is_disabled(connection: Reading, sender: UUID) -> bool:
    """Whether a user's own mail, such as a campaign's, is stopped."""
    query = "SELECT EXISTS (SELECT FROM mail_senders WHERE user_id = $1 AND disabled_at IS NOT NULL)"
    return await connection.fetchval(query, sender) is True


async def count_sent(connection: Writing, sender: UUID) -> None:
    """Count one mail of a sender."""
    await connection.execute(
        "INSERT INTO mail_senders (user_id, sent) VALUES ($1, 1) "
        "ON CONFLICT (user_id) DO UPDATE SET sent = mail_senders.sent + 1",
        sender,
    )


async def count_returned(connection: Writing, sender: UUID, reason: Reason, number: int) -> bool:
    """Count mails of a sender that came back; whether that disabled the sender just now."""
    bounces, complaints = (number, 0) if reason == "bounce" else (0, number)
    await connection.execute(
        "INSERT INTO mail_senders (user_id, bounces, complaints) VALUES ($1, $2, $3) ON CONFLICT (user_id) "
        "DO UPDATE SET bounces = mail_senders.bounces + $2, complaints = mail_senders.complaints + $3",
        sender,
        bounces,
        complaints,
    )
    disabled = await connection.fetchval(
        "UPDATE mail_senders SET disabled_at = now() WHERE user_id = $1 AND disabled_at IS NULL "
        "AND (sent >= $2 AND bounces * 100 >= sent * $3 OR sent >= $4 AND complaints * 1000 >= sent * $5) "
        "RETURNING true",
        sender,
        JUDGED_FROM,
        BOUNCE_PERCENT,
        COMPLAINTS_JUDGED_FROM,
        COMPLAINTS_PER_THOUSAND,
    )
    return disabled is True


async def count_campaign(
    connection: Writing, sender: UUID, campaign: UUID, what: Literal["sent", "bounced", "complained"], number: int
) -> None:
    """Count mails of a campaign, on the sender's shard; nothing if the user has no such campaign any more."""
    await connection.execute(
        f"INSERT INTO campaign_statistics (id, user_id, {what}) "  # noqa: S608 of this file
        "SELECT id, user_id, $3::bigint FROM campaigns WHERE id = $1 AND user_id = $2 "
        f"ON CONFLICT (id) DO UPDATE SET {what} = campaign_statistics.{what} + excluded.{what}",
        campaign,
        sender,
        number,
    )
