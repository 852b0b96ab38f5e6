from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import botocore.session
import pytest
from botocore.validate import ParamValidator

from app.mail.feedback import Feedback
from app.mail.sending import Mailer, ask_for_mail
from app.mail.templates import NAMES, OF_USERS, PURPOSES
from app.mail.unsubscribing import LONGEST, BadLinkError, Link, OfSender, OfUser, read, recipient_of, sign
from app.privacy.consents import TEXTS
from tests.app.api.world import Somebody
from tests.app.mail.test_mail import Ses, event, sent
from tests.app.uploads.world import World

__all__ = ["sent"]

KEY = b"k" * 40
"""Of the tests' environment."""
USER, CAMPAIGN = UUID(int=1), UUID(int=2)
LEAD = "lead@example.org"
LINKS = [
    OfUser(USER, "newsletter"),
    OfUser(USER, "marketing"),
    OfSender(USER, recipient_of(KEY, USER, LEAD), CAMPAIGN),
    OfSender(USER, recipient_of(KEY, USER, LEAD), None),
]


@pytest.mark.parametrize("link", LINKS, ids=str)
def test_a_link_says_what_it_is_for_and_has_no_address(link: Link) -> None:
    token = sign(KEY, link)

    assert read(KEY, token) == link
    assert re.fullmatch(r"[A-Za-z0-9._-]+", token)
    assert len(token) <= LONGEST
    assert "lead" not in token
    assert base64.urlsafe_b64encode(LEAD.encode()).decode()[:8] not in token


@pytest.mark.parametrize("link", LINKS, ids=str)
def test_a_link_that_was_changed_or_made_up_is_none(link: Link) -> None:
    token = sign(KEY, link)
    other = token.replace(USER.hex, UUID(int=3).hex)
    swapped = sign(KEY, OfUser(USER, "marketing")).rpartition(".")[2]
    forged = [
        other,
        token[:-2],
        token + "A",
        token.rpartition(".")[0],
        f"{token.rpartition('.')[0]}.",
        sign(b"x" * 40, link),
        "",
        ".",
        "é",
    ]
    if link != OfUser(USER, "marketing"):
        forged.append(f"{token.rpartition('.')[0]}.{swapped}")

    for one in forged:
        with pytest.raises(BadLinkError):
            read(KEY, one)


def test_of_two_senders_nobody_can_tell_that_they_write_to_the_same_address() -> None:
    assert recipient_of(KEY, USER, LEAD) == recipient_of(KEY, USER, f" {LEAD.upper()}")
    assert recipient_of(KEY, USER, LEAD) != recipient_of(KEY, CAMPAIGN, LEAD)
    assert recipient_of(KEY, USER, LEAD) != recipient_of(b"x" * 40, USER, LEAD)


async def agree(user: Somebody, purpose: str) -> None:
    body = {"given": True, "text_version": TEXTS["newsletter"].version}
    assert (await user.put(f"privacy/consents/{purpose}", json=body)).status_code == 200


async def ask(there: World, user: Somebody, template: str, **ids: UUID) -> None:
    async with there.database.writer(user.user_id) as connection:
        values = {"subject": "Hello", "text": "There.", "days": "7", "date": "today"}
        await ask_for_mail(connection, user.user_id, template, values, **ids)


async def requests(there: World) -> list[dict[str, Any]]:
    """What SES is asked for by the mails in the outbox; each is what the API takes."""
    ses = Ses()
    mailer = Mailer(there.database, ses, domain="example.com", configuration_set="mail", key=KEY)
    for job in there.asked("email"):
        there.owner.execute("DELETE FROM outbox WHERE id = %s", (job.id,))
        await mailer.send(job)
    model = botocore.session.get_session().get_service_model("sesv2").operation_model("SendEmail")
    assert model.input_shape is not None
    for one in ses.requests:
        assert not ParamValidator().validate(one, model.input_shape).has_errors()
    return ses.requests


def headers(request: dict[str, Any]) -> dict[str, str]:
    return {one["Name"]: one["Value"] for one in request["Content"]["Simple"].get("Headers", ())}


