from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.middleware import Middleware

from app.main import MEANINGS
from app.ops import errors
from app.ops.bodies import MAXIMUM_BYTES, Bodies

pytestmark = pytest.mark.anyio


class Text(BaseModel):
    text: str


def application() -> FastAPI:
    app = FastAPI(middleware=[Middleware(errors.Errors, timeout_seconds=5), Middleware(Bodies)])
    errors.install(app, MEANINGS)

    @app.post("/text")
    async def read(body: Text) -> int:
        return len(body.text)

    @app.post("/raw")
    async def count(request: Request) -> int:
        return len(await request.body())

    return app


def body(size: int) -> bytes:
    frame = b'{"text":""}'
    return frame[:9] + b"a" * (size - len(frame)) + frame[9:]


async def in_parts(content: bytes) -> AsyncIterator[bytes]:
    """Sent in chunks, without a word about its length."""
    for start in range(0, len(content), 65_536):
        yield content[start : start + 65_536]


@pytest.mark.parametrize("path", ["/text", "/raw"])
@pytest.mark.parametrize("is_told", [True, False], ids=["that says so", "that only turns out to be"])
async def test_a_body_that_is_too_large_is_refused(path: str, is_told: bool) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application()), base_url="http://api") as client:
        for size, status in ((MAXIMUM_BYTES, 200), (MAXIMUM_BYTES + 1, 413)):
            content = body(size) if is_told else in_parts(body(size))
            answer = await client.post(path, content=content, headers={"content-type": "application/json"})
            assert answer.status_code == status
            if status == 413:
                assert answer.json()["error"]["code"] == "too_large"
