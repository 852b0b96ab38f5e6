"""Errors as clients get them: `{"success": false, "error": {"code", "message", "request_id"}, "timestamp"}`.

Never with a traceback or a value.

`code` is for programs and does not change; `message` is for people. A request that does not fit gets `fields` too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.ops.requests import route_of

if TYPE_CHECKING:
    # The library takes a while to import, and most processes have no use for it.
    from app.ops.error_reports import ErrorReports

log = structlog.get_logger()


class AppError(Exception):
    """An outcome that a client is told of.

    Attributes:
        status: of the answer.
        code: for programs, such as `account_is_moving`.
        message: for people; it quotes nothing that was sent.
        headers: further ones, such as `Retry-After`.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        """Keep what to tell."""
        super().__init__(code)
        self.status, self.code, self.message, self.headers = status, code, message, dict(headers or {})


Meanings = Mapping[type[Exception], Callable[[Any], AppError]]


def error_response(
    scope: Scope,
    status: int,
    code: str,
    message: str,
    *,
    headers: Mapping[str, str] | None = None,
    fields: Sequence[Mapping[str, str]] = (),
) -> Response:
    """The envelope, with the request's id; nothing may store it."""
    error: dict[str, Any] = {"code": code, "message": message, "request_id": scope.get("state", {}).get("request_id")}
    if fields:
        error["fields"] = fields
    all_headers = {"cache-control": "no-store", **(headers or {})}
    body = {"success": False, "error": error, "timestamp": datetime.now(UTC)}
    return Response(orjson.dumps(body), int(status), all_headers, media_type="application/json")


def install(app: FastAPI, meanings: Meanings | None = None) -> None:
    """Answer with the envelope whatever a route raises.

    Args:
        app: whose routes.
        meanings: what exceptions of parts that know no HTTP come to.
    """
    app.add_exception_handler(AppError, partial(_refuse, lambda error: error))
    for kind, meaning in (meanings or {}).items():
        app.add_exception_handler(kind, partial(_refuse, meaning))
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)


class Errors:
    """Outermost but for metrics: a time limit, and 500 for what nobody caught, as a pure ASGI middleware.

    The framework's own would raise on after its answer, and the server write the message to the log.
    """

    def __init__(self, app: ASGIApp, timeout_seconds: float, reports: ErrorReports | None = None) -> None:
        """Wrap `app`; `reports` hears of what nobody caught."""
        self._app, self._timeout_seconds, self._reports = app, timeout_seconds, reports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on requests; sockets and the lifespan have no limit."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        limit = asyncio.timeout(self._timeout_seconds)
        try:
            async with limit:
                await self._app(scope, receive, note)
            return
        except Exception as error:
            expired = isinstance(error, TimeoutError) and limit.expired()
            log.exception("request_timed_out" if expired else "request_failed")
            if self._reports is not None:
                self._reports.send(error, route_of(scope))
        if begun:
            # Half an answer cannot be mended: the connection is cut, and the client sees that it is half.
            raise ConnectionError
        status = HTTPStatus.GATEWAY_TIMEOUT if expired else HTTPStatus.INTERNAL_SERVER_ERROR
        code = "timeout" if expired else "internal_error"
        message = "The request took too long." if expired else "Something went wrong on our side."
        await error_response(scope, status, code, message)(scope, receive, send)


async def _refuse(meaning: Callable[[Any], AppError], request: Request, error: Exception) -> Response:
    told = meaning(error)
    return error_response(request.scope, told.status, told.code, told.message, headers=told.headers)


async def _http_error(request: Request, error: Exception) -> Response:
    """The framework's own, such as 404 and 405: by the status alone, since a detail may quote the request."""
    assert isinstance(error, HTTPException)  # noqa: S101 it is registered for this type
    status = HTTPStatus(error.status_code)
    code = status.phrase.lower().replace(" ", "_").replace("-", "_")
    return error_response(request.scope, status, code, f"{status.phrase}.", headers=error.headers)


async def _invalid(request: Request, error: Exception) -> Response:
    """What does not fit, by field and rule; the values stay out."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 it is registered for this type
    fields = [{"field": ".".join(str(part) for part in one["loc"]), "rule": str(one["type"])} for one in error.errors()]
    return error_response(
        request.scope,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid_request",
        "The request does not fit; see fields.",
        fields=fields,
    )