def link_of(request: dict[str, Any]) -> str:
    """Where the mail program sends its POST."""
    url = headers(request)["List-Unsubscribe"].removeprefix("<").removesuffix(">")
    assert url.startswith("https://api.example.com/")
    assert url in request["Content"]["Simple"]["Body"]["Text"]["Data"]
    return urlsplit(url).path


async def add_lead(user: Somebody, email: str = LEAD) -> UUID:
    return UUID((await user.made("leads", email=email))["id"])


FORM = {"content-type": "application/x-www-form-urlencoded"}
LOG = "SELECT given, source FROM consents ORDER BY created_at"


@pytest.mark.anyio
@pytest.mark.parametrize("template", sorted(NAMES - OF_USERS))
async def test_only_what_needs_no_consent_is_sent_without(there: World, template: str) -> None:
    user = await there.user()
    await ask(there, user, template)
    unasked = await requests(there)

    if template not in PURPOSES:
        assert [headers(one) for one in unasked] == [{}]
        return
    assert unasked == []
    for purpose in TEXTS:
        if purpose != PURPOSES[template]:
            await agree(user, purpose)
    await ask(there, user, template)
    assert await requests(there) == []  # Agreed to something else.
    await agree(user, PURPOSES[template])
    await ask(there, user, template)
    [request] = await requests(there)
    assert headers(request)["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert list(headers(request)) == ["List-Unsubscribe", "List-Unsubscribe-Post"]


@pytest.mark.anyio
async def test_one_click_ends_the_newsletter_and_nothing_else(there: World) -> None:
    user, provider = await there.user(), await there.anybody()
    for purpose in TEXTS:
        await agree(user, purpose)
    await ask(there, user, "newsletter")
    [request] = await requests(there)
    path = link_of(request)

    for scanner in (await provider.get(path), await provider.get(path, headers={"accept": "text/html"})):
        assert scanner.status_code == 200
        assert scanner.headers["cache-control"] == "no-store"
    assert there.owner.execute("SELECT bool_and(given) FROM consents").fetchone() == (True,)
    for _ in range(3):
        done = await provider.post(path, content=b"List-Unsubscribe=One-Click", headers=FORM)
        assert done.json()["data"] == {"mail": "newsletter", "done": True}
        assert "set-cookie" not in done.headers

    log = there.owner.execute(LOG).fetchall()
    assert log == [(True, "account"), (True, "account"), (False, "unsubscribe-link")]
    for template in ("newsletter", "offer", "export-ready"):
        await ask(there, user, template)
    tags = [one["EmailTags"][0]["Value"] for one in await requests(there)]
    assert tags == ["offer", "export-ready"]
    await agree(user, "newsletter")
    await ask(there, user, "newsletter")
    assert len(await requests(there)) == 1


@pytest.mark.anyio
async def test_somebody_at_a_browser_gets_a_page_with_one_button(there: World) -> None:
    user, browser = await there.user(), await there.anybody()
    await agree(user, "newsletter")
    await ask(there, user, "newsletter")
    [request] = await requests(there)
    path = link_of(request)
    browser.headers["accept"] = "text/html,application/xhtml+xml"

    asked = await browser.get(path)
    assert asked.headers["content-type"].startswith("text/html")
    assert '<form method="post">' in asked.text
    own = {"origin": "https://example.com", "sec-fetch-site": "same-origin"}
    done = await browser.post(path, headers=own)
    assert (done.status_code, "<form" in done.text) == (200, False)
    assert there.owner.execute(LOG).fetchall()[-1] == (False, "unsubscribe-link")


@pytest.mark.anyio
async def test_a_made_up_link_changes_nothing(there: World) -> None:
    user, anybody = await there.user(), await there.anybody()
    await agree(user, "newsletter")
    token = sign(b"x" * 40, OfUser(user.user_id, "newsletter"))

    for one in (await anybody.get(f"mail/unsubscribe/{token}"), await anybody.post(f"mail/unsubscribe/{token}")):
        assert (one.status_code, one.json()["error"]["code"]) == (404, "not_found")
    assert (await anybody.post(f"mail/unsubscribe/{'a' * (LONGEST + 1)}")).status_code == 422
    assert there.owner.execute(LOG).fetchall() == [(True, "account")]


@pytest.mark.anyio
async def test_a_provider_may_unsubscribe_any_number_of_people(there: World) -> None:
    """From one address; a limit for strangers would be over after fifty."""
    user, provider = await there.user(), await there.anybody()
    await agree(user, "newsletter")
    token = sign(KEY, OfUser(user.user_id, "newsletter"))

    answers = [await provider.post(f"mail/unsubscribe/{token}") for _ in range(60)]

    assert {one.status_code for one in answers} == {200}


@pytest.mark.anyio
async def test_a_lead_unsubscribes_from_one_sender_for_good(there: World) -> None:
    sender, other, provider = await there.user(), await there.user(), await there.anybody()
    lead, theirs = await add_lead(sender), await add_lead(other)
    campaign = UUID((await sender.made("campaigns", name="Spring"))["id"])
    await ask(there, sender, "campaign", lead_id=lead, campaign_id=campaign)
    [request] = await requests(there)
    path = link_of(request)
    assert LEAD not in path
    # Whether the sender still has the lead does not matter.
    assert (await sender.delete(f"leads/{lead}")).status_code == 204
    for _ in range(2):
        assert (await provider.post(path, content=b"List-Unsubscribe=One-Click", headers=FORM)).json()["data"] == {
            "mail": "campaign",
            "done": True,
        }

    again = await add_lead(sender, LEAD.upper())
    for user, one in ((sender, again), (other, theirs)):
        await ask(there, user, "campaign", lead_id=one)
    [delivered] = await requests(there)
    assert {"Name": "sender", "Value": str(other.user_id)} in delivered["EmailTags"]
    assert await sender.got(f"campaigns/{campaign}/statistics") == {
        "sent": 1,
        "bounced": 0,
        "complained": 0,
        "unsubscribed": 1,
    }


@pytest.mark.anyio
async def test_a_link_of_an_account_that_is_gone_is_no_failure(there: World) -> None:
    user, provider = await there.user(), await there.anybody()
    links: list[Link] = [OfUser(user.user_id, "newsletter"), OfSender(user.user_id, b"r" * 32, CAMPAIGN)]
    there.owner.execute("DELETE FROM users")

    for link in links:
        assert (await provider.post(f"mail/unsubscribe/{sign(KEY, link)}")).status_code == 200
    for query in ("SELECT count(*) FROM consents", "SELECT count(*) FROM mail_unsubscribes"):
        assert there.owner.execute(query.encode()).fetchone() == (0,)


@pytest.mark.anyio
async def test_a_campaign_counts_its_mails_and_what_came_back_once(there: World) -> None:
    user = await there.user()
    campaign = UUID((await user.made("campaigns", name="Spring"))["id"])
    for number in range(3):
        lead = await add_lead(user, f"lead{number}@example.org")
        await ask(there, user, "campaign", lead_id=lead, campaign_id=campaign)
    [tags, *_] = [one["EmailTags"] for one in await requests(there)]
    assert {"Name": "campaign", "Value": str(campaign)} in tags

    for reason in ("Bounce", "Complaint"):
        told = event(reason, "lead0@example.org", sender=user.user_id)
        told.payload["mail"]["tags"]["campaign"] = [str(campaign)]
        for _ in range(2):
            await Feedback(there.database).note(told)
    gone = event("Bounce", "lead1@example.org", sender=user.user_id, number=2)
    gone.payload["mail"]["tags"]["campaign"] = [str(CAMPAIGN)]
    await Feedback(there.database).note(gone)

    counted = await user.got(f"campaigns/{campaign}/statistics")
    assert counted == {"sent": 3, "bounced": 1, "complained": 1, "unsubscribed": 0}


@pytest.mark.anyio
async def test_ses_takes_mail_with_the_headers(there: World, sent: list[Any]) -> None:
    user = await there.user()
    await agree(user, "newsletter")
    await ask(there, user, "newsletter")
    assert await there.do("email") == 1

    [message] = sent
    assert "https://api.example.com/api/v1/mail/unsubscribe/" in message.body
