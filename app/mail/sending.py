"""Sends a mail at most once, to nobody who does not want it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog
from botocore.exceptions import ClientError

from app.data.connection import Writing
from app.data.database import Database
from app.mail import addresses
from app.mail.templates import NAMES, OF_USERS, Mail, fill
from app.ops.metrics import Counter
from app.worker.jobs import Job, LaterError, MalformedError, enqueue

SENDER_TAG = "sender"
"""Of a message: the user whose mail it is. SES gives it back with a bounce."""
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
    connection: Writing, user_id: UUID, template: str, values: Mapping[str, str], *, lead_id: UUID | None = None
) -> None:
    """Ask for a mail in the transaction of what it tells about.

    No address goes into the job: it is looked up when the mail is sent, as it is then.

    Args:
        connection: of the user's shard.
        user_id: who gets it or, with `lead_id`, who sends it.
        template: its name.
        values: of the template; the product's domain is there.
        lead_id: a lead of the user, who gets it.
    """
    lead = {} if lead_id is None else {"lead_id": str(lead_id)}
    await enqueue(connection, "email", user_id, {"template": template, "values": dict(values), **lead})


class Mailer:
    """Does the jobs of kind `email`."""

    def __init__(self, database: Database, ses: Any, *, domain: str, configuration_set: str) -> None:
        """Take an aiobotocore client of `sesv2`.

        Args:
            database: all shards.
            ses: the client.
            domain: mail comes from it.
            configuration_set: decides on TLS, suppression and where bounces go.
        """
        self._database, self._ses = database, ses
        self._domain, self._configuration_set = domain, configuration_set

    async def send(self, job: Job) -> None:
        """Send the mail of a job.

        Its row is committed before SES is asked. A process that dies in between has sent the mail or not: it is not
        sent again. What SES surely did not take is.

        Raises:
            MalformedError: there is no such template.
            LaterError: SES takes nothing now.
        """
        template, key, sender = job.payload.get("template"), str(job.id), job.user
        if template not in NAMES:
            raise MalformedError
        address = await self._address(job)
        outcome = await self._obstacle(sender, address, of_user=template in OF_USERS)
        if address is None or outcome is not None:
            mails.add(1, template, outcome or "no-address")
            return
        try:
            mail = fill(template, {"domain": self._domain, **job.payload.get("values", {})})
        except KeyError:
            raise MalformedError from None
        if not await self._claim(key, sender):
            mails.add(1, template, "repeated")
            return
        try:
            await self._ses.send_email(**self._request(mail, address, template, sender))
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in NOT_NOW:
                await self._forget(key, sender)
                raise LaterError(NOT_NOW_SECONDS) from None
            # SES answered, so it did not send; the same mail would be refused again.
            await self._note(key, sender, "refused")
            mails.add(1, template, "refused")
            _log.warning("mail_refused", job_type="email", error_type=code)
            return
        await self._note(key, sender, "sent")
        mails.add(1, template, "sent")
        if template in OF_USERS:
            async with self._database.system_writer() as connection:
                await addresses.count_sent(connection, sender)

    async def _address(self, job: Job) -> str | None:
        """None for who is gone. From the primary: a replica may not have who was just added."""
        lead = job.payload.get("lead_id")
        async with self._database.system_writer(job.user) as connection:
            found: str | None = (
                await connection.fetchval("SELECT email FROM users WHERE id = $1", job.user)
                if lead is None
                else await connection.fetchval(
                    "SELECT email FROM leads WHERE id = $1 AND user_id = $2", UUID(lead), job.user
                )
            )
        return found

    async def _obstacle(self, sender: UUID, address: str | None, *, of_user: bool) -> str | None:
        """Why no mail is sent, if none is. On the primary: a bounce of a moment ago counts."""
        if address is None:
            return "no-address"
        async with self._database.system_writer() as connection:
            if await addresses.is_suppressed(connection, address):
                return "suppressed"
            if of_user and await addresses.is_disabled(connection, sender):
                return "sender-disabled"
        return None

    def _request(self, mail: Mail, address: str, template: str, sender: UUID) -> dict[str, Any]:
        def text(value: str) -> dict[str, str]:
            return {"Data": value, "Charset": "UTF-8"}

        tags = [{"Name": "template", "Value": template}]
        if template in OF_USERS:
            tags.append({"Name": SENDER_TAG, "Value": str(sender)})
        return {
            "FromEmailAddress": f"no-reply@{self._domain}",
            "Destination": {"ToAddresses": [address]},
            "Content": {"Simple": {"Subject": text(mail.subject), "Body": {"Text": text(mail.text)}}},
            "ConfigurationSetName": self._configuration_set,
            "EmailTags": tags,
        }

    async def _claim(self, key: str, user: UUID) -> bool:
        async with self._database.system_writer(user) as connection:
            claimed = await connection.fetchval(
                "INSERT INTO mail_sends (key, user_id, state) VALUES ($1, $2, 'sending') ON CONFLICT DO NOTHING "
                "RETURNING true",
                key,
                user,
            )
        return claimed is True

    async def _note(self, key: str, user: UUID, state: str) -> None:
        async with self._database.system_writer(user) as connection:
            await connection.execute("UPDATE mail_sends SET state = $2 WHERE key = $1", key, state)

    async def _forget(self, key: str, user: UUID) -> None:
        async with self._database.system_writer(user) as connection:
            await connection.execute("DELETE FROM mail_sends WHERE key = $1", key)
