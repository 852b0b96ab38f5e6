"""Sends a mail at most once, to nobody who does not want it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from botocore.exceptions import ClientError

from app.data.connection import Writing
from app.data.database import Database
from app.mail import addresses, unsubscribing
from app.mail.templates import NAMES, OF_USERS, PURPOSES, Mail, fill, with_link
from app.mail.unsubscribing import Link, OfSender, OfUser
from app.ops.metrics import Counter
from app.privacy import consents
from app.worker.jobs import Job, LaterError, MalformedError, enqueue

SENDER_TAG, CAMPAIGN_TAG = "sender", "campaign"
"""Of a message: the user whose mail it is, and what it belongs to. SES gives them back with a bounce."""
NOT_NOW = frozenset(
    {
        "AccountSuspendedException",
        "LimitExceededException",
        "SendingPausedException",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""SES took nothing, and will do so later (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html)."""
NOT_NOW_SECONDS = 60

mails = Counter("mails_total", "Mails that were asked for.", ("template", "outcome"))

_log = structlog.get_logger()


async def ask_for_mail(
    connection: Writing,
    user_id: UUID,
    template: str,
    values: Mapping[str, str],
    *,
    lead_id: UUID | None = None,
    campaign_id: UUID | None = None,
) -> None:
    """Ask for a mail in the transaction of what it tells about.

    No address goes into the job: it is looked up when the mail is sent, as it is then.

    Args:
        connection: of the user's shard.
        user_id: who gets it or, with `lead_id`, who sends it.
        template: its name.
        values: of the template; the product's domain is there.
        lead_id: a lead of the user, who gets it.
        campaign_id: a campaign of the user, which it is counted for.
    """
    ids = {"lead_id": lead_id, "campaign_id": campaign_id}
    given = {name: str(one) for name, one in ids.items() if one is not None}
    await enqueue(connection, "email", user_id, {"template": template, "values": dict(values), **given})


@dataclass(frozen=True, slots=True)
class _Letter:
    """One mail to be sent: what a job says, with the address of now."""

    key: str
    template: str
    sender: UUID
    address: str
    campaign: UUID | None

    @property
    def is_of_user(self) -> bool:
        """Whether a user writes it to somebody else."""
        return self.template in OF_USERS


