"""An OpenSearch that answers what a test wants and keeps what it was asked; and an STS that gives credentials."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from app.aws import Aws

ROLE = "arn:aws:iam::123456789012:role/search-client"


class Asked(NamedTuple):
    """A request."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Server:
    """What it answers: `status` and `hits`."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.status = 200
        self.hits: list[dict[str, Any]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        data = await request.read()
        body = orjson.loads(data) if data else None
        self.asked.append(Asked(request.method, request.path_qs, dict(request.headers), body))
        return web.json_response({"hits": {"hits": self.hits}}, status=self.status)


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """On a port of its own."""
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        server.url = f"http://{host}:{port}"
        yield server
    finally:
        await runner.cleanup()


class Sts(Aws):
    """In place of `app.aws.Aws`: credentials for an hour."""

    def __init__(self) -> None:
        super().__init__("us-east-1")
        self.roles: list[str] = []
        self.life = timedelta(hours=1)

    async def client(self, service: str) -> Sts:
        assert service == "sts"
        return self

    async def assume_role(self, **given: str) -> dict[str, Any]:
        self.roles.append(given["RoleArn"])
        return {
            "Credentials": {
                "AccessKeyId": "AKIATEST",
                "SecretAccessKey": "secret-of-the-role",
                "SessionToken": "session-of-the-role",
                "Expiration": datetime.now(UTC) + self.life,
            }
        }
