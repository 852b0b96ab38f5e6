from __future__ import annotations

import asyncio
import io
import json
import logging
import uuid
import warnings
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI, HTTPException
from starlette.middleware import Middleware

from app.ops import errors, logs
from app.ops.requests import Requests

EMAIL = "alice.planted@example.com"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.planted.c2lnbmF0dXJl"
PHONE = "+491761234567"
PLANTED = (EMAIL, TOKEN, PHONE, "planted", "491761234567")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    written, before = io.StringIO(), structlog.get_config()
    logs.configure(written, role="api")
    try:
        yield written
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)
        structlog.configure(**before)
        logs.begin()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_object_with_time_level_and_the_processs_fields(stream: io.StringIO) -> None:
    request_id = uuid.uuid4().hex
    logs.bind(request_id=request_id)
    structlog.get_logger().warning("pool_exhausted", count=3, duration_ms=1.5)
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "pool_exhausted",
        "level": "warning",
        "role": "api",
        "count": 3,
        "duration_ms": 1.5,
        "request_id": request_id,
    }


@pytest.mark.parametrize("value", [EMAIL, TOKEN, PHONE])
def test_nothing_personal_passes_by_any_field(stream: io.StringIO, value: str) -> None:
    log = structlog.get_logger()
    for field in [*logs.FIELDS, "email", "password", "stack", "timestamp", "level", "dropped", "exc_info"]:
        log.info("tried", **{field: value})
        log.info("tried", **{field: [value]})
        log.info("tried", **{field: {"nested": value}})
        log.info("tried", **{field: int(PHONE)})
    log.info("tried", **{value: "as a key"})
    log.info(value)
    log.info(f"user {value} logged in")  # noqa: G004 what nobody should do
    log.bind(email=value).error("bound")
    logs.bind(email=value, route=f"/users/{value}")
    log.info("from_context")
    assert len(lines(stream)) > 70
    assert [planted for planted in PLANTED if planted in stream.getvalue()] == []


@pytest.mark.parametrize("value", [EMAIL, TOKEN, PHONE])
def test_nothing_personal_passes_by_an_exception_or_a_library(stream: io.StringIO, value: str) -> None:
    library = logging.getLogger("asyncpg.planted")
    try:
        try:
            raise KeyError(value)  # noqa: TRY301 a cause of its own
        except KeyError as error:
            msg = f"no user {value}"
            raise LookupError(msg) from error
    except LookupError:
        structlog.get_logger().exception("failed")
        library.exception("failed for %s", value)
        library.error(f"failed for {value}", exc_info=True)
    library.warning("retrying %s", value)
    library.log(37, value)
    logging.getLogger("uvicorn.error").warning('%s - "WebSocket %s" [accepted]', PHONE, f"/ws?token={value}")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"deprecated: {value}", stacklevel=1)
    assert [planted for planted in PLANTED if planted in stream.getvalue()] == []
    found = lines(stream)
    assert [line["event"] for line in found] == ["failed", *["library"] * 6]
    assert [line["level"] for line in found] == ["error", "error", "error", "warning", "warning", "warning", "warning"]
    assert found[0]["error_type"] == "LookupError"
    assert found[0]["stack"][-1].startswith("app/ops/test_logs.py:")
    assert found[3]["stack"][0].startswith("app/ops/test_logs.py:")


@pytest.mark.parametrize("value", [EMAIL, TOKEN, PHONE])
def test_nothing_personal_passes_by_a_request(stream: io.StringIO, value: str) -> None:
    app = FastAPI(middleware=[Middleware(Requests, address_header="x"), Middleware(errors.Errors, timeout_seconds=5)])
    errors.install(app)

    @app.get("/users/{user_id}")
    async def fail(user_id: str) -> None:
        raise RuntimeError(user_id)

    @app.get("/refused/{user_id}")
    async def refuse(user_id: str) -> None:
        raise HTTPException(403, user_id)

    @app.post("/items/{item_id}")
    async def read(item_id: uuid.UUID) -> uuid.UUID:
        return item_id

    async def ask() -> list[httpx.Response]:
        headers = {"x-request-id": value, "authorization": f"Bearer {value}", "x-forwarded-for": value}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            return [
                await client.request(method, f"{path}/{value}?token={value}", headers=headers)
                for method, path in (("GET", "/users"), ("GET", "/refused"), ("POST", "/items"), ("GET", "/nowhere"))
            ]

    answers = asyncio.run(ask())
    assert [answer.status_code for answer in answers] == [500, 403, 422, 404]
    assert [planted for planted in PLANTED if planted in stream.getvalue()] == []
    assert [planted for answer in answers for planted in PLANTED if planted in answer.text] == []
    found = [line for line in lines(stream) if line["event"] == "request"]
    assert [(line["route"], line["status"]) for line in found] == [
        ("/users/{user_id}", 500),
        ("/refused/{user_id}", 403),
        ("/items/{item_id}", 422),
        ("unmatched", 404),
    ]
    assert all(
        line["request_id"] == answer.headers["x-request-id"] for line, answer in zip(found, answers, strict=True)
    )


def test_what_was_dropped_is_named(stream: io.StringIO) -> None:
    structlog.get_logger().info("signed_up", email=EMAIL, user_id=str(uuid.UUID(int=7)), status=f"for {EMAIL}")
    (line,) = lines(stream)
    assert line["dropped"] == ["email", "status"]
    assert line["user_id"] == "00000000-0000-0000-0000-000000000007"


def test_what_says_little_is_not_written(stream: io.StringIO) -> None:
    structlog.get_logger().debug("detail")
    logging.getLogger("httpx").info("detail")
    assert lines(stream) == []
