"""The routes of authentication."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse

from app.auth import cookies
from app.auth.csrf import CSRF_HEADER
from app.auth.dependencies import authenticated, current_user, get_auth, get_client
from app.auth.errors import NotAuthenticatedError, UnknownSessionError
from app.auth.models import (
    Accepted,
    BackupCodes,
    CodeProof,
    Ended,
    LoggedIn,
    Login,
    Me,
    PasswordProof,
    Refresh,
    Registration,
    SecondStep,
    SessionInfo,
    SessionList,
    TotpSecret,
)
from app.auth.passwords import WeakPasswordError, accepted_password
from app.auth.privileges import Tier, current_tier
from app.auth.service import Auth, Client
from app.auth.sessions import Refreshed
from app.auth.tokens import AccessClaims, Challenge
from app.limits.policies import AUTH, CACHED_READ, REFRESH, STANDARD, Exemption, Policy

router = APIRouter(prefix=cookies.PREFIX, tags=["auth"])

LIMITS: dict[str, Policy | Exemption] = {
    f"{method} {cookies.PREFIX}{path}": policy
    for method, path, policy in (
        ("POST", "/register", AUTH),
        ("POST", "/login", AUTH),
        ("POST", "/login/second-factor", AUTH),
        ("POST", "/refresh", REFRESH),
        ("POST", "/logout", STANDARD),
        ("POST", "/logout-everywhere", STANDARD),
        ("GET", "/sessions", STANDARD),
        ("DELETE", "/sessions/{session_id}", STANDARD),
        ("POST", "/second-factor", AUTH),
        ("POST", "/second-factor/confirm", AUTH),
        ("POST", "/second-factor/disable", AUTH),
        ("GET", "/me", CACHED_READ),
        ("GET", "/paywall", CACHED_READ),
    )
}
"""Of each route."""

PLANS_PAGE = "/pricing"
"""Of the product's site, which is another program."""
OwnPage = Annotated[str, Query(pattern=r"^/([0-9A-Za-z_~.-][0-9A-Za-z_~./-]*)?$", max_length=200)]
"""A path of that site. Two slashes at the beginning would be another site's (RFC 3986, 4.2)."""
_LOCATION: dict[str, Any] = {
    "description": "To the page or the plans.",
    "headers": {"Location": {"schema": {"type": "string"}}},
}
_UNSTORED = {"Cache-Control": "no-store"}
"""The plan may be another one in a moment."""

TheAuth = Annotated[Auth, Depends(get_auth)]
TheClient = Annotated[Client, Depends(get_client)]
User = Annotated[AccessClaims, Depends(current_user)]
AnyUser = Annotated[AccessClaims, Depends(authenticated)]


@router.post("/register", status_code=HTTPStatus.ACCEPTED)
async def register(body: Registration, auth: TheAuth) -> Accepted:
    """Open an account. Who has one already gets the same answer, after the same work."""
    try:
        password = accepted_password(body.password.get_secret_value(), body.email)
    except WeakPasswordError as error:
        raise RequestValidationError([{"type": error.rule, "loc": ("body", "password")}]) from None
    await auth.register(body.email, password)
    return Accepted()


@router.post("/login", response_model_exclude_none=True)
async def log_in(body: Login, response: Response, auth: TheAuth, client: TheClient) -> LoggedIn:
    """Log in by password; the answer may ask for a second step."""
    outcome = await auth.log_in(body.email, body.password.get_secret_value(), client, remember=body.remember)
    if isinstance(outcome, Challenge):
        return LoggedIn(
            second_factor_needed=True,
            challenge=auth.tokens.issue_challenge(outcome),
            expires_in_seconds=auth.settings.challenge_seconds,
        )
    return _deliver(auth, outcome, response, in_body=body.delivery == "body")


@router.post("/login/second-factor", response_model_exclude_none=True)
async def log_in_second(body: SecondStep, response: Response, auth: TheAuth, client: TheClient) -> LoggedIn:
    """Second step: a code of the app, or a backup code."""
    challenge = await auth.tokens.verify_challenge(body.challenge.get_secret_value())
    session = await auth.pass_second_factor(challenge, body.code.get_secret_value(), client)
    return _deliver(auth, session, response, in_body=body.delivery == "body")


@router.post("/refresh", response_model_exclude_none=True)
async def refresh(request: Request, response: Response, auth: TheAuth, body: Refresh | None = None) -> LoggedIn:
    """Exchange the refresh token for new tokens; it works once."""
    if body is not None and body.refresh_token is not None:
        return _deliver(
            auth, await auth.sessions.refresh(body.refresh_token.get_secret_value()), response, in_body=True
        )
    token = request.cookies.get(cookies.REFRESH)
    # With this header the middleware took the request for no browser's, and asked nothing of the cookies.
    if token is None or "authorization" in request.headers:
        raise NotAuthenticatedError
    session_id = await auth.sessions.find(token)
    await auth.csrf.check(session_id, request.cookies.get(cookies.CSRF), request.headers.get(CSRF_HEADER))
    return _deliver(auth, await auth.sessions.refresh(token), response, in_body=False)


