"""What the stacks and the application say of the same things, each for itself."""

from __future__ import annotations

import re

from fastapi import FastAPI

from app.images import routes
from app.images.resize import MEMORY_BYTES
from app.images.terms import ANY, FORMATS
from app.limits.routes import RouteTable
from app.roles import include, limits
from app.settings import WITHOUT_SECRETS
from app.uploads.storage import PUBLIC
from components import cdn_policies
from components.cdn import IMAGES_PATH
from components.workload_access import PUBLIC_UPLOADS
from stacks.phases import PHASES
from tests.app.planned import containers

SERVER_BYTES = 200 << 20
"""Of the process that answers, with an original (measured: 110 MiB)."""


def described() -> dict[str, object]:
    app = FastAPI()
    app.include_router(routes.router())
    found: dict[str, object] = app.openapi()
    return found


def test_pods_may_read_what_the_application_makes_public() -> None:
    assert PUBLIC == PUBLIC_UPLOADS


def test_the_edge_leaves_the_formats_that_are_made() -> None:
    kinds = re.findall(r"'((?:image|\*)/[a-z*]+)'", cdn_policies._IMAGES)
    assert list(dict.fromkeys(kinds)) == [*FORMATS, ANY]


def test_the_edge_hands_on_the_one_parameter_that_there_is() -> None:
    [(path, item)] = described()["paths"].items()  # type: ignore[attr-defined]
    assert path.startswith(IMAGES_PATH.removesuffix("*"))
    queries = [one["name"] for one in item["get"]["parameters"] if one["in"] == "query"]
    assert tuple(queries) == cdn_policies.IMAGE_QUERIES


def test_every_answer_is_described() -> None:
    [item] = described()["paths"].values()  # type: ignore[attr-defined]
    operation = item["get"]
    assert operation["summary"]
    assert {"200", "304", "404", "413", "415"} <= set(operation["responses"])
    assert set(operation["responses"]["200"]["content"]) == {"image/avif", "image/webp", "image/jpeg", "image/png"}


def test_the_route_has_a_limit_policy_and_the_policy_a_route() -> None:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    include(app, "images")
    table = RouteTable(limits("images"))
    operations = [
        line for line in table.unused(app.routes) if line not in {"GET /health", "GET /ready", "GET /metrics"}
    ]
    assert (table.uncovered(app.routes), operations) == ([], [])


def test_uploads_have_a_public_address_exactly_where_something_resizes_them() -> None:
    planned = containers()
    resizing = {one.stack for one in planned if one.role == WITHOUT_SECRETS}
    assert 0 < len(resizing) < len({one.stack for one in planned})
    for container in (one for one in planned if one.role == "api"):
        address = f"https://cdn.{container.environ['DOMAIN']}/img" if container.stack in resizing else None
        assert container.environ.get("IMAGES_URL") == address, str(container)


def test_a_pod_has_memory_for_the_largest_picture() -> None:
    pods = [phase.compute.pods for sizings in PHASES.values() for phase in sizings.values()]
    sizes = [one[WITHOUT_SECRETS].memory_mib << 20 for one in pods if WITHOUT_SECRETS in one]
    assert sizes
    assert min(sizes) >= MEMORY_BYTES + SERVER_BYTES
