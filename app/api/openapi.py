"""The API's description: `/api/v1/openapi.json`, and `python -m app.api.openapi` prints the same."""

from __future__ import annotations

import sys
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

from app.limits.policies import STANDARD, Exemption, Policy

LIMITS: dict[str, Policy | Exemption] = {"GET /api/v1/openapi.json": STANDARD}
VERSION = "1"

router = APIRouter(tags=["openapi"])


@router.get("/openapi.json", include_in_schema=False)
async def read_openapi(request: Request) -> Response:
    """What this process serves, as OpenAPI 3.1."""
    headers = {"Cache-Control": "public, max-age=300"}
    return Response(orjson.dumps(describe(request.app)), headers=headers, media_type="application/json")


def describe(app: FastAPI) -> dict[str, Any]:
    """OpenAPI of an application's routes below `/api/`; made once.

    The framework's own 422 is taken out: what does not fit is answered with our envelope.
    """
    if app.openapi_schema is None:
        made = get_openapi(title="Headroom", version=VERSION, routes=app.routes)
        made["paths"] = {path: item for path, item in made["paths"].items() if path.startswith("/api/")}
        app.openapi_schema = made
    return app.openapi_schema


def main() -> int:
    """Print the whole API's description; exit code."""
    from app.api.routes import include

    app = FastAPI()
    include(app)
    sys.stdout.buffer.write(orjson.dumps(describe(app), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return 0


if __name__ == "__main__":
    sys.exit(main())
