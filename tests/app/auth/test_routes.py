from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from app.auth.cookies import ACCESS, CSRF, REFRESH
from app.auth.privileges import Plan, Tier
from app.auth.routes import router
from tests.app.auth.world import EMAIL, ORIGIN, PASSWORD, PREFIX, World, cookie

pytestmark = pytest.mark.anyio


async def test_a_browser_registers_logs_in_and_sees_itself(here: World) -> None:
    client = await here.registered()
    me = await client.call("GET", "/me")
    assert me.status_code == 200
    assert me.json() | {"user_id": None} == {
        "user_id": None,
        "email": EMAIL,
        "tier": 0,
        "second_factor": False,
        "second_factor_required": False,
    }
    assert here.product.users == {UUID(me.json()["user_id"]): EMAIL}
    assert me.headers["cache-control"] == "private, no-store"


async def test_the_tokens_are_in_cookies_that_scripts_cannot_read_and_not_in_the_answer(here: World) -> None:
    client = await here.registered()
    answer = await client.log_in()
    assert answer.json() == {"second_factor_needed": False, "expires_in_seconds": 900}
    access, refresh, csrf = (cookie(answer, name)[name] for name in (ACCESS, REFRESH, CSRF))
    assert (access["httponly"], access["secure"], access["samesite"], access["path"]) == (True, True, "lax", "/")
    assert (refresh["httponly"], refresh["secure"], refresh["samesite"]) == (True, True, "strict")
    assert refresh["path"] == PREFIX
    assert (csrf["httponly"], csrf["secure"], csrf["path"]) == ("", True, "/")
    assert (access["max-age"], refresh["max-age"]) == ("900", "1800")


