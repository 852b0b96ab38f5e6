"""No request body is larger than the API needs: files go to the object store, not through here."""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.ops.errors import AppError, error_response

MAXIMUM_BYTES = 1 << 20
"""The edge's firewall has the same limit, but the partners' way in has no firewall."""
REFUSAL = AppError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"A body has {MAXIMUM_BYTES:,} bytes at most.")


class TooLargeError(HTTPException):
    """The body turned out to have more. The framework makes 400 of any other exception while it reads a body."""

    def __init__(self) -> None:
        """Name the status."""
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


class Bodies:
    """413 for what says that it is larger, or turns out to be; inside of errors."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what comes in."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "")
        if told.isdecimal() and int(told) > MAXIMUM_BYTES:
            await error_response(scope, REFUSAL.status, REFUSAL.code, REFUSAL.message)(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAXIMUM_BYTES:
                raise TooLargeError
            return message

        await self._app(scope, counted, send)
