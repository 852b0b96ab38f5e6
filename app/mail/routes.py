"""Where the links lead that end mail: GET asks, POST does it, and neither wants a login."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel
from starlette.responses import HTMLResponse

from app.api.context import Here, TheHere
from app.api.envelope import COMMON, Answer, answer, refusals
from app.api.writing import NotFoundError
from app.limits.policies import Exemption, Policy
from app.mail.unsubscribing import LONGEST, PATH, BadLinkError, Link, OfUser, read, unsubscribe

_SIGNED = Exemption("a mailbox provider asks for all its users from few addresses, with links that we signed")
LIMITS: dict[str, Policy | Exemption] = {f"GET {PATH}/{{token}}": _SIGNED, f"POST {PATH}/{{token}}": _SIGNED}

_routes = APIRouter(prefix=PATH, tags=["mail"], responses=COMMON)
_PAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {"schema": {"type": "string"}}}, "description": "For browsers, a page."},
    **refusals(HTTPStatus.NOT_FOUND),
}
_WORDS = {
    "newsletter": "the newsletter",
    "marketing": "offers",
    "campaign": "mail of this sender",
}

Token = Annotated[str, Path(max_length=LONGEST, pattern=r"^[A-Za-z0-9._-]+$")]


class Unsubscription(BaseModel):
    """What a link ends, and whether that was done now; asking does not tell what was done before."""

    mail: Literal["newsletter", "marketing", "campaign"]
    done: bool


def router() -> APIRouter:
    """The routes, with full paths."""
    return _routes


@_routes.get("/{token}", response_model=Answer[Unsubscription], responses=_PAGE)
async def ask_to_unsubscribe(token: Token, request: Request, here: TheHere) -> Any:
    """Say what the link ends. Nothing changes, as whatever scans mail follows its links."""
    return _answered(request, Unsubscription(mail=_mail(_link(here, token)), done=False))


@_routes.post("/{token}", response_model=Answer[Unsubscription], responses=_PAGE)
async def unsubscribe_by_link(token: Token, request: Request, here: TheHere) -> Any:
    """End this mail: what a mail program sends for its user, or the page's button. The body says nothing more."""
    link = _link(here, token)
    await unsubscribe(here.database, link)
    return _answered(request, Unsubscription(mail=_mail(link), done=True))


def _link(here: Here, token: str) -> Link:
    key = here.settings.deployment_key
    if not key:
        raise NotFoundError
    try:
        return read(key, token)
    except BadLinkError:
        raise NotFoundError from None


def _mail(link: Link) -> Literal["newsletter", "marketing", "campaign"]:
    return link.purpose if isinstance(link, OfUser) else "campaign"


def _answered(request: Request, what: Unsubscription) -> Answer[Unsubscription] | Response:
    """A page for who prefers one, JSON for the others; never kept by anybody."""
    headers = {"Cache-Control": "no-store", "Vary": "Accept"}
    if "text/html" not in request.headers.get("accept", ""):
        body = answer(request, what).model_dump_json()
        return Response(body, media_type="application/json", headers=headers)
    name = _WORDS[what.mail]
    text = (
        f"<p>You will get {name} no more.</p>"
        if what.done
        else f'<p>Get {name} no more?</p><form method="post"><button>Unsubscribe</button></form>'
    )
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Unsubscribe</title>{text}</html>'
    return HTMLResponse(page, headers=headers)