async def test_an_app_gets_its_tokens_in_the_answer_and_needs_no_csrf_token(here: World) -> None:
    await here.registered()
    app = here.client("App")
    tokens = (await app.log_in(delivery="body", remember=True)).json()
    assert tokens["refresh_expires_in_seconds"] == 30 * 24 * 3600
    assert not app.cookies
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    assert (await app.request("POST", "/change", headers=bearer)).json() == "changed"
    again = await app.request("POST", f"{PREFIX}/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert again.status_code == 200
    assert again.json()["refresh_token"] != tokens["refresh_token"]


async def test_no_answer_with_tokens_may_be_stored(here: World) -> None:
    await here.registered()
    answer = await here.client().log_in(delivery="body")
    assert "no-store" in answer.headers["cache-control"]


async def test_a_broken_header_is_not_made_good_by_a_cookie(here: World) -> None:
    client = await here.registered()
    for value in ("Bearer x", "Bearer", "Basic YTpi", ""):
        answer = await client.call("GET", "/me", authorization=value)
        assert answer.status_code == 401, value
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_refresh_cookie_is_not_taken_beside_a_header_that_skips_the_csrf_check(here: World) -> None:
    client = await here.registered()
    answer = await client.request("POST", f"{PREFIX}/refresh", headers={"authorization": "Bearer x"})
    assert answer.status_code == 401


async def test_logging_out_ends_the_session_at_once_and_takes_the_cookies_back(here: World) -> None:
    client, thief = await here.registered(), here.client()
    thief.cookies.update(client.cookies)
    assert (await client.post("/logout")).json() == {"ended": 1}
    assert not client.cookies
    assert (await thief.call("GET", "/me")).status_code == 401
    assert (await thief.post("/refresh")).status_code == 401


async def test_logging_out_everywhere_ends_all_of_the_users_sessions_and_nobody_elses(here: World) -> None:
    client, phone, other = await here.registered(), here.client("Phone"), here.client("Other")
    await phone.log_in()
    await other.post("/register", {"email": "grace@example.com", "password": PASSWORD})
    await other.post("/login", {"email": "grace@example.com", "password": PASSWORD})
    assert (await client.post("/logout-everywhere")).json() == {"ended": 2}
    assert [(await one.call("GET", "/me")).status_code for one in (phone, other)] == [401, 200]


async def test_a_user_sees_their_devices_and_ends_one_of_them(here: World) -> None:
    client, phone = await here.registered(), here.client("Phone")
    await phone.log_in()
    sessions = (await client.call("GET", "/sessions")).json()["sessions"]
    assert [(one["user_agent"], one["current"]) for one in sessions] == [("Phone", False), ("Browser", True)]
    ended = await client.call("DELETE", f"/sessions/{sessions[0]['session_id']}")
    assert ended.json() == {"ended": 1}
    assert (await phone.call("GET", "/me")).status_code == 401
    assert len((await client.call("GET", "/sessions")).json()["sessions"]) == 1


async def test_nobody_ends_a_strangers_session(here: World) -> None:
    client, other = await here.registered(), here.client()
    await other.post("/register", {"email": "grace@example.com", "password": PASSWORD})
    await other.post("/login", {"email": "grace@example.com", "password": PASSWORD})
    session_id = (await client.call("GET", "/sessions")).json()["sessions"][0]["session_id"]
    for unknown in (session_id, str(uuid4())):
        answer = await other.call("DELETE", f"/sessions/{unknown}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_session")
    assert (await client.call("GET", "/me")).status_code == 200


async def test_the_sixth_device_logs_the_oldest_out(here: World) -> None:
    first = await here.registered()
    others = [here.client(f"Device {number}") for number in range(5)]
    for one in others:
        await one.log_in()
    assert (await first.call("GET", "/me")).status_code == 401
    assert [(await one.call("GET", "/me")).status_code for one in others] == [200] * 5


async def test_twenty_logins_at_once_leave_five_devices(here: World) -> None:
    await here.registered()
    # Each from an address of its own, or the limit of guesses stops them.
    clients = [here.client(address=f"192.0.2.{number}") for number in range(10, 30)]
    answers = await asyncio.gather(*(client.log_in() for client in clients))
    assert {answer.status_code for answer in answers} == {200}
    alive = [(await client.call("GET", "/me")).status_code for client in clients]
    assert sorted(alive) == [200] * 5 + [401] * 15
    assert await here.execute("SELECT count(*) FROM auth_sessions WHERE revoked_at IS NULL") == 5
    assert await here.execute("SELECT count(*) FROM auth_sessions") == 21


async def test_a_session_that_is_not_used_is_no_device(here: World) -> None:
    first = await here.registered()
    await here.execute("UPDATE auth_sessions SET used_at = now() - interval '31 minutes'")
    assert (await first.call("GET", "/sessions")).json()["sessions"] == []


@pytest.mark.parametrize(
    ("plan", "status"),
    [
        (None, 402),
        (Plan(Tier.PLUS, None), 200),
        (Plan(Tier.TIER_5, datetime.now(UTC) + timedelta(days=1)), 200),
        (Plan(Tier.TIER_5, datetime.now(UTC) - timedelta(seconds=1)), 402),
    ],
)
async def test_a_paid_feature_asks_for_the_tier_of_now(here: World, plan: Plan | None, status: int) -> None:
    client = await here.registered()
    if plan is not None:
        here.product.plans[await _user(here)] = plan
    assert (await client.get("/plus")).status_code == status


async def test_without_an_answer_about_the_plan_everybody_has_the_free_one(here: World) -> None:
    client = await here.registered()
    here.product.plans[await _user(here)] = Plan(Tier.PLUS, None)
    here.product.is_down = True
    assert (await client.get("/plus")).status_code == 402
    assert (await client.call("GET", "/me")).json()["tier"] == 0


@pytest.mark.parametrize(
    ("plan", "tier", "where"),
    [
        (Plan(Tier.PLUS, None), "1", "/reports/weekly"),
        (Plan(Tier.PLUS, None), "2", "/pricing?for=%2Freports%2Fweekly"),
        (Plan(Tier.PLUS, datetime(2026, 1, 1, tzinfo=UTC)), "1", "/pricing?for=%2Freports%2Fweekly"),
        (None, "1", "/pricing?for=%2Freports%2Fweekly"),
    ],
)
async def test_a_link_to_a_paid_page_leads_there_or_to_the_plans(
    here: World, plan: Plan | None, tier: str, where: str
) -> None:
    client = await here.registered()
    if plan is not None:
        here.product.plans[await _user(here)] = plan
    answer = await client.call("GET", f"/paywall?to=/reports/weekly&tier={tier}")
    assert (answer.status_code, answer.headers["location"]) == (303, ORIGIN + where)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("to", ["https://evil.example", "//evil.example", "/\\evil.example", "/%0d%0aa", "", "reports"])
async def test_no_link_leads_to_another_site(here: World, to: str) -> None:
    client = await here.registered()
    assert (await client.call("GET", f"/paywall?to={to}")).status_code == 422


async def test_who_has_no_token_gets_nothing(here: World) -> None:
    client = here.client()
    for method, path in (
        ("GET", "/me"),
        ("GET", "/sessions"),
        ("DELETE", f"/sessions/{uuid4()}"),
        ("POST", "/logout"),
        ("POST", "/logout-everywhere"),
        ("POST", "/refresh"),
    ):
        answer = await client.call(method, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized"), path


async def test_every_route_but_those_of_logging_in_needs_a_token(here: World) -> None:
    bodies = {"/second-factor": {"password": "x"}}
    for route in router.routes:
        path, methods = route.path, route.methods  # type: ignore[attr-defined]
        relative = path.removeprefix(PREFIX).replace("{session_id}", str(uuid4()))
        if relative in {"/register", "/login", "/login/second-factor"}:
            continue
        for method in methods:
            answer = await here.client().call(method, relative, bodies.get(relative, {"code": "123456"}))
            assert answer.status_code in {401, 422}, relative
            if relative != "/refresh":
                assert answer.status_code == 401, relative


async def test_a_disabled_account_neither_logs_in_nor_refreshes(here: World) -> None:
    client = await here.registered()
    await here.execute("UPDATE auth_accounts SET disabled_at = now()")
    assert (await here.client().log_in()).json()["error"]["code"] == "invalid_credentials"
    assert (await client.post("/refresh")).status_code == 401
    assert (await client.call("GET", "/me")).status_code == 401


async def test_what_the_models_do_not_know_is_refused(here: World) -> None:
    answer = await here.client().log_in(admin=True)
    assert (answer.status_code, answer.json()["error"]["fields"][0]["rule"]) == (422, "extra_forbidden")


@pytest.mark.parametrize(
    ("email", "password", "rule"),
    [
        ("ada", PASSWORD, "value_error"),
        ("ada@localhost", PASSWORD, "value_error"),
        ("ada@example.com", "short", "password_length"),
        ("ada@example.com", "abababababab", "password_too_few_characters"),
        ("lovelace@example.com", "My-Lovelace-1", "password_has_email"),
    ],
)
async def test_a_registration_that_is_refused_names_the_rule(here: World, email: str, password: str, rule: str) -> None:
    answer = await here.client().post("/register", {"email": email, "password": password})
    assert (answer.status_code, answer.json()["error"]["fields"][0]["rule"]) == (422, rule)
    assert password not in answer.text


async def _user(here: World) -> UUID:
    found: UUID = await here.execute("SELECT user_id FROM auth_accounts WHERE email = $1", EMAIL)
    return found
