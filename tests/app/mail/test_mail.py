from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID, uuid4

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from moto.ses import ses_backends

from app.aws import Aws
from app.data.database import Database
from app.mail import feedback
from app.mail.addresses import JUDGED_FROM, address_hash
from app.mail.feedback import Feedback
from app.mail.sending import Mailer, ask_for_mail
from app.mail.templates import NAMES, fill
from app.worker.jobs import Job, LaterError, MalformedError
from tests.app.worker.conftest import REGION, Opener, aws_url, new_user, open_aws, open_database

__all__ = ["aws_url", "open_aws", "open_database"]

OpenAws = Callable[[], AbstractAsyncContextManager[Aws]]
ADDRESS = "ada@example.com"
KEY = b"k" * 32


@pytest.fixture
def sent(aws_url: str) -> list[Any]:
    """What SES took."""
    assert aws_url
    boto3.client("sesv2", region_name=REGION).create_email_identity(EmailIdentity="example.com")
    boto3.client("ses", region_name=REGION).verify_domain_identity(Domain="example.com")
    found: list[Any] = ses_backends["123456789012"][REGION].sent_messages
    found.clear()
    return found


def job(user: UUID, template: str = "export-ready", **payload: Any) -> Job:
    values = {"days": "7", "subject": "Hello", "text": "There."}
    return Job(id=uuid4(), kind="email", user_id=user, payload={"template": template, "values": values, **payload})


def mailer(database: Database, ses: Any) -> Mailer:
    return Mailer(database, ses, domain="example.com", configuration_set="mail", key=KEY)


def event(reason: str, *addresses: str, sender: UUID | None = None, kind: str = "Permanent", number: int = 1) -> Job:
    recipients = [{"emailAddress": one} for one in addresses]
    kinds: dict[str, dict[str, Any]] = {
        "Bounce": {"bounceType": kind, "bouncedRecipients": recipients},
        "Complaint": {"complainedRecipients": recipients},
    }
    tags = {"sender": [str(sender)]} if sender else {}
    body = {
        "eventType": reason,
        reason.lower(): {**kinds[reason], "feedbackId": f"{reason}-{number}"},
        "mail": {"messageId": "1", "tags": tags},
    }
    return feedback.decode(json.dumps(body))


async def add_lead(database: Database, user: UUID, email: str = "lead@example.org") -> UUID:
    async with database.writer(user) as connection:
        lead = await connection.fetchval("INSERT INTO leads (user_id, email) VALUES ($1, $2) RETURNING id", user, email)
    return UUID(str(lead))


@pytest.mark.anyio
async def test_a_mail_goes_to_the_address_of_now_and_only_once(
    open_database: Opener, open_aws: OpenAws, sent: list[Any]
) -> None:
    async with open_database() as database, open_aws() as aws:
        user = await new_user(database, ADDRESS)
        one, sending = job(user), mailer(database, await aws.client("sesv2"))
        for _ in range(3):
            await sending.send(one)
        await sending.send(job(user))

    assert [message.destinations["ToAddresses"] for message in sent] == [[ADDRESS]] * 2
    assert {message.source for message in sent} == {"no-reply@example.com"}


