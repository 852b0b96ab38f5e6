"""The limits in front of an application, by HTTP and by sockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Message, Scope

from app.limits.limiter import Limiter
from app.limits.middleware import Limits
from app.limits.policies import AI, AUTH, NEWSLETTER, Exemption, Identity
from app.limits.routes import RouteTable
from app.main import create_app
from app.roles import ROLES, limits
from app.settings import Role
from tests.app.environment import settings
from tests.app.servers import Redis
from tests.app.stores import Heard, opened

pytestmark = pytest.mark.anyio

TABLE = RouteTable(
    {
        "POST /login": AUTH,
        "POST /subscribe": NEWSLETTER,
        "GET /health": Exemption("asked every few seconds"),
        "POST /ai": AI,
        "WEBSOCKET /live": AI,
    }
)


async def hello(_: Request) -> Response:
    return PlainTextResponse("hello")


async def accept(socket: Any) -> None:
    await socket.accept()
    await socket.close()


async def identify(scope: Scope) -> Identity | None:
    """By a header; the application does it by token."""
    found = dict(scope["headers"]).get(b"x-user")
    return Identity(found.decode(), 1) if found else None


def application(limiter: Limiter, heard: Heard) -> Limits:
    """One that answers everything."""
    routes = [
        *(Route(path, hello, methods=["POST"]) for path in ("/login", "/subscribe", "/ai")),
        Route("/health", hello),
        Route("/page", hello),
        WebSocketRoute("/live", accept),
    ]
    return Limits(Starlette(routes=routes), limiter, TABLE, identify, heard)


async def test_answers_carry_what_is_left_and_the_sixth_login_of_a_minute_is_refused(redis_url: str) -> None:
    heard = Heard()
    async with opened(redis_url, budget_seconds=2) as store:
        transport = httpx.ASGITransport(application(Limiter(store), heard), client=("192.0.2.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            first = await client.post("/login")
            answers = [await client.post("/login") for _ in range(5)]
            other = await client.get("/page")
    assert first.status_code == 200
    assert first.headers["ratelimit"].startswith('"auth";r=4;t=')
    assert first.headers["ratelimit-policy"] == '"auth";q=5;w=60'
    assert "retry-after" not in first.headers
    # Redis' minute may end in between: at most one more passes then, a weighted window is no fixed one.
    refused = answers[-1]
    assert refused.status_code == 429
    # Five at the start of a window weigh four when a fifth of the next one is over: 72 s later.
    assert 1 <= int(refused.headers["retry-after"]) <= 72
    assert refused.headers["cache-control"] == "no-store"
    assert refused.json()["error"]["code"] == "too_many_requests"
    assert other.status_code == 200
    assert heard.outcomes["denied"] >= 1


async def test_probes_are_not_counted_and_unknown_paths_are(redis_url: str) -> None:
    async with opened(redis_url, budget_seconds=2) as store:
        transport = httpx.ASGITransport(application(Limiter(store), Heard()), client=("192.0.2.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            probes = [await client.get("/health") for _ in range(150)]
            unknown = [await client.get("/wp-login.php") for _ in range(150)]
    assert {probe.status_code for probe in probes} == {200}
    assert "ratelimit" not in probes[0].headers
    assert 100 <= [answer.status_code for answer in unknown].count(404) < 150
    assert unknown[-1].status_code == 429


async def test_each_client_has_its_own_limits(redis_url: str) -> None:
    async with opened(redis_url, budget_seconds=2) as store:
        app = application(Limiter(store), Heard())
        for host in ("192.0.2.1", "192.0.2.2"):
            transport = httpx.ASGITransport(app, client=(host, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                assert (await client.post("/subscribe")).status_code == 200
                assert (await client.post("/subscribe")).status_code == 429


async def test_without_redis_pages_are_served_and_logins_answer_503(redis_server: Redis) -> None:
    heard = Heard()
    async with opened(redis_server.url) as store:
        redis_server.kill()
        transport = httpx.ASGITransport(application(Limiter(store), heard), client=("192.0.2.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            page = await client.get("/page")
            login = await client.post("/login")
    assert page.status_code == 200
    assert page.headers["x-ratelimit-limit"] == "25"
    assert login.status_code == 503
    assert login.headers["retry-after"] == "1"
    assert login.json()["error"]["code"] == "limits_unavailable"
    assert heard.outcomes == {"local-allowed": 1, "local-closed": 1}


async def connect(app: Callable[..., Awaitable[None]], user: str) -> str:
    """First answer to a socket's handshake."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/live", "headers": [(b"x-user", user.encode())], "client": ("192.0.2.1", 1)}
    await app(scope, receive, send)
    return str(sent[0]["type"])


async def test_sockets_are_counted_and_refused_before_their_handshake_ends(redis_url: str) -> None:
    async with opened(redis_url, budget_seconds=2) as store:
        app = application(Limiter(store), Heard())
        answers = [await connect(app, "1") for _ in range(50)]
        assert answers[:20] == ["websocket.accept"] * 20
        assert answers[-1] == "websocket.close"
        assert await connect(app, "2") == "websocket.accept"


@pytest.mark.parametrize("role", ROLES)
def test_every_route_of_the_application_has_a_policy_or_an_exemption(tmp_path: Path, role: Role) -> None:
    lines = limits(role)
    table, routes = RouteTable(lines), create_app(settings(tmp_path, SERVICE_ROLE=role)).routes
    assert table.uncovered(routes) == []
    assert table.unused(routes) == []
    assert all(line.reason for line in lines.values() if isinstance(line, Exemption))
