"""What surrounds every request, as one pure ASGI middleware: its id, its client's address, metrics, a line of log."""

from __future__ import annotations

import random
import re
import time

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.ops import logs
from app.ops.metrics import Gauge, Histogram

QUIET_PATHS = frozenset({"/health", "/ready", "/metrics"})
"""Asked every few seconds by machines: no line of log, no metric."""

duration = Histogram("http_request_duration_seconds", "Time to the last byte.", ("route", "method", "status"))
in_flight = Gauge("http_requests_in_flight", "Requests that have no answer yet.")

_REQUEST_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_log = structlog.get_logger()


class Requests:
    """Outermost; sockets get the id and the address, requests the rest too."""

    def __init__(self, app: ASGIApp, address_header: str) -> None:
        """Wrap `app`; `address_header` has the client's address, by whichever way a request came in."""
        self._app, self._address_header = app, address_header

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note when it came, what it was answered, and how long that took."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        scope["client"] = client(scope, headers.get(self._address_header))
        logs.begin(request_id=request_id)
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        await self._measured(scope, receive, send, request_id)

    async def _measured(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        begin = time.perf_counter()
        # Without any answer the connection is cut, which a client sees as the server's fault.
        status = 500

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        in_flight.add(1)
        try:
            await self._app(scope, receive, note)
        finally:
            in_flight.add(-1)
            if scope["path"] not in QUIET_PATHS:
                seconds = time.perf_counter() - begin
                method, route = known_method(scope), route_of(scope)
                duration.observe(seconds, route, method, str(status))
                _log.info("request", route=route, method=method, status=status, duration_ms=round(seconds * 1_000, 2))


def known_method(scope: Scope) -> str:
    """The method; whatever a client invents, the number of series stays small."""
    return scope["method"] if scope["method"] in _METHODS else "OTHER"


def route_of(scope: Scope) -> str:
    """Template of the route that answered, such as `/api/v1/users/{user_id}`; never the path, which has ids in it.

    Since FastAPI 0.137 a route does not know the prefixes that its router was included with; the whole template is
    in a context beside it, and a test notices should that move (https://github.com/pydantic/logfire/issues/2041 is
    about the same change).
    """
    included = scope.get("fastapi", {}).get("effective_route_context")
    return str(getattr(included, "path", None) or getattr(scope.get("route"), "path", "unmatched"))


def client(scope: Scope, told: str | None) -> tuple[str, int] | None:
    """Address of whoever asked the outermost of our own proxies, and no port.

    `told` is what the ways in wrote over whatever the client sent: Cloudflare, the only one whom the firewall lets
    through to CloudFront, and the partners' API. What was told nothing came from inside the cluster. Of X-Forwarded-For
    nothing is believed: its length depends on the way, and its beginning on the client.
    """
    if told is None:
        found: tuple[str, int] | None = scope.get("client")
        return found
    return told.strip(), 0


def _request_id(headers: Headers) -> str:
    """The caller's, if it looks like one: it goes into logs, where nothing else may come from outside."""
    given = headers.get("x-request-id", "").lower()
    return given if _REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"
