"""The operations endpoints, in every role. Only `/health` is for the world: the others answer no proxied request."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.ops.health import Readiness
from app.ops.metrics import CONTENT_TYPE

FROM_OUTSIDE = "x-forwarded-for"
"""The load balancer sets it, whatever a client sends; kubelet and collector ask the pod itself."""


def operations(readiness: Readiness, metrics: Callable[[], str]) -> APIRouter:
    """Router with `/health`, `/ready` and `/metrics`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/health")
    async def health() -> Response:
        """200 while the loop runs, for the load balancer, DNS and the kubelet."""
        return JSONResponse({"status": "ok"}, headers=_UNSTORED)

    @router.get("/ready")
    async def ready(request: Request) -> Response:
        """200 or 503, for the kubelet."""
        _require_inside(request)
        return JSONResponse(readiness.report(), 200 if readiness.ready else 503, headers=_UNSTORED)

    @router.get("/metrics")
    async def scrape(request: Request) -> Response:
        """Metrics of all processes of the pod."""
        _require_inside(request)
        return PlainTextResponse(metrics(), headers=_UNSTORED, media_type=CONTENT_TYPE)

    return router


_UNSTORED = {"cache-control": "no-store"}


def _require_inside(request: Request) -> None:
    if FROM_OUTSIDE in request.headers:
        raise HTTPException(404)
