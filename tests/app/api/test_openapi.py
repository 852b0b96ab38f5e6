"""The API's description: what generated clients stand on."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import jsonschema_rs
import orjson
import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator

from app.api.openapi import describe
from app.api.routes import LIMITS, include, limits
from app.limits.routes import RouteTable
from app.roles import ROLES
from tests.app.api.world import Api

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    app = FastAPI()
    include(app)
    return describe(app)


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, item in described["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def test_every_schema_in_it_is_one(described: dict[str, Any]) -> None:
    """Of JSON Schema 2020-12, the dialect of OpenAPI 3.1; and no reference leads nowhere."""
    assert described["openapi"].startswith("3.1")
    for name, schema in described["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        root = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
        jsonschema_rs.validator_for(root)
    text = orjson.dumps(described).decode()
    referred = set(re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', text))
    assert referred <= set(described["components"]["schemas"])


def test_every_operation_has_a_name_of_its_own_a_summary_and_a_tag(described: dict[str, Any]) -> None:
    found = [operation["operationId"] for _, _, operation in operations(described)]

    assert len(set(found)) == len(found) == 51
    assert all(re.fullmatch(r"[a-z_]+", name) for name in found)
    assert all(operation["summary"] and operation["tags"] for _, _, operation in operations(described))
    assert {"read_feed", "list_leads", "create_lead", "change_post", "search", "read_dashboard"} <= set(found)


def test_every_path_has_its_version(described: dict[str, Any]) -> None:
    assert all(path.startswith("/api/v1/") for path in described["paths"])


def test_every_refusal_is_in_the_envelope(described: dict[str, Any]) -> None:
    envelope = {"$ref": "#/components/schemas/Refused"}
    for method, path, operation in operations(described):
        refusals = {int(status): one for status, one in operation["responses"].items() if int(status) >= 400}
        assert {422, 429, 500, 503, 504} <= set(refusals), (method, path)
        assert all(one["content"]["application/json"]["schema"] == envelope for one in refusals.values())


def test_every_answer_has_a_type(described: dict[str, Any]) -> None:
    for method, path, operation in operations(described):
        good = {int(status): one for status, one in operation["responses"].items() if 200 <= int(status) < 300}
        [(status, answer)] = good.items()
        if status == 204:
            assert "content" not in answer
            continue
        name = answer["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        schema = described["components"]["schemas"][name]
        assert set(schema["properties"]) == {"success", "data", "meta"}, (method, path)
        assert set(schema["required"]) >= {"data", "meta"}


def test_no_body_takes_what_it_does_not_know(described: dict[str, Any]) -> None:
    bodies = [operation["requestBody"] for _, _, operation in operations(described) if "requestBody" in operation]

    assert len(bodies) == 17
    for body in bodies:
        name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert described["components"]["schemas"][name]["additionalProperties"] is False, name


def test_every_list_has_a_limit_of_at_most_a_hundred(described: dict[str, Any]) -> None:
    for name in ("read_feed", "list_posts", "search", *(f"list_{one}" for one in ("leads", "companies", "videos"))):
        [operation] = [one for _, _, one in operations(described) if one["operationId"] == name]
        [limit] = [one["schema"] for one in operation["parameters"] if one["name"] == "limit"]
        assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 100, 20)


def test_every_route_has_a_limit_and_every_limit_a_route() -> None:
    for role in ROLES:
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        include(app, role)
        table = RouteTable(limits(role))
        assert (table.uncovered(app.routes), table.unused(app.routes)) == ([], []), role
    assert limits("api") == LIMITS


def test_a_service_serves_its_own_part_and_the_api_all() -> None:
    assert {line.split("/")[3] for line in limits("leads")} == {"leads"}
    assert {line.split("/")[3] for line in limits("video")} == {"videos"}
    assert {line.split("/")[3] for line in limits("analytics")} == {"dashboard", "analytics"}
    assert limits("worker") == limits("realtime") == limits("auth") == {}
    parts = [line for role in ROLES if role != "api" for line in limits(role)]
    assert len(parts) == len(set(parts))
    assert set(parts) <= set(LIMITS)


def test_it_is_printed_as_it_is_served() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "app.api.openapi"], capture_output=True, check=True, timeout=120
    ).stdout
    app = FastAPI()
    include(app)

    assert orjson.loads(printed) == describe(app)


@pytest.mark.anyio
async def test_it_is_served_to_anybody_and_names_what_the_process_serves(here: Api) -> None:
    answer = await (await here.anybody()).get("openapi.json")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert "x-ratelimit-limit" in answer.headers
    assert {"/api/v1/feed", "/api/v1/auth/login"} <= set(answer.json()["paths"])
    assert "/metrics" not in answer.json()["paths"]
