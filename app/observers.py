"""Who hears of requests and errors outside of this process: nobody, unless the stack says where."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from starlette.middleware import Middleware

from app.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from app.ops.error_reports import ErrorReports


@dataclass(frozen=True, kw_only=True, slots=True)
class Observers:
    """Where traces and errors go. The libraries are imported only where one of them is used: they cost memory."""

    traces: TracerProvider | None = None
    reports: ErrorReports | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the stack says."""
        traces = reports = None
        if settings.otel_exporter_otlp_endpoint:
            from app.ops import tracing

            traces = tracing.provider(settings, settings.otel_exporter_otlp_endpoint)
        if settings.sentry_dsn:
            from app.ops.error_reports import ErrorReports

            reports = ErrorReports(settings, settings.sentry_dsn.get_secret_value())
        return cls(traces=traces, reports=reports)

    def middleware(self) -> list[Middleware]:
        """What measures requests for the traces."""
        if self.traces is None:
            return []
        from app.ops.tracing import Tracing

        return [Middleware(Tracing, made=self.traces)]

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Send what is left at the end."""
        async with AsyncExitStack() as stack:
            if self.traces is not None:
                from app.ops.tracing import sending

                await stack.enter_async_context(sending(self.traces))
            if self.reports is not None:
                await stack.enter_async_context(self.reports.sending())
            yield
