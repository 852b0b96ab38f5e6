"""One span a request, by hand, sent by OTLP over HTTP; nothing of what a client sent is in it.

The library's own instrumentation of FastAPI takes ten times as long, mostly for spans of its own inner steps.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from opentelemetry import context as contexts
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, TraceState, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.ops import logs
from app.ops.requests import QUIET_PATHS, known_method, route_of
from app.ops.routes import FROM_OUTSIDE
from app.settings import Settings

SLOW_SECONDS = 1.0
"""From here on a request has a span whatever the ratio, as one that failed has."""
EXPORT_SECONDS = 5
LATE = "sampled.late"
"""Attribute of a span that was made after its request, which turned out to be slow or to fail."""
_propagator = TraceContextTextMapPropagator()


class _Sampler(Sampler):
    """The caller's decision, or one by ratio; and all that is `LATE`."""

    def __init__(self, ratio: float) -> None:
        self._early = ParentBased(TraceIdRatioBased(ratio))

    def should_sample(  # noqa: PLR0917 the library's own signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if attributes and LATE in attributes:
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)
        return self._early.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return "late, by the caller, or by ratio"


def provider(settings: Settings, endpoint: str) -> TracerProvider:
    """What makes spans, and sends them to `endpoint` in batches from a thread of its own."""
    about = {
        "service.name": f"headroom-{settings.service_role}",
        "deployment.environment.name": settings.environment,
        "cloud.region": settings.aws_region,
    }
    made = TracerProvider(
        sampler=_Sampler(settings.trace_sample_ratio), resource=Resource(about), shutdown_on_exit=False
    )
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
    made.add_span_processor(BatchSpanProcessor(exporter))
    return made


@asynccontextmanager
async def sending(made: TracerProvider) -> AsyncIterator[None]:
    """Send what is left at the end; the process waits for `EXPORT_SECONDS` at most, then leaves the rest."""
    try:
        yield
    finally:
        ending = asyncio.create_task(asyncio.to_thread(made.shutdown))
        await asyncio.wait([ending], timeout=EXPORT_SECONDS)


class Tracing:
    """Inside of the request's id, outside of errors, whose answers it sees. Sockets and probes have no spans."""

    def __init__(self, app: ASGIApp, made: TracerProvider) -> None:
        """Wrap `app`."""
        self._app, self._tracer = app, made.get_tracer("headroom")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Measure a request."""
        if scope["type"] != "http" or scope["path"] in QUIET_PATHS:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        # Who asks from outside does not decide what we trace and pay for.
        parent = Context() if FROM_OUTSIDE in headers else _propagator.extract(headers, Context())
        begin, status = time.time_ns(), 500

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        span = self._tracer.start_span(
            "request", parent, SpanKind.SERVER, start_time=begin, record_exception=False, set_status_on_exception=False
        )
        if span.is_recording():
            logs.bind(trace_id=f"{span.get_span_context().trace_id:032x}")
        token = contexts.attach(set_span_in_context(span, parent))
        try:
            await self._app(scope, receive, note)
        finally:
            contexts.detach(token)
            is_late = not span.is_recording()
            if is_late and (status >= 500 or time.time_ns() - begin >= SLOW_SECONDS * 1e9):  # noqa: PLR2004
                span = self._tracer.start_span("request", parent, SpanKind.SERVER, {LATE: True}, start_time=begin)
            if span.is_recording():
                method, route = known_method(scope), route_of(scope)
                span.update_name(f"{method} {route}")
                span.set_attributes(
                    {"http.request.method": method, "http.route": route, "http.response.status_code": status}
                )
                if status >= 500:  # noqa: PLR2004
                    span.set_status(Status(StatusCode.ERROR))
            span.end()
