"""The API on real servers, and users who ask it as apps do: with a bearer token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
from starlette.types import ASGIApp

from app.settings import Settings
from tests.app.wired import ORIGIN, wired

PASSWORD = "correct horse battery"


class Somebody(httpx.AsyncClient):
    """A client of the API; `user_id` once it is logged in."""

    user_id: UUID

    async def request(self, method: str, url: Any, **more: Any) -> httpx.Response:
        """Paths without a slash before them are below the API's."""
        return await super().request(method, url if url.startswith("/") else f"/api/v1/{url}", **more)

    async def made(self, path: str, **fields: Any) -> dict[str, Any]:
        """What a POST made."""
        answer = await self.post(path, json=fields)
        assert answer.status_code == 201, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def got(self, path: str, **query: Any) -> Any:
        """Data of a GET."""
        answer = await self.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


class Api:
    """One process, and any number of clients."""

    def __init__(self, app: ASGIApp, stack: AsyncExitStack) -> None:
        self.app, self._stack = app, stack
        self._number = 0

    async def anybody(self) -> Somebody:
        """Somebody new, with an address of their own."""
        self._number += 1
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        address = {"cf-connecting-ip": f"192.0.2.{self._number}"}
        client = Somebody(transport=transport, base_url=ORIGIN, headers=address)
        return await self._stack.enter_async_context(client)

    async def user(self) -> Somebody:
        """Somebody who is logged in to a new account."""
        client = await self.anybody()
        account = {"email": f"user{self._number}@example.com", "password": PASSWORD}
        await _insisting(client, "auth/register", account)
        answer = await _insisting(client, "auth/login", {**account, "delivery": "body"})
        client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        client.user_id = UUID((await client.get("auth/me")).json()["user_id"])
        return client


async def _insisting(client: Somebody, path: str, body: dict[str, str]) -> httpx.Response:
    """Guesses are refused where Redis does not answer within its budget, which happens on a busy machine."""
    answer = await client.post(path, json=body)
    for _ in range(20):
        if answer.status_code != 503:
            break
        await asyncio.sleep(0.5)
        answer = await client.post(path, json=body)
    assert answer.is_success, answer.text
    return answer


@asynccontextmanager
async def api(given: Settings) -> AsyncIterator[Api]:
    """The process of these settings."""
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(wired(given))
        yield Api(app, stack)
