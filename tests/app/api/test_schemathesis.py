"""Whatever is sent: an answer that the description promises, no 5xx, and no word of the inside."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

import httpx
import hypothesis
import pytest
import requests
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.types import ASGIApp

from app.api.envelope import COMMON
from app.api.openapi import describe
from app.api.routes import include
from app.mail import routes as mail
from app.privacy import consent_routes as consents
from tests.app.api.world import Api, Somebody, api
from tests.app.environment import settings
from tests.app.servers import Postgres, Redis
from tests.app.wired import ORIGIN, at

load_all_checks()
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 12
"""Of each operation and mode."""
bounded = hypothesis.settings(
    max_examples=EXAMPLES,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
whole = FastAPI()
include(whole)
for _part in (consents, mail):
    whole.include_router(_part.router(), responses=COMMON)
schema = schemathesis.openapi.from_dict(describe(whole))
_found = [cast("Any", one).ok() for one in schema.get_all_operations()]
OPERATIONS: dict[str, Any] = {one.label: one for one in _found}
MODES = {
    GenerationMode.POSITIVE: sorted(OPERATIONS),
    # Nothing can be wrong with a request for something that takes nothing.
    GenerationMode.NEGATIVE: sorted(
        label for label, one in OPERATIONS.items() if one.body or one.query or one.path_parameters or one.headers
    ),
}


@dataclass
class World:
    """A loop that goes on between examples, and somebody who is logged in in it."""

    runner: asyncio.Runner
    here: Api
    user: Somebody

    def send(self, *given: Any, **more: Any) -> httpx.Response:
        return self.runner.run(self.user.request(*given, **more))


async def _rows(user: Somebody) -> dict[str, str]:
    """A row of each table, by the path's template."""
    found = {"/api/v1/posts/{slug}": (await user.made("posts", title="A", body="B"))["slug"]}
    for name, fields in (
        ("leads", {"email": "a@example.org"}),
        ("companies", {"name": "A"}),
        ("campaigns", {"name": "A"}),
        ("conversations", {"channel": "chat"}),
    ):
        found[f"/api/v1/{name}/{{row_id}}"] = (await user.made(name, **fields))["id"]
    company = found["/api/v1/companies/{row_id}"]
    for name, fields in (("contacts", {"name": "A"}), ("deals", {})):
        found[f"/api/v1/{name}/{{row_id}}"] = (await user.made(name, company_id=company, **fields))["id"]
    for name, below in (("conversations", "messages"), ("campaigns", "statistics")):
        found[f"/api/v1/{name}/{{row_id}}/{below}"] = found[f"/api/v1/{name}/{{row_id}}"]
    return found


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, migrated_template: str, shared_redis: Redis
) -> Iterator[World]:
    """One process for all operations."""
    name = postgres.create_database(migrated_template)
    given = settings(tmp_path_factory.mktemp("secrets"), **at(postgres, name, shared_redis.url))
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        here = runner.run(stack.enter_async_context(api(given)))
        try:
            yield World(runner, here, runner.run(here.user()))
        finally:
            runner.run(stack.aclose())
            postgres.drop_database(name)


@pytest.fixture
def rows(world: World, shared_redis: Redis) -> dict[str, str]:
    """A row of each table, by the path's template; and nothing counted against a limit."""
    shared_redis.flush()
    return world.runner.run(_rows(world.user))


def request_of(case: schemathesis.Case[Any]) -> requests.PreparedRequest | None:
    """As it goes over the wire; None for what no client can send."""
    try:
        return requests.Request(**case.as_transport_kwargs(base_url=ORIGIN)).prepare()
    except (requests.RequestException, UnicodeError, ValueError):
        return None


@pytest.mark.parametrize(
    ("mode", "label"), [(mode, label) for mode, labels in MODES.items() for label in labels], ids=str
)
def test_every_answer_is_as_described(world: World, rows: dict[str, str], mode: GenerationMode, label: str) -> None:
    operation = OPERATIONS[label]
    existing = rows.get(operation.path)

    @bounded
    @hypothesis.given(operation.as_strategy(mode), st.booleans())
    def holds(case: schemathesis.Case[Any], exists: bool) -> None:
        if exists and existing is not None:
            [name] = case.path_parameters
            case.path_parameters[name] = existing
            case.headers["If-Match"] = "*"
        prepared = request_of(case)
        if prepared is None:
            return
        body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body
        answer = world.send(prepared.method, prepared.path_url, headers=dict(prepared.headers), content=body)
        case.validate_response(answer, checks=CHECKS)
        assert "Traceback" not in answer.text

    holds()


PATHS = st.sampled_from(
    [
        "feed",
        "posts",
        "posts/trending",
        "posts/x",
        "leads",
        f"leads/{UUID(int=1)}",
        "companies",
        "search",
        "dashboard",
        "newsletter",
        "analytics/events",
        "auth/me",
        "openapi.json",
    ]
)
HEADERS = st.sampled_from(
    [
        "authorization",
        "cookie",
        "if-match",
        "if-none-match",
        "idempotency-key",
        "content-type",
        "content-length",
        "x-forwarded-for",
        "x-request-id",
        "origin",
        "accept-encoding",
        "range",
    ]
)
TOKENS = [b"Bearer ", b"Bearer a.b.c", b"Bearer " + b"A" * 3_000, b'"1"', b'W/"', b"*", b"application/xml", b"-1"]
NOISE = st.binary(max_size=60) | st.sampled_from(TOKENS)
BODIES = [b"{}", b"[]", b"null", b'{"email": "\\ud800@example.com"}', b"[" * 5_000]
FIELDS = st.sampled_from(["cursor", "limit", "page", "q", "kind", "category", "status", "days"])


@hypothesis.settings(bounded, max_examples=300)
@hypothesis.given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]),
    path=PATHS,
    query=st.lists(st.tuples(FIELDS, st.binary(max_size=40)), max_size=3),
    headers=st.dictionaries(HEADERS, NOISE, max_size=4),
    body=st.binary(max_size=200) | st.sampled_from(BODIES),
)
def test_noise_of_all_kinds_is_refused_and_breaks_nothing(
    world: World, method: str, path: str, query: list[tuple[str, bytes]], headers: dict[str, bytes], body: bytes
) -> None:
    """Headers that are no text, bodies that are no JSON, cursors and tokens of nobody's making."""
    own = [] if "authorization" in headers else [(b"authorization", world.user.headers["authorization"].encode())]
    sent = [(b"content-type", b"application/json"), *own, *((k.encode(), v) for k, v in headers.items())]

    status, answer = world.runner.run(raw(world.here.app, method, f"/api/v1/{path}", urlencode(query), sent, body))

    assert status < 500, (status, answer)
    assert b"Traceback" not in answer


async def raw(
    app: ASGIApp, method: str, path: str, query: str, headers: list[tuple[bytes, bytes]], body: bytes
) -> tuple[int, bytes]:
    """A request as the server hands it on, which is less particular than clients are: status and body."""
    told: list[Any] = []
    given = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Any:
        return next(given, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        told.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"example.com"), *headers],
        "client": ("192.0.2.77", 1),
        "server": ("example.com", 443),
    }
    await app(scope, receive, send)
    return told[0]["status"], b"".join(one.get("body", b"") for one in told[1:])