@router.post("/logout")
async def log_out(response: Response, auth: TheAuth, user: AnyUser) -> Ended:
    """End this session."""
    ended = await auth.sessions.end(user.user_id, user.session_id, "logged_out")
    cookies.clear_session(response)
    return Ended(ended=int(ended))


@router.post("/logout-everywhere")
async def log_out_everywhere(response: Response, auth: TheAuth, user: AnyUser) -> Ended:
    """End all of the user's sessions."""
    ended = await auth.sessions.end_all(user.user_id, "logged_out_everywhere")
    cookies.clear_session(response)
    return Ended(ended=ended)


@router.get("/sessions")
async def list_sessions(auth: TheAuth, user: User) -> SessionList:
    """The devices that are logged in."""
    found = await auth.sessions.open(user.user_id)
    return SessionList(
        sessions=[SessionInfo(**one._asdict(), current=one.session_id == user.session_id) for one in found]
    )


@router.delete("/sessions/{session_id}")
async def end_session(session_id: UUID, auth: TheAuth, user: User) -> Ended:
    """Log one device out."""
    if not await auth.sessions.end(user.user_id, session_id, "ended_by_user"):
        raise UnknownSessionError
    return Ended(ended=1)


@router.post("/second-factor")
async def enrol_second_factor(body: PasswordProof, auth: TheAuth, user: AnyUser) -> TotpSecret:
    """Begin with an authenticator app; nothing changes before its first code is confirmed."""
    account = await auth.account(user)
    await auth.confirm_password(account, body.password.get_secret_value())
    enrolment = await auth.second_factor.enrol(account)
    return TotpSecret(secret=enrolment.secret, uri=enrolment.uri)


@router.post("/second-factor/confirm")
async def confirm_second_factor(body: CodeProof, auth: TheAuth, user: AnyUser) -> BackupCodes:
    """Turn it on with the app's first code. The user's other sessions, which never had to pass it, end."""
    codes = await auth.second_factor.confirm(user.user_id, body.code.get_secret_value())
    await auth.sessions.confirm_second_factor(user.session_id)
    await auth.sessions.end_others(user.user_id, user.session_id, "second_factor_added")
    return BackupCodes(backup_codes=codes)


@router.post("/second-factor/disable")
async def disable_second_factor(body: CodeProof, auth: TheAuth, user: User) -> Accepted:
    """Turn it off with a last code."""
    account = await auth.account(user)
    await auth.second_factor.check(user.user_id, body.code.get_secret_value())
    await auth.second_factor.remove(account)
    return Accepted()


@router.get("/me")
async def me(auth: TheAuth, user: User) -> Me:
    """The user, with the tier of now."""
    account = await auth.account(user)
    return Me(
        user_id=account.user_id,
        email=account.email,
        tier=await current_tier(auth.plans, account.user_id),
        second_factor=account.second_factor,
        second_factor_required=account.second_factor_required,
    )


@router.get("/paywall", status_code=HTTPStatus.SEE_OTHER, response_class=RedirectResponse, responses={303: _LOCATION})
async def pass_paywall(auth: TheAuth, user: User, to: OwnPage, tier: Tier = Tier.PLUS) -> RedirectResponse:
    """What links to a page of a paid plan lead over: on to the page, or for who has less to the plans."""
    site = auth.settings.issuer
    if await current_tier(auth.plans, user.user_id) < tier:
        return RedirectResponse(f"{site}{PLANS_PAGE}?{urlencode({'for': to})}", HTTPStatus.SEE_OTHER, _UNSTORED)
    return RedirectResponse(f"{site}{to}", HTTPStatus.SEE_OTHER, _UNSTORED)


def _deliver(auth: Auth, session: Refreshed, response: Response, *, in_body: bool) -> LoggedIn:
    """Tokens into the cookies, or into the answer: what is in a cookie no script can read, so it is not there twice."""
    access, life = auth.access_token(session), auth.settings.access_seconds
    if in_body:
        return LoggedIn(
            expires_in_seconds=life,
            access_token=access,
            refresh_token=session.refresh_token,
            refresh_expires_in_seconds=session.seconds,
        )
    cookies.set_session(
        response,
        access=access,
        access_seconds=life,
        refresh=session.refresh_token,
        refresh_seconds=session.seconds,
        csrf=auth.csrf.issue(session.session_id),
    )
    return LoggedIn(expires_in_seconds=life)
