"""The cookies of a browser's session. Scripts see the CSRF token only, other sites' pages send none with a change."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

PREFIX = "/api/v1/auth"
"""Path of the routes: only they ever get the refresh token."""
ACCESS = "__Host-access"
REFRESH = "__Secure-refresh"
"""`__Host-` demands the path `/`, and this one has its own."""
CSRF = "__Host-csrf"


def set_session(
    response: Response, *, access: str, access_seconds: int, refresh: str, refresh_seconds: int, csrf: str
) -> None:
    """Hand over a session. The CSRF token lives as long as the session can be refreshed."""
    response.set_cookie(ACCESS, access, access_seconds, path="/", secure=True, httponly=True, samesite="lax")
    response.set_cookie(REFRESH, refresh, refresh_seconds, path=PREFIX, secure=True, httponly=True, samesite="strict")
    response.set_cookie(CSRF, csrf, refresh_seconds, path="/", secure=True, httponly=False, samesite="strict")


def clear_session(response: Response) -> None:
    """Take all of it back."""
    response.delete_cookie(ACCESS, path="/", secure=True, httponly=True, samesite="lax")
    response.delete_cookie(REFRESH, path=PREFIX, secure=True, httponly=True, samesite="strict")
    response.delete_cookie(CSRF, path="/", secure=True, httponly=False, samesite="strict")


def has_session(cookies: Mapping[str, str]) -> bool:
    """Whether a request carries a credential that its browser added by itself."""
    return ACCESS in cookies or REFRESH in cookies
