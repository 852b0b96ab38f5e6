"""The parts together: what a process serves, to whom, and what of it stays when others are away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import psycopg
import pytest
from starlette.types import ASGIApp

from app.cache.kinds import PRIVILEGES
from app.settings import Settings
from tests.app.environment import SIGNING_KEYS, settings
from tests.app.servers import Postgres, Redis
from tests.app.stores import caching
from tests.app.wired import ORIGIN, Browser, at, wired
from tests.moto_server import moto_server

pytestmark = pytest.mark.anyio

EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
AUTH = "/api/v1/auth"


@pytest.fixture
def given(tmp_path: Path, postgres: Postgres, database: str, redis_url: str) -> Settings:
    return settings(tmp_path, **at(postgres, database, redis_url))


@asynccontextmanager
async def logged_in(app: ASGIApp) -> AsyncIterator[Browser]:
    account = {"email": EMAIL, "password": PASSWORD}
    async with Browser(app) as browser:
        assert (await browser.post(f"{AUTH}/register", account)).status_code == 202
        assert (await browser.post(f"{AUTH}/login", account)).status_code == 200
        yield browser


async def test_somebody_registers_logs_in_and_out(given: Settings) -> None:
    async with wired(given) as app, logged_in(app) as browser:
        me = await browser.get(f"{AUTH}/me")
        assert me.status_code == 200
        assert me.json()["tier"] == 0
        assert me.headers["cache-control"] == "private, no-store"
        assert me.headers["x-frame-options"] == "DENY"
        # Identified by the cookie: a user's ceiling, not an address's.
        assert me.headers["ratelimit-policy"] == '"burst";q=1000;w=60'
        assert (await browser.post(f"{AUTH}/logout")).status_code == 200
        assert (await browser.get(f"{AUTH}/me")).status_code == 401


async def test_a_page_of_another_site_changes_nothing(given: Settings) -> None:
    async with wired(given) as app, logged_in(app) as browser:
        refused = await browser.post(f"{AUTH}/logout", origin="https://evil.example")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "cross_site_request")
        assert (await browser.get(f"{AUTH}/me")).status_code == 200


async def test_guessing_is_stopped_by_address(given: Settings) -> None:
    async with wired(given) as app, Browser(app) as guesser, Browser(app, "192.0.2.2") as other:
        guess = {"email": EMAIL, "password": "wrong wrong wrong"}
        codes = [(await guesser.post(f"{AUTH}/login", guess)).status_code for _ in range(6)]
        assert codes == [401] * 5 + [429]
        assert (await other.post(f"{AUTH}/login", {**guess, "email": "eve@example.com"})).status_code == 401


async def test_a_plan_counts_from_the_moment_that_another_process_wrote_it(
    given: Settings, postgres: Postgres, database: str, redis_url: str
) -> None:
    async with wired(given) as app, logged_in(app) as browser, caching(redis_url, budget_seconds=1) as other:

        async def policy() -> str:
            return (await browser.get(f"{AUTH}/sessions")).headers["ratelimit-policy"]

        assert await policy() == '"quota-300";q=300;w=900'
        user_id = (await browser.get(f"{AUTH}/me")).json()["user_id"]
        with psycopg.connect(postgres.url(database)) as connection:
            connection.execute(
                "INSERT INTO subscriptions (user_id, tier, status, expires_at) VALUES (%s, 4, 'active', %s)",
                (user_id, datetime.now(UTC) + timedelta(seconds=3)),
            )
        assert await policy() == '"quota-300";q=300;w=900'
        assert await other.invalidate(PRIVILEGES, user_id)
        await asyncio.sleep(0.5)
        assert (await browser.get(f"{AUTH}/me")).json()["tier"] == 4
        assert await policy() == '"quota-500";q=500;w=900'
        await asyncio.sleep(3)
        assert await policy() == '"quota-300";q=300;w=900'


async def test_without_redis_users_are_served_and_nobody_new_logs_in(
    tmp_path: Path, postgres: Postgres, database: str, redis_server: Redis
) -> None:
    given = settings(tmp_path, **at(postgres, database, redis_server.url))
    async with wired(given) as app, logged_in(app) as browser:
        redis_server.kill()
        assert (await browser.get(f"{AUTH}/me")).status_code == 200
        login = await browser.post(f"{AUTH}/login", {"email": EMAIL, "password": PASSWORD})
        assert (login.status_code, login.json()["error"]["code"]) == (503, "limits_unavailable")


async def test_a_process_starts_while_redis_is_away(
    tmp_path: Path, postgres: Postgres, database: str, redis_server: Redis
) -> None:
    redis_server.kill()
    given = settings(tmp_path, **at(postgres, database, redis_server.url))
    async with wired(given) as app, Browser(app) as browser:
        assert (await browser.get("/health")).status_code == 200
        assert (await browser.get("/nowhere")).status_code == 404


async def test_a_page_of_an_allowed_origin_may_read_answers_and_no_other(given: Settings) -> None:
    async with wired(given) as app, Browser(app) as browser:

        async def allowed(origin: str, method: str = "GET") -> str | None:
            asks = {"origin": origin, "access-control-request-method": method}
            answer = await browser.options(f"{AUTH}/me", headers=asks)
            found: str | None = answer.headers.get("access-control-allow-origin")
            return found

        for origin in (ORIGIN, "https://www.example.com", "https://app.example.com"):
            assert await allowed(origin) == origin
        assert await allowed("https://evil.example") is None
        answer = await browser.get(f"{AUTH}/me", headers={"origin": "https://app.example.com"})
        assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
        assert answer.headers["access-control-allow-credentials"] == "true"


async def test_other_roles_have_no_login(tmp_path: Path, postgres: Postgres, database: str, redis_url: str) -> None:
    for role, status in (("auth", 401), ("leads", 404), ("worker", 404), ("images", 404)):
        given = settings(tmp_path, **at(postgres, database, redis_url), SERVICE_ROLE=role)
        async with wired(given) as app, Browser(app) as browser:
            assert (await browser.get(f"{AUTH}/me")).status_code == status, role


@pytest.fixture
def secrets_manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with moto_server() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        yield url


async def test_the_keys_that_sign_come_from_aws(
    tmp_path: Path, postgres: Postgres, database: str, redis_url: str, secrets_manager: str
) -> None:
    client = boto3.client("secretsmanager", region_name="us-east-1", endpoint_url=secrets_manager)
    arn = client.create_secret(Name="signing", SecretString=SIGNING_KEYS)["ARN"]
    given = settings(tmp_path, **at(postgres, database, redis_url), SIGNING_KEYS_ARN=arn)
    given = given.model_copy(update={"signing_keys": None})
    async with wired(given) as app, logged_in(app) as browser:
        assert (await browser.get(f"{AUTH}/me")).status_code == 200
    with pytest.raises(Exception, match="ResourceNotFoundException"):
        async with wired(given.model_copy(update={"signing_keys_arn": arn + "x"})):
            pass


async def test_metrics_tell_of_caches_limits_and_pools(given: Settings) -> None:
    async with wired(given) as app, logged_in(app) as browser:
        page = (await browser.get("/metrics")).text
    for line in (
        'database_pool_connections{pool="writer",state="busy"}',
        'database_pool_utilisation_ratio{pool="reader"} 0',
        'cache_lookups_total{kind="privileges",tier="DB"}',
        'rate_limit_decisions_total{policy="auth",outcome="allowed"}',
    ):
        assert line in page
    assert EMAIL not in page
