from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import StreamingResponse

from app.ops import errors
from app.ops.errors import AppError
from app.ops.requests import Requests, duration, in_flight, route_of


class FrozenError(Exception):
    """Of a part that knows no HTTP."""


class Item(BaseModel):
    size: int


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI(
        middleware=[
            Middleware(Requests, address_header="cf-connecting-ip"),
            Middleware(errors.Errors, timeout_seconds=0.2),
        ]
    )
    refusal = AppError(409, "slot_frozen", "Try again in a moment.", {"Retry-After": "2"})
    errors.install(app, {FrozenError: lambda _: refusal})

    @app.get("/items/{item_id}")
    async def read(item_id: str, request: Request) -> dict[str, Any]:
        assert request.client is not None
        return {"id": request.state.request_id, "client": request.client.host}

    @app.post("/items")
    async def create(item: Item) -> Item:
        return item

    @app.get("/refused")
    async def refuse() -> None:
        raise FrozenError

    @app.get("/conflict")
    async def conflict() -> None:
        raise refusal

    @app.get("/broken")
    async def fail() -> None:
        msg = "planted"
        raise RuntimeError(msg)

    @app.get("/slow")
    async def wait() -> None:
        await asyncio.sleep(60)

    @app.get("/own-timeout")
    async def give_up() -> None:
        raise TimeoutError

    @app.get("/half")
    async def break_off() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"begun"
            msg = "planted"
            raise RuntimeError(msg)

        return StreamingResponse(parts())

    return app


async def ask(app: FastAPI, method: str, path: str, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        return await client.request(method, path, **options)


@pytest.mark.anyio
async def test_a_request_keeps_the_callers_id_or_gets_one(app: FastAPI) -> None:
    given = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = await ask(app, "GET", "/items/1", headers={"x-request-id": given})
    assert answer.headers["x-request-id"] == answer.json()["id"] == given
    for strange in ("short", "a" * 33, "4bf92f3577b34da6a3ce929d0e0e4736\tx", ""):
        answer = await ask(app, "GET", "/items/1", headers={"x-request-id": strange})
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
        assert answer.headers["x-request-id"] == answer.json()["id"] != given


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({"cf-connecting-ip": "203.0.113.9", "x-forwarded-for": "203.0.113.9, 172.64.0.1, 130.176.0.1"}, "203.0.113.9"),
        ({"cf-connecting-ip": "203.0.113.9", "x-forwarded-for": "6.6.6.6, 203.0.113.9, 172.64.0.1"}, "203.0.113.9"),
        ({"cf-connecting-ip": "2001:db8::1", "x-forwarded-for": "10.0.3.4"}, "2001:db8::1"),
        ({"x-forwarded-for": "6.6.6.6"}, "10.0.0.7"),
        ({}, "10.0.0.7"),
    ],
    ids=["by the CDN", "with a forged entry", "by the partners' API", "with nothing but a claim", "from inside"],
)
async def test_a_clients_address_is_what_the_way_in_wrote(app: FastAPI, headers: dict[str, str], address: str) -> None:
    transport = httpx.ASGITransport(app, client=("10.0.0.7", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        assert (await client.get("/items/1", headers=headers)).json()["client"] == address


@pytest.mark.anyio
async def test_metrics_count_by_template_method_and_status(app: FastAPI) -> None:
    duration.series.clear()
    for number in range(20):
        await ask(app, "GET", f"/items/{number}")
        await ask(app, "GET", f"/nowhere/{number}")
        await ask(app, f"INVENTED{number}", "/items")
    await ask(app, "GET", "/broken")
    await ask(app, "GET", "/health")
    counted = {labels: sum(values[:-1]) for labels, values in duration.series.items()}
    assert counted == {
        ("/items/{item_id}", "GET", "200"): 20,
        ("unmatched", "GET", "404"): 20,
        ("/items", "OTHER", "405"): 20,
        ("/broken", "GET", "500"): 1,
    }
    assert in_flight.series[()] == [0.0]


@pytest.mark.anyio
async def test_a_template_has_the_prefixes_of_all_routers(app: FastAPI) -> None:
    inner, outer = APIRouter(prefix="/users"), APIRouter(prefix="/api/v1")

    @inner.get("/{user_id}")
    async def read(user_id: str, request: Request) -> str:
        return f"{user_id}: {route_of(request.scope)}"

    outer.include_router(inner)
    app.include_router(outer)
    assert (await ask(app, "GET", "/api/v1/users/7")).json() == "7: /api/v1/users/{user_id}"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("DELETE", "/refused", 405, "method_not_allowed"),
        ("GET", "/refused", 409, "slot_frozen"),
        ("GET", "/conflict", 409, "slot_frozen"),
        ("GET", "/broken", 500, "internal_error"),
        ("GET", "/own-timeout", 500, "internal_error"),
        ("GET", "/slow", 504, "timeout"),
    ],
)
async def test_errors_come_in_the_envelope(app: FastAPI, method: str, path: str, status: int, code: str) -> None:
    answer = await ask(app, method, path)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "request_id"}
    assert error["code"] == code
    assert error["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    assert "planted" not in answer.text
    assert answer.headers.get("retry-after") == ("2" if status == 409 else None)


@pytest.mark.anyio
async def test_what_does_not_fit_is_named_and_not_quoted(app: FastAPI) -> None:
    answer = await ask(app, "POST", "/items", json={"size": "planted"})
    assert answer.status_code == 422
    assert answer.json()["error"]["fields"] == [{"field": "body.size", "rule": "int_parsing"}]
    assert "planted" not in answer.text
    answer = await ask(app, "POST", "/items", content=b'{"planted', headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert "planted" not in answer.text


@pytest.mark.anyio
async def test_half_an_answer_is_cut_off_and_not_completed(app: FastAPI) -> None:
    with pytest.raises(ConnectionError):
        await ask(app, "GET", "/half")
