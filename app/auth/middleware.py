"""What every answer carries and no browser may do, as pure ASGI middleware."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.auth.cookies import has_session
from app.auth.csrf import SAFE_METHODS, is_foreign, is_own
from app.auth.errors import CrossSiteError
from app.ops.errors import error_response

SECURITY_HEADERS: Mapping[str, str] = {
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    "permissions-policy": "geolocation=(), microphone=(), camera=()",
    "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
"""The CDN adds the same, but for the last: it also serves pages, and this API serves none. Both, so that neither a
way around the CDN nor a page that it serves itself goes without."""
_ENCODED = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
PRIVATE = "private, no-store"
"""Of an answer to a change or to a request with a credential, unless the route says otherwise."""


class Security:
    """Security headers on every answer; refuses what a browser says another site's page sent.

    Inside of metrics and errors, outside of routes. A request with `Authorization` is not a browser's own doing, and
    such a request is never authenticated by its cookies.
    """

    def __init__(self, app: ASGIApp, allowed_origins: frozenset[str]) -> None:
        """Wrap `app`; `allowed_origins` are sites besides its own host."""
        self._app, self._allowed_origins = app, allowed_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is no other site's."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_change = scope["type"] == "http" and scope["method"] not in SAFE_METHODS
        is_private = is_change or "authorization" in headers or "cookie" in headers

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                # No route sets any of these, so nothing need be looked for.
                message["headers"].extend(_ENCODED)
                if is_private:
                    MutableHeaders(scope=message).setdefault("cache-control", PRIVATE)
            await send(message)

        if self._is_refused(scope, headers):
            await _refuse(scope, receive, secured)
            return
        await self._app(scope, receive, secured)

    def _is_refused(self, scope: Scope, headers: Headers) -> bool:
        """A handshake of a socket counts as a change: it has no SameSite of its own, and a page can read the rest."""
        if "authorization" in headers or (scope["type"] == "http" and scope["method"] in SAFE_METHODS):
            return False
        if has_session(cookie_parser(headers.get("cookie", ""))):
            return not is_own(headers, self._allowed_origins)
        return is_foreign(headers, self._allowed_origins)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        # Before it is accepted, the server turns this into 403.
        await send({"type": "websocket.close", "code": 1008})
        return
    error = CrossSiteError()
    await error_response(scope, error.status, error.code, error.message)(scope, receive, send)
