"""What needs no server: layers, addresses, local decisions, headers, the table of routes."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Host, Mount, Route, WebSocketRoute

from app.limits import local
from app.limits.limiter import Outcome, Verdict, headers
from app.limits.local import LOCAL_SHARE, Buckets, Denials
from app.limits.policies import (
    AI,
    AUTH,
    CACHED_READ,
    NEWSLETTER,
    POLICIES,
    STANDARD,
    VIDEO_UPLOAD,
    Exemption,
    Identity,
    Policy,
)
from app.limits.routes import RouteTable
from app.limits.rules import Rule, account, address, user

FREE, PLUS, TOP = Identity("1", 0), Identity("1", 1), Identity("1", 5)


def rules(policy: Policy, identity: Identity | None, method: str = "GET") -> dict[str, str]:
    """Of a request: `limit/seconds` by subject and rule."""
    return {
        f"{check.subject.by} {rule.name}": f"{rule.limit}/{rule.window_seconds}"
        for check in policy.checks(identity, "192.0.2.1", method)
        for rule in check.rules
    }


@pytest.mark.parametrize(
    ("policy", "identity", "method", "expected"),
    [
        (STANDARD, None, "GET", {"ip public-reads": "100/60"}),
        (STANDARD, None, "POST", {"ip anonymous-writes": "50/900"}),
        (STANDARD, FREE, "GET", {"user burst": "1000/60", "user quota-300": "300/900"}),
        (STANDARD, PLUS, "POST", {"user burst": "1000/60", "user quota-300": "300/900"}),
        (STANDARD, Identity("1", 3), "GET", {"user burst": "1000/60", "user quota-500": "500/900"}),
        (STANDARD, TOP, "GET", {"user burst": "1000/60", "user quota-1000": "1000/900"}),
        (STANDARD, Identity("1", 9), "GET", {"user burst": "1000/60", "user quota-1000": "1000/900"}),
        (STANDARD, Identity("1", -1), "GET", {"user burst": "1000/60", "user quota-300": "300/900"}),
        (CACHED_READ, TOP, "GET", {"user burst": "1000/60"}),
        (CACHED_READ, None, "GET", {"ip public-reads": "100/60"}),
        (AUTH, None, "POST", {"ip auth": "5/60", "ip anonymous-writes": "50/900"}),
        (AUTH, FREE, "POST", {"user burst": "1000/60", "user quota-300": "300/900", "ip auth": "5/60"}),
        (NEWSLETTER, None, "POST", {"ip newsletter": "1/3600", "ip anonymous-writes": "50/900"}),
        (AI, PLUS, "POST", {"user burst": "1000/60", "user ai": "20/60", "user quota-300": "300/900"}),
        (VIDEO_UPLOAD, None, "POST", {"ip anonymous-writes": "50/900"}),
    ],
)
def test_layers_of_a_request(policy: Policy, identity: Identity | None, method: str, expected: dict[str, str]) -> None:
    assert rules(policy, identity, method) == expected


def test_policies_and_rules_have_names_of_their_own() -> None:
    assert len({policy.name for policy in POLICIES}) == len(POLICIES)
    known: dict[str, Rule] = {}
    for policy in POLICIES:
        for identity in (None, FREE, PLUS, TOP):
            for method in ("GET", "POST"):
                for check in policy.checks(identity, "192.0.2.1", method):
                    for rule in check.rules:
                        assert known.setdefault(check.subject.key(rule), rule) == rule


def test_only_what_can_be_guessed_is_closed_without_redis() -> None:
    assert [policy.name for policy in POLICIES if policy.fails_closed] == ["auth"]


@pytest.mark.parametrize(
    ("host", "value"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::1", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("", "unknown"),
        ("testclient", "unknown"),
        ("1.2.3.4}:x", "unknown"),
    ],
)
def test_addresses_of_one_home_are_one_and_no_text_of_a_client_gets_into_a_key(host: str, value: str) -> None:
    assert address(host).value == value


def test_an_account_is_hashed_and_the_same_however_it_is_written() -> None:
    assert account(" Ada@Example.com ") == account("ada@example.com")
    assert "ada" not in account("ada@example.com").value


def test_all_counters_of_a_subject_share_a_tag() -> None:
    rule = Rule("burst", 1, 60, "user")
    assert user("1").key(rule) == "{rl:u:1}:burst"
    assert address("192.0.2.1").key(rule) == "{rl:ip:192.0.2.1}:burst"


def test_a_denial_holds_until_its_end_and_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "ENTRIES", 2)
    now = 0.0
    denials = Denials(lambda: now)
    denials.add("a", 10)
    now = 9.5
    assert denials.left("a") == 0.5
    now = 10
    assert denials.left("a") == 0
    for key in "bcd":
        denials.add(key, 10)
    assert [denials.left(key) for key in "bcd"] == [0, 10, 10]


@given(st.lists(st.floats(0, 30), min_size=1, max_size=300), st.integers(1, 1_000))
def test_a_bucket_never_gives_more_than_its_share_and_what_refills(pauses: list[float], limit: int) -> None:
    now = 0.0
    buckets = Buckets(lambda: now)
    rule = Rule("r", limit, 60, "user")
    taken = 0
    for pause in pauses:
        now += pause
        _, wait = buckets.take("k", rule)
        taken += wait == 0
    size = max(1.0, limit * LOCAL_SHARE)
    assert taken <= size + now * size / 60 + 1e-6


def test_who_waits_as_a_bucket_says_gets_a_token() -> None:
    now = 0.0
    buckets = Buckets(lambda: now)
    rule = Rule("r", 8, 60, "user")
    assert [buckets.take("k", rule)[0] for _ in range(2)] == [1, 0]
    _, wait = buckets.take("k", rule)
    now += wait + 1e-9
    assert buckets.take("k", rule)[1] == 0


def test_headers_of_the_draft_and_the_older_ones() -> None:
    rule = Rule("burst", 1_000, 60, "user")
    assert headers(Verdict(Outcome.ALLOWED, rule, 7, 1.2)) == {
        "ratelimit": '"burst";r=7;t=2',
        "ratelimit-policy": '"burst";q=1000;w=60',
        "x-ratelimit-limit": "1000",
        "x-ratelimit-remaining": "7",
        "x-ratelimit-reset": "2",
    }
    assert headers(Verdict(Outcome.DENIED, rule, 0, 0.2))["retry-after"] == "1"
    assert headers(Verdict(Outcome.DENIED, rule, 0, 5, is_local=True))["ratelimit-policy"] == '"burst";q=250;w=60'
    assert headers(Verdict(Outcome.CLOSED, None, 0, 1, is_local=True)) == {"retry-after": "1"}


def nothing() -> Response:
    return Response()


TABLE = RouteTable(
    {
        "GET /users/{user_id}": STANDARD,
        "GET /users/me": CACHED_READ,
        "POST /users/{user_id}/videos": VIDEO_UPLOAD,
        "GET /files/{name:path}": AUTH,
        "WEBSOCKET /live": AI,
        "POST /webhooks/{source}": Exemption("signed"),
    }
)


@pytest.mark.parametrize(
    ("method", "path", "policy"),
    [
        ("GET", "/users/1", STANDARD),
        ("HEAD", "/users/1", STANDARD),
        ("GET", "/users/me", CACHED_READ),
        ("GET", "/users/me/", CACHED_READ),
        ("GET", "/users", None),
        ("DELETE", "/users/1", None),
        ("POST", "/users/me/videos", VIDEO_UPLOAD),
        ("GET", "/files/a/b/c", AUTH),
        ("WEBSOCKET", "/live", AI),
        ("POST", "/webhooks/stripe", Exemption("signed")),
        ("POST", "/webhooks/stripe/x", None),
        ("GET", "/{}/x", None),
        ("GET", "//", None),
    ],
)
def test_a_request_finds_the_policy_of_its_route(method: str, path: str, policy: Policy | None) -> None:
    assert TABLE.find(method, path) == policy


def test_routes_without_a_line_and_lines_without_a_route_are_found() -> None:
    routes = [
        Route("/users/{user_id}", nothing, methods=["GET", "DELETE"]),
        Mount("/users", routes=[Route("/me", nothing), Route("/new", nothing)]),
        WebSocketRoute("/live", nothing),
        WebSocketRoute("/other", nothing),
        Host("example.com", Starlette()),
    ]
    assert TABLE.uncovered(routes) == ["? Host", "DELETE /users/{user_id}", "GET /users/new", "WEBSOCKET /other"]
    assert TABLE.unused(routes) == [
        "GET /files/{name:path}",
        "POST /users/{user_id}/videos",
        "POST /webhooks/{source}",
    ]


def test_routes_of_included_routers_are_found_with_their_prefixes() -> None:
    inner, outer, app = APIRouter(prefix="/users"), APIRouter(prefix="/api/v1"), FastAPI(openapi_url=None)
    inner.get("/{user_id}")(nothing)
    inner.websocket("/live")(nothing)
    outer.include_router(inner)
    app.include_router(outer)
    assert RouteTable({}).uncovered(app.routes) == ["GET /api/v1/users/{user_id}", "WEBSOCKET /api/v1/users/live"]