class Ses:
    """Raises what it is told to, then sends."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.requests: list[dict[str, Any]] = []

    async def send_email(self, **request: Any) -> None:
        self.requests.append(request)
        if self.errors:
            raise self.errors.pop(0)


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "SendEmail")


@pytest.mark.anyio
async def test_a_mail_that_ses_may_have_taken_is_not_sent_again(open_database: Opener) -> None:
    ses = Ses(ReadTimeoutError(endpoint_url="ses"))
    async with open_database() as database:
        one = job(await new_user(database))
        with pytest.raises(ReadTimeoutError):
            await mailer(database, ses).send(one)
        await mailer(database, ses).send(one)

    assert len(ses.requests) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("code", ["TooManyRequestsException", "SendingPausedException"])
async def test_a_mail_that_ses_did_not_take_is_sent_later(open_database: Opener, code: str) -> None:
    ses = Ses(refusal(code))
    async with open_database() as database:
        one = job(await new_user(database))
        with pytest.raises(LaterError):
            await mailer(database, ses).send(one)
        await mailer(database, ses).send(one)

    assert len(ses.requests) == 2


@pytest.mark.anyio
async def test_a_mail_that_ses_refuses_is_not_tried_again(open_database: Opener) -> None:
    ses = Ses(refusal("MessageRejected"))
    async with open_database() as database:
        one = job(await new_user(database))
        await mailer(database, ses).send(one)
        await mailer(database, ses).send(one)

    assert len(ses.requests) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("reason", ["Bounce", "Complaint"])
async def test_an_address_that_bounced_or_complained_gets_no_mail(open_database: Opener, reason: str) -> None:
    ses = Ses()
    async with open_database() as database:
        user = await new_user(database, ADDRESS)
        await Feedback(database).note(event(reason, ADDRESS.upper()))
        await mailer(database, ses).send(job(user))
        await mailer(database, ses).send(job(await new_user(database)))
        async with database.system_writer() as connection:
            assert await connection.fetchval("SELECT email_hash FROM mail_suppressions") == address_hash(ADDRESS)

    assert len(ses.requests) == 1


@pytest.mark.anyio
async def test_a_full_mailbox_gets_mail_again(open_database: Opener) -> None:
    ses = Ses()
    async with open_database() as database:
        user = await new_user(database, ADDRESS)
        await Feedback(database).note(event("Bounce", ADDRESS, kind="Transient"))
        await mailer(database, ses).send(job(user))

    assert len(ses.requests) == 1


@pytest.mark.anyio
async def test_a_sender_whose_mail_comes_back_too_often_is_stopped(open_database: Opener) -> None:
    ses = Ses()
    async with open_database() as database:
        user = await new_user(database, ADDRESS)
        lead = await add_lead(database, user)
        await mailer(database, ses).send(job(user, "campaign", lead_id=str(lead)))
        tags = ses.requests[0]["EmailTags"]
        assert {"Name": "sender", "Value": str(user)} in tags
        async with database.system_writer() as connection:
            await connection.execute("UPDATE mail_senders SET sent = $1", JUDGED_FROM - 1)
        note = Feedback(database).note
        for number in range(4):
            await note(event("Bounce", f"{number}@example.net", sender=user, number=number))
            await note(
                event("Bounce", f"{number}@example.net", sender=user, number=number)
            )  # Told twice, counted once.
        await mailer(database, ses).send(job(user, "campaign", lead_id=str(lead)))
        assert len(ses.requests) == 2
        await note(event("Bounce", "5@example.net", sender=user, number=5))
        await mailer(database, ses).send(job(user, "campaign", lead_id=str(lead)))
        assert len(ses.requests) == 2
        # What the product itself has to tell still goes.
        await mailer(database, ses).send(job(user))
        assert len(ses.requests) == 3


@pytest.mark.anyio
async def test_a_user_writes_to_own_leads_only(open_database: Opener) -> None:
    ses = Ses()
    async with open_database() as database:
        mine, theirs = await new_user(database), await new_user(database)
        lead = await add_lead(database, theirs)
        await mailer(database, ses).send(job(mine, "campaign", lead_id=str(lead)))

    assert ses.requests == []


@pytest.mark.anyio
async def test_no_address_is_in_a_job(open_database: Opener) -> None:
    async with open_database() as database:
        user = await new_user(database, ADDRESS)
        async with database.writer(user) as connection:
            await ask_for_mail(connection, user, "export-ready", {"days": "7"})
        async with database.system_writer(user) as connection:
            assert ADDRESS not in await connection.fetchval("SELECT payload::text FROM outbox")


@pytest.mark.parametrize("body", ["", "[]", '{"eventType": "Bounce"}'])
def test_feedback_that_is_none_is_set_aside(body: str) -> None:
    with pytest.raises(MalformedError):
        feedback.decode(body)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_value_cannot_add_a_header(name: str) -> None:
    values = dict.fromkeys(("domain", "days", "date", "subject", "text"), "a\r\nBcc: x@example.net")

    assert "\n" not in fill(name, values).subject


def test_a_template_needs_all_its_values() -> None:
    with pytest.raises(KeyError):
        fill("export-ready", {"domain": "example.com"})
