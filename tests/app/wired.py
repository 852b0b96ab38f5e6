"""The application as a process has it, on real servers, without the process: its lifespan runs in the test's loop."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

import httpx
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app.main import create_app
from app.settings import Settings
from tests.app.environment import SHARD_MAP
from tests.app.servers import Postgres

BUDGET_SECONDS = 2
ORIGIN = "https://example.com"


def at(postgres: Postgres, database: str, redis_url: str) -> dict[str, str]:
    """Variables that lead to the test's servers, without a pooler."""
    shard = {**SHARD_MAP["shards"][0], "database": database}
    return {
        "DATABASE_WRITER_HOST": "127.0.0.1",
        "DATABASE_READER_HOST": "127.0.0.1",
        "DATABASE_PORT": str(postgres.port),
        "DATABASE_NAME": database,
        "DATABASE_POOL_SIZE": "5",
        "SHARD_MAP": json.dumps({**SHARD_MAP, "shards": [shard]}),
        "CACHE_URL": redis_url,
        "CACHE_WRITER_URL": redis_url,
        "STATE_URL": redis_url,
    }


@asynccontextmanager
async def started(app: FastAPI) -> AsyncIterator[ASGIApp]:
    """`app` with its lifespan, whose state requests find."""
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        yield with_state


@asynccontextmanager
async def wired(given: Settings) -> AsyncIterator[ASGIApp]:
    """The application of `given`; Redis may take as long as a busy machine lets it."""
    with patch("app.assembly.BUDGET_SECONDS", BUDGET_SECONDS):
        made = create_app(given)
    async with started(made) as app:
        yield app


class Browser(httpx.AsyncClient):
    """A browser on the product's page: it says so, keeps cookies, and sends the CSRF token back."""

    def __init__(self, app: ASGIApp, address: str = "192.0.2.1") -> None:
        super().__init__(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url=ORIGIN,
            headers={"cf-connecting-ip": address, "user-agent": "Browser"},
        )

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:  # type: ignore[override]
        own = {"origin": ORIGIN}
        if csrf := self.cookies.get("__Host-csrf"):
            own["x-csrf-token"] = csrf
        return await super().post(path, json=body, headers={**own, **headers})
