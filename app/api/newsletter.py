"""Subscribing to the newsletter, by anybody."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request
from pydantic import BaseModel

from app.api.context import TheHere
from app.api.envelope import WITH_BODY, Answer, answer
from app.api.fields import Asked, Email
from app.limits.limiter import Outcome, headers
from app.limits.policies import NEWSLETTER, NEWSLETTER_ACCOUNT, Check, Exemption, Policy
from app.limits.rules import account
from app.ops.errors import AppError

LIMITS: dict[str, Policy | Exemption] = {"POST /api/v1/newsletter": NEWSLETTER}

router = APIRouter(tags=["newsletter"])


class Subscriber(Asked):
    """Who wants the newsletter."""

    email: Email


class Noted(BaseModel):
    """Done, or nothing to do: the answer does not tell who is a subscriber."""

    accepted: bool = True


@router.post("/newsletter", status_code=HTTPStatus.ACCEPTED, responses=WITH_BODY)
async def subscribe(request: Request, here: TheHere, body: Subscriber) -> Answer[Noted]:
    """Subscribe; once an hour for an address."""
    verdict = await here.limiter.check([Check(account(body.email), [NEWSLETTER_ACCOUNT])], fails_closed=False)
    if verdict.outcome is not Outcome.ALLOWED:
        message = "This address was given a short while ago; see Retry-After."
        raise AppError(HTTPStatus.TOO_MANY_REQUESTS, "too_many_requests", message, headers(verdict))
    async with here.database.system_writer() as writing:
        await writing.execute(
            "INSERT INTO newsletter_subscribers (email) VALUES ($1) ON CONFLICT (email) DO NOTHING", body.email
        )
    return answer(request, Noted())
