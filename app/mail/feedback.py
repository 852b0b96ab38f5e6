"""Bounces and complaints, as SES tells of them by SNS through a queue of their own.

Format: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson
import structlog

from app.data.database import Database
from app.mail import addresses
from app.mail.sending import CAMPAIGN_TAG, SENDER_TAG
from app.ops.metrics import Counter
from app.worker.jobs import Job, MalformedError, first_time

QUEUE = "email-feedback"
PROVIDER = "ses"
_RECIPIENTS = {"bounce": "bouncedRecipients", "complaint": "complainedRecipients"}

returned = Counter("mails_returned_total", "Mails that came back.", ("reason",))

_log = structlog.get_logger()


def decode(body: str) -> Job:
    """SES' event as a job; its id is made of the event's, so that a repetition is one.

    Raises:
        MalformedError: it is none.
    """
    try:
        event = orjson.loads(body)
        reason = str(event["eventType"]).lower()
        feedback = event[reason]["feedbackId"] if reason in _RECIPIENTS else event["mail"]["messageId"]
        return Job(id=uuid5(NAMESPACE_URL, f"{reason} {feedback}"), kind=QUEUE, user_id=None, payload=event)
    except (ValueError, KeyError, TypeError):
        raise MalformedError from None


class Feedback:
    """Takes note of what came back."""

    def __init__(self, database: Database) -> None:
        """Keep the shards."""
        self._database = database

    async def note(self, job: Job) -> None:
        """Suppress the addresses of a bounce for good or of a complaint, and count it against the sender.

        A bounce for now, such as a full mailbox, changes nothing: SES tries again itself.
        """
        reason = str(job.payload["eventType"]).lower()
        if reason not in {"bounce", "complaint"}:
            return
        told: Mapping[str, Any] = job.payload[reason]
        if reason == "bounce" and told.get("bounceType") != "Permanent":
            returned.add(1, "transient")
            return
        found = [one["emailAddress"] for one in told[_RECIPIENTS[reason]]]
        sender, campaign = _tagged(job.payload, SENDER_TAG), _tagged(job.payload, CAMPAIGN_TAG)
        if sender and campaign:
            # Noted on its own shard that this was done: that one may be another database.
            async with self._database.system_writer(sender) as connection:
                if await first_time(connection, job):
                    counted: Literal["bounced", "complained"] = "bounced" if reason == "bounce" else "complained"
                    await addresses.count_campaign(connection, sender, campaign, counted, len(found))
        async with self._database.system_writer() as connection:
            is_new = await connection.fetchval(
                "INSERT INTO webhook_events (provider, event_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true",
                PROVIDER,
                str(job.id),
            )
            if not is_new:
                return
            kind: addresses.Reason = "bounce" if reason == "bounce" else "complaint"
            for address in found:
                await addresses.suppress(connection, address, kind)
            disabled = sender and await addresses.count_returned(connection, sender, kind, len(found))
        returned.add(len(found), reason)
        if disabled:
            _log.warning("mail_sender_disabled", user_id=str(sender), reason=reason)


def _tagged(event: Mapping[str, Any], tag: str) -> UUID | None:
    """The user whose mail it was, or the campaign; None for the product's own."""
    try:
        return UUID(event["mail"]["tags"][tag][0])
    except (KeyError, IndexError, TypeError, ValueError):
        return None
