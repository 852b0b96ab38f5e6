"""What a browser may send with cookies, by who made it send it."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from starlette.types import Message, Scope

from app.auth.cookies import ACCESS, CSRF
from app.auth.middleware import SECURITY_HEADERS, Security
from components import cdn_policies
from components.functions.rotate_signing_keys import rotated
from tests.app.auth.world import EMAIL, ORIGIN, PASSWORD, PREFIX, World

pytestmark = pytest.mark.anyio

EVIL = "https://evil.example"
REFUSED = 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": ORIGIN}, 200),
        ({"origin": ORIGIN, "sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"origin": "https://www.example.com", "sec-fetch-site": "same-site"}, 200),
        # The CDN asks by another name, and says which one the browser asked.
        ({"host": "origin.example.com", "x-forwarded-host": "example.com", "origin": ORIGIN}, 200),
        ({"origin": EVIL}, REFUSED),
        ({"origin": EVIL, "sec-fetch-site": "same-origin"}, REFUSED),
        ({"origin": "https://example.com.evil.example"}, REFUSED),
        ({"origin": "http://example.com"}, REFUSED),
        ({"origin": "https://example.com:8443"}, REFUSED),
        ({"origin": "null"}, REFUSED),
        ({"origin": ""}, REFUSED),
        ({"sec-fetch-site": "cross-site"}, REFUSED),
        ({"sec-fetch-site": "same-site"}, REFUSED),
        ({"sec-fetch-site": "none"}, REFUSED),
        # A cookie and no word about where from.
        ({}, REFUSED),
    ],
    ids=str,
)
async def test_a_change_by_cookie_must_come_from_a_page_of_ours(
    here: World, headers: dict[str, str], status: int
) -> None:
    client = await here.registered()
    answer = await client.request("POST", "/change", headers={"x-csrf-token": client.cookies[CSRF], **headers})
    assert answer.status_code == status
    if status == REFUSED:
        assert answer.json()["error"]["code"] == "cross_site_request"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_every_changing_method_needs_the_token(here: World, method: str) -> None:
    client = await here.registered()
    answer = await client.request(method, f"{PREFIX}/sessions/{uuid4()}", headers={"origin": ORIGIN})
    # 405: there is no such route, and so nothing to protect.
    assert answer.status_code == (REFUSED if method == "DELETE" else 405)
    answer = await client.request(method, f"{PREFIX}/sessions/{uuid4()}", headers={"origin": EVIL})
    assert answer.status_code == REFUSED


async def test_the_header_must_equal_the_cookie_and_be_this_sessions(here: World) -> None:
    client, other = await here.registered(), here.client("Other")
    await other.log_in()
    own, others = client.cookies[CSRF], other.cookies[CSRF]
    kid, nonce, mac = own.split(".")
    for cookie, header in (
        (own, None),
        (None, own),
        (own, others),
        # Who can plant cookies (from a subdomain) plants a pair that fits, from a session of their own.
        (others, others),
        ("a.b.c", "a.b.c"),
        ("", ""),
        (f"{kid}.{nonce}.", f"{kid}.{nonce}."),
        (f"unknown.{nonce}.{mac}", f"unknown.{nonce}.{mac}"),
    ):
        cookies = f"{ACCESS}={client.cookies[ACCESS]}" + ("" if cookie is None else f"; {CSRF}={cookie}")
        headers = {"origin": ORIGIN, "cookie": cookies} | ({} if header is None else {"x-csrf-token": header})
        # A client without cookies of its own, so that the header is all there is.
        answer = await here.client().request("POST", "/change", headers=headers)
        assert answer.status_code == REFUSED, (cookie, header)
    assert (await client.request("POST", "/change", headers={"origin": ORIGIN, "x-csrf-token": own})).status_code == 200


async def test_reading_needs_no_token_from_anywhere(here: World) -> None:
    client = await here.registered()
    for headers in ({}, {"origin": EVIL}, {"sec-fetch-site": "cross-site"}):
        assert (await client.request("GET", f"{PREFIX}/me", headers=headers)).status_code == 200


async def test_a_bearer_needs_no_token_from_anywhere(here: World) -> None:
    await here.registered()
    token = (await here.client().log_in(delivery="body")).json()["access_token"]
    for headers in ({}, {"origin": EVIL}, {"sec-fetch-site": "cross-site"}):
        answer = await here.client().request("POST", "/change", headers={"authorization": f"Bearer {token}", **headers})
        assert answer.status_code == 200


async def test_refreshing_by_cookie_needs_the_token_and_uses_up_nothing_without(here: World) -> None:
    client = await here.registered()
    answer = await client.request("POST", f"{PREFIX}/refresh", headers={"origin": ORIGIN})
    assert (answer.status_code, answer.json()["error"]["code"]) == (REFUSED, "cross_site_request")
    assert (await client.post("/refresh")).status_code == 200


async def test_nobody_is_logged_in_by_another_sites_page(here: World) -> None:
    await here.registered()
    body = {"email": EMAIL, "password": PASSWORD}
    for headers in ({"origin": EVIL}, {"sec-fetch-site": "cross-site"}):
        answer = await here.client().request("POST", f"{PREFIX}/login", json=body, headers=headers)
        assert answer.status_code == REFUSED
    # What is no browser has no origin.
    assert (await here.client().request("POST", f"{PREFIX}/login", json=body)).status_code == 200


async def test_a_token_holds_over_a_rotation_of_the_keys(here: World) -> None:
    client = await here.registered()
    here.keys.value = json.dumps(rotated(json.loads(str(here.keys.value)), "new", b"n" * 32))
    await here.ring._read()
    assert (await client.call("GET", "/me")).status_code == 200
    assert (await client.post("/refresh")).status_code == 200
    assert client.cookies[CSRF].startswith("new.")


async def test_every_answer_has_the_security_headers(here: World) -> None:
    client = await here.registered()
    for answer in (
        await client.call("GET", "/me"),
        await client.call("GET", "/nothing"),
        await client.request("POST", "/change", headers={"origin": EVIL}),
        await here.client().request("OPTIONS", f"{PREFIX}/me"),
    ):
        assert SECURITY_HEADERS.items() <= dict(answer.headers).items(), answer.status_code


@pytest.mark.parametrize(
    ("headers", "reaches"),
    [
        ({"origin": ORIGIN, "cookie": f"{ACCESS}=x", "host": "example.com"}, True),
        ({"origin": EVIL, "cookie": f"{ACCESS}=x", "host": "example.com"}, False),
        ({"cookie": f"{ACCESS}=x", "host": "example.com"}, False),
        ({"origin": EVIL, "host": "example.com"}, False),
        ({"host": "example.com"}, True),
        ({"authorization": "Bearer x", "origin": EVIL, "host": "example.com"}, True),
    ],
    ids=str,
)
async def test_a_socket_by_cookie_is_opened_by_pages_of_ours_only(
    anyio_backend: str, headers: dict[str, str], reaches: bool
) -> None:
    reached, sent = [], []

    async def app(scope: Scope, *_: Any) -> None:
        reached.append(scope["type"])

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await Security(app, frozenset())({"type": "websocket", "headers": raw, "path": "/"}, receive, send)
    assert (reached, sent) == ((["websocket"], []) if reaches else ([], [{"type": "websocket.close", "code": 1008}]))


def test_the_application_and_the_cdn_add_the_same_headers() -> None:
    policy = cdn_policies._security_headers()
    transport: Any = policy.strict_transport_security
    parts = [f"max-age={transport.access_control_max_age_sec}"]
    parts += ["includeSubDomains"] * transport.include_subdomains + ["preload"] * transport.preload
    frames: Any = policy.frame_options
    referrers: Any = policy.referrer_policy
    own = {name: value for name, value in SECURITY_HEADERS.items() if name != "content-security-policy"}
    assert own == {
        "x-frame-options": frames.frame_option,
        "x-content-type-options": "nosniff" if policy.content_type_options else "",
        "referrer-policy": referrers.referrer_policy,
        "permissions-policy": cdn_policies._PERMISSIONS,
        "strict-transport-security": "; ".join(parts),
    }
