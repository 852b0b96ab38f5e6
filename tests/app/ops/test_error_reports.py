from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport
from starlette.middleware import Middleware

from app.observers import Observers
from app.ops import errors
from app.ops.error_reports import ErrorReports
from tests.app.environment import environment, settings

pytestmark = pytest.mark.anyio

DSN = "https://key@sentry.example/1"


class Kept(Transport):
    """What would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.events.append(json.loads(envelope.items[0].payload.get_bytes()))


class Person(BaseModel):
    email: str


async def test_a_report_has_type_place_and_route_and_nothing_of_the_request(tmp_path: Path) -> None:
    transport = Kept()
    reports = ErrorReports(settings(tmp_path), DSN, transport)
    app = FastAPI(middleware=[Middleware(errors.Errors, timeout_seconds=5, reports=reports)])

    @app.post("/people/{name}")
    async def create(name: str, person: Person) -> None:
        planted = f"{name} {person.email}"
        try:
            dict[str, str]()[planted]
        except KeyError as error:
            raise RuntimeError(planted) from error

    transport_to = httpx.ASGITransport(app)
    async with reports.sending(), httpx.AsyncClient(transport=transport_to, base_url="http://api") as client:
        headers = {"authorization": "Bearer planted", "cookie": "session=planted", "user-agent": "planted"}
        answer = await client.post("/people/planted?q=planted", json={"email": "planted@example.com"}, headers=headers)
    assert answer.status_code == 500
    (event,) = transport.events
    assert [one["type"] for one in event["exception"]["values"]] == ["KeyError", "RuntimeError"]
    last = event["exception"]["values"][-1]["stacktrace"]["frames"][-1]
    assert (last["function"], last["filename"].rpartition("/")[2]) == ("create", "test_error_reports.py")
    assert event["tags"] == {"service": "api", "region": "us-east-1", "section": "/people/{name}"}
    assert event["environment"] == "production"
    assert "planted" not in json.dumps(event)
    assert {"request", "user", "breadcrumbs", "server_name", "contexts", "extra", "modules"} & event.keys() == set()


async def test_what_a_client_did_wrong_is_not_reported(tmp_path: Path) -> None:
    transport = Kept()
    reports = ErrorReports(settings(tmp_path), DSN, transport)
    app = FastAPI(middleware=[Middleware(errors.Errors, timeout_seconds=5, reports=reports)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        assert (await client.get("/nowhere")).status_code == 404
    assert transport.events == []


def test_reports_go_where_the_secret_says(tmp_path: Path) -> None:
    environment(tmp_path)
    (tmp_path / "sentry_dsn").write_text(DSN)
    assert Observers.of(settings(tmp_path)).reports is not None
