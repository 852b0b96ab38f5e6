"""A user's consents: what is asked, what was answered, and another answer."""

from __future__ import annotations

import datetime as dt
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from app.api.context import TheHere, TheOwn
from app.api.envelope import COMMON, PERSONAL, WITH_BODY, Answer, answer, refusals
from app.api.fields import Asked
from app.data.connection import Row
from app.limits.policies import STANDARD, Exemption, Policy
from app.ops.errors import AppError
from app.privacy import consents
from app.privacy.consents import TEXTS, Purpose

LIMITS: dict[str, Policy | Exemption] = {
    "GET /api/v1/privacy/consents": STANDARD,
    "PUT /api/v1/privacy/consents/{purpose}": STANDARD,
}

_routes = APIRouter(prefix="/api/v1/privacy/consents", tags=["privacy"], responses={**COMMON, **PERSONAL})


class Consent(BaseModel):
    """One question and its answer.

    `text` is what is asked now, in `text_version`; `answered_version` what the last answer was to. Both it and
    `answered_at` are null for who never agreed.
    """

    purpose: Purpose
    given: bool
    text: str
    text_version: str
    answered_version: str | None
    answered_at: dt.datetime | None


class Decision(Asked):
    """Yes or no. A yes names the version of the text that was shown."""

    given: bool
    text_version: Annotated[str, Field(max_length=40)] | None = None


class TextChangedError(AppError):
    """The user saw another text than the one of now, or none."""

    def __init__(self) -> None:
        """Say what to do."""
        message = "Show the text of now, and send its text_version with the consent."
        super().__init__(HTTPStatus.CONFLICT, "consent_text_changed", message)


def router() -> APIRouter:
    """The routes, with full paths."""
    return _routes


@_routes.get("")
async def list_consents(request: Request, own: TheOwn) -> Answer[list[Consent]]:
    """Everything that the user is asked, with the answers of now."""
    async with own.reading() as reading:
        found = await consents.newest(reading, own.user_id)
    return answer(request, [_shown(purpose, found.get(purpose)) for purpose in TEXTS])


@_routes.put("/{purpose}", responses={**WITH_BODY, **refusals(HTTPStatus.CONFLICT)})
async def decide_consent(
    purpose: Purpose, body: Decision, request: Request, here: TheHere, own: TheOwn
) -> Answer[Consent]:
    """Agree, or take it back; the same answer again changes nothing."""
    if body.given and body.text_version != TEXTS[purpose].version:
        raise TextChangedError
    async with own.writing() as writing:
        if body.given:
            await consents.give(writing, own.user_id, purpose)
        else:
            await consents.withdraw(writing, own.user_id, purpose, "account")
        found = await consents.newest(writing, own.user_id)
    if purpose == "newsletter" and not body.given:
        await consents.leave_list(here.database, own.user_id)
    return answer(request, _shown(purpose, found.get(purpose)))


def _shown(purpose: Purpose, last: Row | None) -> Consent:
    return Consent(
        purpose=purpose,
        given=last is not None and last["given"],
        text=TEXTS[purpose].words,
        text_version=TEXTS[purpose].version,
        answered_version=last["text_version"] if last else None,
        answered_at=last["created_at"] if last else None,
    )