class Mailer:
    """Does the jobs of kind `email`."""

    def __init__(self, database: Database, ses: Any, *, domain: str, configuration_set: str, key: bytes) -> None:
        """Take an aiobotocore client of `sesv2`.

        Args:
            database: all shards.
            ses: the client.
            domain: mail comes from it.
            configuration_set: decides on TLS, suppression and where bounces go.
            key: the deployment's, which signs links.
        """
        self._database, self._ses, self._key = database, ses, key
        self._domain, self._configuration_set = domain, configuration_set

    async def send(self, job: Job) -> None:
        """Send the mail of a job.

        Its row is committed before SES is asked. A process that dies in between has sent the mail or not: it is not
        sent again. What SES surely did not take is.

        Raises:
            MalformedError: there is no such template.
            LaterError: SES takes nothing now.
        """
        template = job.payload.get("template")
        if template not in NAMES:
            raise MalformedError
        address = await self._address(job)
        if address is None:
            mails.add(1, template, "no-address")
            return
        letter = _Letter(str(job.id), template, job.user, address, _id(job, "campaign_id"))
        obstacle = await self._obstacle(letter)
        if obstacle is not None:
            mails.add(1, template, obstacle)
            return
        try:
            mail = fill(template, {"domain": self._domain, **job.payload.get("values", {})})
        except KeyError:
            raise MalformedError from None
        if not await self._claim(letter):
            mails.add(1, template, "repeated")
            return
        try:
            await self._ses.send_email(**self._request(mail, letter))
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in NOT_NOW:
                await self._forget(letter)
                raise LaterError(NOT_NOW_SECONDS) from None
            # SES answered, so it did not send; the same mail would be refused again.
            await self._note(letter, "refused")
            mails.add(1, template, "refused")
            _log.warning("mail_refused", job_type="email", error_type=code)
            return
        await self._note(letter, "sent")
        mails.add(1, template, "sent")
        if letter.is_of_user:
            async with self._database.system_writer() as connection:
                await addresses.count_sent(connection, letter.sender)

    async def _address(self, job: Job) -> str | None:
        """None for who is gone. From the primary: a replica may not have who was just added."""
        lead = _id(job, "lead_id")
        async with self._database.system_writer(job.user) as connection:
            found: str | None = (
                await connection.fetchval("SELECT email FROM users WHERE id = $1", job.user)
                if lead is None
                else await connection.fetchval("SELECT email FROM leads WHERE id = $1 AND user_id = $2", lead, job.user)
            )
        return found

    async def _obstacle(self, letter: _Letter) -> str | None:
        """Why no mail is sent, if none is. On the primary: what somebody decided a moment ago counts."""
        async with self._database.system_writer() as connection:
            if await addresses.is_suppressed(connection, letter.address):
                return "suppressed"
            if letter.is_of_user and await addresses.is_disabled(connection, letter.sender):
                return "sender-disabled"
        purpose = PURPOSES.get(letter.template)
        if purpose is None and not letter.is_of_user:
            return None
        async with self._database.system_writer(letter.sender) as connection:
            if purpose is not None and not await consents.is_given(connection, letter.sender, purpose):
                return "no-consent"
            if letter.is_of_user and await unsubscribing.is_unsubscribed(
                connection, letter.sender, self._recipient(letter)
            ):
                return "unsubscribed"
        return None

    def _recipient(self, letter: _Letter) -> bytes:
        return unsubscribing.recipient_of(self._key, letter.sender, letter.address)

    def _link(self, letter: _Letter) -> Link | None:
        """What ends mail of this kind; None for what tells somebody about the own account."""
        if letter.is_of_user:
            return OfSender(letter.sender, self._recipient(letter), letter.campaign)
        purpose = PURPOSES.get(letter.template)
        return None if purpose is None else OfUser(letter.sender, purpose)

    def _request(self, mail: Mail, letter: _Letter) -> dict[str, Any]:
        def text(value: str) -> dict[str, str]:
            return {"Data": value, "Charset": "UTF-8"}

        tags = [{"Name": "template", "Value": letter.template}]
        if letter.is_of_user:
            tags.append({"Name": SENDER_TAG, "Value": str(letter.sender)})
        if letter.campaign is not None:
            tags.append({"Name": CAMPAIGN_TAG, "Value": str(letter.campaign)})
        headers: dict[str, Any] = {}
        link = self._link(letter)
        if link is not None:
            url = unsubscribing.address_of(self._domain, unsubscribing.sign(self._key, link))
            mail, headers = with_link(mail, url), {"Headers": unsubscribing.headers(url)}
        return {
            "FromEmailAddress": f"no-reply@{self._domain}",
            "Destination": {"ToAddresses": [letter.address]},
            "Content": {"Simple": {"Subject": text(mail.subject), "Body": {"Text": text(mail.text)}, **headers}},
            "ConfigurationSetName": self._configuration_set,
            "EmailTags": tags,
        }

    async def _claim(self, letter: _Letter) -> bool:
        async with self._database.system_writer(letter.sender) as connection:
            claimed = await connection.fetchval(
                "INSERT INTO mail_sends (key, user_id, state) VALUES ($1, $2, 'sending') ON CONFLICT DO NOTHING "
                "RETURNING true",
                letter.key,
                letter.sender,
            )
        return claimed is True

    async def _note(self, letter: _Letter, state: str) -> None:
        async with self._database.system_writer(letter.sender) as connection:
            await connection.execute("UPDATE mail_sends SET state = $2 WHERE key = $1", letter.key, state)
            if state == "sent" and letter.campaign is not None:
                await addresses.count_campaign(connection, letter.sender, letter.campaign, "sent", 1)

    async def _forget(self, letter: _Letter) -> None:
        async with self._database.system_writer(letter.sender) as connection:
            await connection.execute("DELETE FROM mail_sends WHERE key = $1", letter.key)


def _id(job: Job, name: str) -> UUID | None:
    """An id of the payload; None without one."""
    try:
        return UUID(job.payload[name]) if name in job.payload else None
    except (TypeError, ValueError, AttributeError):
        raise MalformedError from None
