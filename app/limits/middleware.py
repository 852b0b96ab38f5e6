"""The limits in front of every route, as pure ASGI middleware; inside the one that finds the client's address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.cache.events import Events
from app.limits.limiter import Limiter, Outcome, Verdict, headers
from app.limits.policies import STANDARD, Exemption, Identity
from app.limits.routes import WEBSOCKET, RouteTable
from app.ops.errors import error_response

Identify = Callable[[Scope], Awaitable[Identity | None]]
"""Who asks, by a verified token; None without one. It must not raise: a bad token is the route's to refuse."""
_TRY_AGAIN_LATER = 1013
_MESSAGES = {
    Outcome.DENIED: (HTTPStatus.TOO_MANY_REQUESTS, "too_many_requests", "Too many requests; see Retry-After."),
    Outcome.CLOSED: (HTTPStatus.SERVICE_UNAVAILABLE, "limits_unavailable", "Not possible right now; see Retry-After."),
}


class Limits:
    """429 for who asks too often, 503 where nobody can count and nobody may pass uncounted."""

    def __init__(
        self, app: ASGIApp, limiter: Limiter, table: RouteTable, identify: Identify, events: Events | None = None
    ) -> None:
        """Wrap `app`."""
        self._app, self._limiter, self._table, self._identify = app, limiter, table, identify
        self._events = events or Events()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Decide requests and sockets."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["type"] == "http" else WEBSOCKET
        policy = self._table.find(method, scope["path"]) or STANDARD
        if isinstance(policy, Exemption):
            await self._app(scope, receive, send)
            return
        host = scope["client"][0] if scope.get("client") else ""
        # A socket opens by a GET.
        counted = "GET" if method == WEBSOCKET else method
        checks = policy.checks(await self._identify(scope), host, counted)
        verdict = await self._limiter.check(checks, fails_closed=policy.fails_closed)
        self._events.limited(policy.name, ("local-" if verdict.is_local else "") + verdict.outcome)
        if verdict.outcome is Outcome.ALLOWED:
            await self._app(scope, receive, _with_headers(send, headers(verdict)))
        else:
            await _refuse(verdict, scope, receive, send)


def _with_headers(send: Send, found: dict[str, str]) -> Send:
    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"].extend((name.encode(), value.encode()) for name, value in found.items())
        await send(message)

    return add


async def _refuse(verdict: Verdict, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        # Before the handshake's end this is an HTTP 403.
        await send({"type": "websocket.close", "code": _TRY_AGAIN_LATER})
        return
    status, code, message = _MESSAGES[verdict.outcome]
    await error_response(scope, status, code, message, headers=headers(verdict))(scope, receive, send)
