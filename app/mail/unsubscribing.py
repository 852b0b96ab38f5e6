"""Links that end mail without a login, as https://www.rfc-editor.org/rfc/rfc8058 has them, and what they do.

A link is signed with the deployment's key, so no table has it. It does not expire: a consent may be withdrawn at any
time (Article 7(3) GDPR), and whoever still has the mail can do nothing with it but what it is for. It has no address:
a lead is known by a keyed hash of one, which says nothing without the key.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple, get_args
from uuid import UUID

from app.data.connection import Reading
from app.data.database import Database
from app.privacy import consents
from app.privacy.consents import Purpose

PATH = "/api/v1/mail/unsubscribe"
LONGEST = 250
"""Characters of a token: the longest of ours has 165."""
_PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
_CONSENT, _SENDER = "c", "s"


class BadLinkError(Exception):
    """Not signed by us."""


class OfUser(NamedTuple):
    """Ends a user's consent."""

    user_id: UUID
    purpose: Purpose


class OfSender(NamedTuple):
    """Ends the mail of a user to somebody; `recipient` is the hash of `recipient_of`."""

    sender: UUID
    recipient: bytes
    campaign: UUID | None


Link = OfUser | OfSender


def recipient_of(key: bytes, sender: UUID, address: str) -> bytes:
    """An address as one sender's table knows it; another sender's has another value."""
    derived = hmac.digest(key, b"unsubscribed recipient", hashlib.sha256)
    return hmac.digest(derived, sender.bytes + address.strip().lower().encode(), hashlib.sha256)


def sign(key: bytes, link: Link) -> str:
    """The token of a link: letters, digits, `-`, `_` and dots."""
    if isinstance(link, OfUser):
        content = f"{_CONSENT}.{link.user_id.hex}.{link.purpose}"
    else:
        campaign = link.campaign.hex if link.campaign else ""
        content = f"{_SENDER}.{link.sender.hex}.{campaign}.{_text(link.recipient)}"
    return f"{content}.{_mac(key, content)}"


def read(key: bytes, token: str) -> Link:
    """What a token of ours says.

    Raises:
        BadLinkError: it is none.
    """
    content, _, mac = token.rpartition(".")
    if not hmac.compare_digest(_mac(key, content).encode(), mac.encode(errors="replace")):
        raise BadLinkError
    kind, user, *rest = content.split(".")
    try:
        if kind == _CONSENT and rest[0] in _PURPOSES:
            return OfUser(UUID(user), rest[0])
        if kind == _SENDER:
            return OfSender(UUID(user), _bytes(rest[1]), UUID(rest[0]) if rest[0] else None)
    except (ValueError, IndexError, binascii.Error):
        pass
    # Signed by an image that knows more, or less.
    raise BadLinkError


def address_of(domain: str, token: str) -> str:
    """Where a link leads: the name for programs, whose POST no page's security stands in the way of."""
    return f"https://api.{domain}{PATH}/{token}"


def headers(url: str) -> list[dict[str, str]]:
    """Both headers, as SES takes them.

    RFC 8058 (section 4) wants them under the DKIM signature, which SES makes. AWS says to send them so, and we have not
    seen a signed mail (https://aws.amazon.com/blogs/messaging-and-targeting/using-one-click-unsubscribe-with-amazon-ses/).
    """
    return [
        {"Name": "List-Unsubscribe", "Value": f"<{url}>"},
        {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
    ]


async def is_unsubscribed(connection: Reading, sender: UUID, recipient: bytes) -> bool:
    """Whether somebody wants no more mail of a sender; on the sender's shard."""
    query = "SELECT EXISTS (SELECT FROM mail_unsubscribes WHERE user_id = $1 AND recipient = $2)"
    return await connection.fetchval(query, sender, recipient) is True


async def unsubscribe(database: Database, link: Link) -> None:
    """Do what a link is for; again, and nothing changes."""
    if isinstance(link, OfUser):
        async with database.system_writer(link.user_id) as connection:
            await consents.withdraw(connection, link.user_id, link.purpose, "unsubscribe-link")
        if link.purpose == "newsletter":
            await consents.leave_list(database, link.user_id)
        return
    async with database.system_writer(link.sender) as connection:
        # Nothing if the sender's account is gone: nobody is left to send.
        is_new = await connection.fetchval(
            "INSERT INTO mail_unsubscribes (user_id, recipient) SELECT id, $2::bytea FROM users WHERE id = $1 "
            "ON CONFLICT DO NOTHING RETURNING true",
            link.sender,
            link.recipient,
        )
        if is_new and link.campaign is not None:
            await connection.execute(
                "UPDATE campaign_statistics SET unsubscribed = unsubscribed + 1 WHERE id = $1 AND user_id = $2",
                link.campaign,
                link.sender,
            )


def _mac(key: bytes, content: str) -> str:
    derived = hmac.digest(key, b"unsubscribe link", hashlib.sha256)
    return _text(hmac.digest(derived, content.encode(errors="replace"), hashlib.sha256))


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
