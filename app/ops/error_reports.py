"""Errors that nobody caught, to an error tracker that speaks Sentry's protocol: types and places, no values.

An allow-list, as for logs: messages, variables, requests, users and what happened before them stay here.
https://develop.sentry.dev/sdk/data-model/event-payloads/
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sentry_sdk
from sentry_sdk.utils import event_from_exception

from app.settings import Settings

FLUSH_SECONDS = 2
_KEPT = frozenset({"environment", "event_id", "level", "platform", "sdk", "tags", "timestamp"})
_FRAME = frozenset({"filename", "function", "in_app", "lineno", "module"})


class ErrorReports:
    """Sends exceptions from a thread of its own, one process' to one project."""

    def __init__(self, settings: Settings, dsn: str, transport: Any = None) -> None:
        """Prepare; tests give the `transport`."""
        self._tags = {"service": settings.service_role, "region": settings.aws_region}
        self._client = sentry_sdk.Client(
            dsn=dsn,
            environment=settings.environment,
            default_integrations=False,
            auto_enabling_integrations=False,
            include_local_variables=False,
            include_source_context=False,
            before_send=scrub,
            transport=transport,
        )

    def send(self, error: BaseException, route: str) -> None:
        """Send an exception that left a route. By the client itself: scopes would add what they know of the request."""
        event, hint = event_from_exception(error, client_options=self._client.options)
        event["tags"] = {**self._tags, "section": route}
        self._client.capture_event(event, hint)

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Send what is left at the end, for `FLUSH_SECONDS` at most."""
        try:
            yield
        finally:
            await asyncio.to_thread(self._client.close, timeout=FLUSH_SECONDS)


def scrub(event: Any, _: object) -> Any:
    """What of an event may leave: where which type was raised. An exception's message may quote what a user sent."""
    found = event.get("exception", {}).get("values", ())
    return {
        **{key: value for key, value in event.items() if key in _KEPT},
        "exception": {"values": [_exception(one) for one in found]},
    }


def _exception(one: dict[str, Any]) -> dict[str, Any]:
    frames = one.get("stacktrace", {}).get("frames", ())
    return {
        "type": one.get("type"),
        "module": one.get("module"),
        "stacktrace": {"frames": [{key: frame[key] for key in _FRAME & frame.keys()} for frame in frames]},
    }
