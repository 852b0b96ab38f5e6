"""Who is asking, for routes: `Annotated[AccessClaims, Depends(current_user)]`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NamedTuple

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.auth.cookies import ACCESS, CSRF
from app.auth.csrf import CSRF_HEADER, SAFE_METHODS
from app.auth.errors import NotAuthenticatedError, SecondFactorDueError, TierRequiredError
from app.auth.privileges import Tier, current_tier
from app.auth.service import Auth, Client
from app.auth.tokens import AccessClaims

UNKNOWN = "unknown"
KNOWN = "headroom.known"
"""Where `Known` is in the scope of a request: its state is a copy of the process's, and nobody's own by itself."""


class Credential(NamedTuple):
    """An access token, and whether the browser added it by itself."""

    token: str
    is_cookie: bool

    def __repr__(self) -> str:
        """Without the token."""
        return f"Credential(is_cookie={self.is_cookie})"


class Known(NamedTuple):
    """Whom the limits found behind a request's token: it is not verified twice, and Redis is asked for both at once.

    Attributes:
        claims: what the token says.
        asked: Redis' reply on the session, of `Revocations.ask`.
    """

    claims: AccessClaims
    asked: Awaitable[list[Any]]


async def get_auth(connection: HTTPConnection) -> Auth:
    """The process's, which the lifespan put into the state. Async, as all dependencies: others go through a thread."""
    auth: Auth = connection.state.auth
    return auth


async def get_client(connection: HTTPConnection) -> Client:
    """Address (which a middleware took from the trusted proxies) and browser of the request."""
    address = connection.client.host if connection.client else UNKNOWN
    return Client(address=address, user_agent=connection.headers.get("user-agent", UNKNOWN))


def credential(connection: HTTPConnection) -> Credential | None:
    """What a request brings. The header wins, and a broken one is not made good by a cookie."""
    header = connection.headers.get("authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        return Credential(token.strip() if scheme.lower() == "bearer" else "", is_cookie=False)
    cookie = connection.cookies.get(ACCESS)
    return None if cookie is None else Credential(cookie, is_cookie=True)


async def authenticated(connection: HTTPConnection, auth: Annotated[Auth, Depends(get_auth)]) -> AccessClaims:
    """The user of a request or socket, who may still owe a second factor: for the routes that set one up.

    Raises:
        NotAuthenticatedError: there is no token that holds, or its session ended.
        CrossSiteError: a change by cookie without the session's CSRF token.
        AuthUnavailableError: nobody can tell whether the session ended.
    """
    found = credential(connection)
    if found is None:
        raise NotAuthenticatedError
    known: Known | None = connection.scope.get(KNOWN)
    claims = known.claims if known else await auth.tokens.verify_access(found.token)
    # A socket cannot send headers of its own: its origin was checked by the middleware.
    if found.is_cookie and connection.scope.get("method", "GET") not in SAFE_METHODS:
        await auth.csrf.check(claims.session_id, connection.cookies.get(CSRF), connection.headers.get(CSRF_HEADER))
    if await auth.revocations.is_revoked(claims.session_id, known.asked if known else None):
        raise NotAuthenticatedError
    return claims


async def current_user(claims: Annotated[AccessClaims, Depends(authenticated)]) -> AccessClaims:
    """The user of a request or socket.

    Raises:
        SecondFactorDueError: the account has to set one up first; and all of `authenticated`.
    """
    if claims.second_factor_due:
        raise SecondFactorDueError
    return claims


def require_tier(minimum: Tier) -> Callable[[AccessClaims, Auth], Awaitable[AccessClaims]]:
    """A dependency for features of a plan: `Depends(require_tier(Tier.PLUS))`.

    It raises `TierRequiredError` (402), and what `current_user` does. Without an answer about the plan, users have the
    free one.
    """

    async def check(
        claims: Annotated[AccessClaims, Depends(current_user)], auth: Annotated[Auth, Depends(get_auth)]
    ) -> AccessClaims:
        if await current_tier(auth.plans, claims.user_id) < minimum:
            raise TierRequiredError
        return claims

    return check
