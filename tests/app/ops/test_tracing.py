"""Spans, as a collector gets them."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.middleware import Middleware

from app.observers import Observers
from app.ops import errors, tracing
from app.ops.requests import Requests
from tests.app.environment import settings

pytestmark = pytest.mark.anyio

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
EMAIL = "ada@example.com"


@dataclass
class Collector:
    """An OTLP receiver in this process."""

    url: str
    bodies: list[bytes] = field(default_factory=list)

    def spans(self) -> list[Span]:
        return [
            span
            for body in self.bodies
            for part in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in part.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.bodies.append(gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body)
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Collector(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


async def traced(directory: Path, endpoint: str, ratio: str, asked: list[tuple[str, dict[str, str]]]) -> None:
    """Ask an application for paths, and end its lifespan."""
    observers = Observers.of(
        settings(directory, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, TRACE_SAMPLE_RATIO=ratio, SERVICE_ROLE="leads")
    )
    app = FastAPI(
        middleware=[
            Middleware(Requests, address_header="cf-connecting-ip"),
            *observers.middleware(),
            Middleware(errors.Errors, timeout_seconds=5),
        ]
    )

    @app.get("/users/{email}")
    async def read(email: str) -> str:
        return email

    @app.get("/health")
    async def health() -> str:
        return "ok"

    @app.get("/broken/{email}")
    async def fail(email: str) -> None:
        raise RuntimeError(email)

    @app.get("/slow")
    async def wait() -> None:
        await asyncio.sleep(0.05)

    async with (
        observers.sending(),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client,
    ):
        for path, headers in asked:
            await client.get(path, headers=headers)


async def test_a_span_arrives_and_has_nothing_of_what_the_client_sent(tmp_path: Path, collector: Collector) -> None:
    headers = {"cf-connecting-ip": "203.0.113.9", "authorization": "Bearer planted", "user-agent": "planted"}
    await traced(tmp_path, collector.url, "1", [(f"/users/{EMAIL}?token=planted", headers), ("/health", {})])
    (span,) = collector.spans()
    assert span.name == "GET /users/{email}"
    assert span.kind == Span.SPAN_KIND_SERVER
    assert span.end_time_unix_nano > span.start_time_unix_nano
    assert {one.key for one in span.attributes} == {"http.request.method", "http.route", "http.response.status_code"}
    everything = b"".join(collector.bodies)
    assert b"headroom-leads" in everything
    for secret in (EMAIL, "203.0.113.9", "planted"):
        assert secret.encode() not in everything


async def test_of_a_ratio_of_none_only_failures_and_slow_requests_are_kept(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "SLOW_SECONDS", 0.04)
    await traced(tmp_path, collector.url, "0", [("/users/1", {}), (f"/broken/{EMAIL}", {}), ("/slow", {})])
    found = {span.name: span for span in collector.spans()}
    assert found.keys() == {"GET /broken/{email}", "GET /slow"}
    assert found["GET /broken/{email}"].status.code == 2
    slow = found["GET /slow"]
    assert slow.end_time_unix_nano - slow.start_time_unix_nano >= 0.04 * 1e9
    assert EMAIL.encode() not in b"".join(collector.bodies)


async def test_a_pod_that_asks_decides_what_is_traced_and_a_client_from_outside_does_not(
    tmp_path: Path, collector: Collector
) -> None:
    parent = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    outside = {**parent, "x-forwarded-for": "203.0.113.9"}
    await traced(tmp_path, collector.url, "0", [("/users/1", parent), ("/users/2", outside)])
    (span,) = collector.spans()
    assert span.trace_id.hex() == TRACE
    assert span.parent_span_id.hex() == "00f067aa0ba902b7"


async def test_a_collector_that_is_away_delays_the_end_by_seconds_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "EXPORT_SECONDS", 0.5)
    loop = asyncio.get_running_loop()
    begin = loop.time()
    await traced(tmp_path, "http://127.0.0.1:9", "1", [("/users/1", {})])
    assert loop.time() - begin < 5


def test_without_an_endpoint_or_a_dsn_nobody_hears_anything(tmp_path: Path) -> None:
    observers = Observers.of(settings(tmp_path))
    assert (observers.traces, observers.reports, observers.middleware()) == (None, None, [])
