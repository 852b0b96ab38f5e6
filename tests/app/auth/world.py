"""The application's authentication on real servers, with clients as browsers and apps are."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from http.cookies import SimpleCookie
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import httpx
import pyotp
from fastapi import Depends, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app.auth.cookies import CSRF
from app.auth.dependencies import current_user, require_tier
from app.auth.keys import KeyRing
from app.auth.middleware import Security
from app.auth.privileges import Plan, Tier
from app.auth.routes import router
from app.auth.service import Auth
from app.auth.settings import AuthSettings
from app.auth.tokens import AccessClaims
from app.data.connection import Writing
from app.ops import errors
from tests.app.stores import opened

ORIGIN = "https://example.com"
EMAIL = "ada@example.com"
PASSWORD = "correct horse battery"
PREFIX = "/api/v1/auth"

SETTINGS = AuthSettings(
    issuer=ORIGIN,
    audience="https://api.example.com",
    allowed_origins=frozenset({"https://www.example.com"}),
    second_factor_key=b"k" * 32,
    argon2_memory_kib=64,
    argon2_passes=1,
)
"""With hashes that cost nothing: what they cost is not what most tests are about."""


def secret(*kids: str, active: str | None = None) -> str:
    """The signing keys as the stack keeps them; the first is active."""
    keys = {kid: base64.b64encode(kid.encode().ljust(32, b".")).decode() for kid in kids}
    return json.dumps({"active": active or kids[0], "keys": keys})


class Keys:
    """The secret, which a test may rotate or take away."""

    def __init__(self) -> None:
        self.value: str | Exception = secret("initial")
        self.reads = 0

    async def load(self) -> str:
        self.reads += 1
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


class Database:
    """What `app.data` gives, as far as authentication needs it; `is_down` makes it refuse."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.is_down = False
        self.transactions = 0

    @asynccontextmanager
    async def system_writer(self) -> AsyncIterator[Writing]:
        if self.is_down:
            raise ConnectionRefusedError
        self.transactions += 1
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT set_config('role', 'headroom_system', true)")
            yield connection


class Product:
    """The product's users and what they paid for."""

    def __init__(self) -> None:
        self.users: dict[UUID, str] = {}
        self.plans: dict[UUID, Plan] = {}
        self.is_down = False

    async def ensure(self, user_id: UUID, email: str) -> None:
        self.users[user_id] = email

    async def plan(self, user_id: UUID) -> Plan:
        if self.is_down:
            raise ConnectionRefusedError
        return self.plans.get(user_id, Plan(Tier.FREE, None))


class Client(httpx.AsyncClient):
    """A browser on the product's page, or with `bearer` an app."""

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Ask as the product's own page does: origin and CSRF token are there."""
        own = {"origin": ORIGIN}
        if csrf := self.cookies.get(CSRF):
            own["x-csrf-token"] = csrf
        return await self.request(method, PREFIX + path, json=body, headers={**own, **headers})

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:  # type: ignore[override]
        return await self.call("POST", path, body, **headers)

    async def log_in(self, **more: Any) -> httpx.Response:
        return await self.post("/login", {"email": EMAIL, "password": PASSWORD, **more})


class World:
    """One process, its servers, and any number of clients."""

    def __init__(self, auth: Auth, keys: Keys, ring: KeyRing, database: Database, product: Product) -> None:
        self.auth, self.keys, self.ring, self.database, self.product = auth, keys, ring, database, product
        self._app = application(auth)
        self._clients: list[Client] = []

    def client(self, user_agent: str = "Browser", address: str = "192.0.2.1") -> Client:
        """Somebody new; cookies are kept, and go over TLS only."""
        client = Client(
            transport=httpx.ASGITransport(self._app, raise_app_exceptions=False, client=(address, 0)),
            base_url=ORIGIN,
            headers={"user-agent": user_agent},
        )
        self._clients.append(client)
        return client

    async def registered(self, **login: Any) -> Client:
        """A browser that is logged in to a new account."""
        client = self.client()
        assert (await client.post("/register", {"email": EMAIL, "password": PASSWORD})).status_code == 202
        assert (await client.log_in(**login)).status_code == 200
        return client

    async def enrolled(self, client: Client) -> tuple[pyotp.TOTP, list[str]]:
        """A second factor for the client's user: the app, and the backup codes. The app's present code is used."""
        answer = await client.post("/second-factor", {"password": PASSWORD})
        app = pyotp.TOTP(answer.json()["secret"])
        codes = (await client.post("/second-factor/confirm", {"code": app.now()})).json()["backup_codes"]
        return app, codes

    async def execute(self, query: str, *arguments: object) -> Any:
        """Look or change behind the application's back; the first value."""
        async with self.database.system_writer() as connection:
            return await connection.fetchval(query, *arguments)

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()


def application(auth: Auth) -> ASGIApp:
    """The routes, and some of a product, inside of the middleware as the process has it."""
    app = FastAPI()
    errors.install(app)
    app.include_router(router)

    @app.post("/change")
    async def change(_: Annotated[AccessClaims, Depends(current_user)]) -> str:
        return "changed"

    @app.get("/plus")
    async def plus(_: Annotated[AccessClaims, Depends(require_tier(Tier.PLUS))]) -> str:
        return "plus"

    secured = errors.Errors(Security(app, SETTINGS.allowed_origins), timeout_seconds=30)

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        await secured({**scope, "state": {"auth": auth}}, receive, send)

    return with_state


@asynccontextmanager
async def world(database_url: str, redis_url: str, *, clustered: bool = False, **settings: Any) -> AsyncIterator[World]:
    """Everything, closed afterwards; `settings` differ from `SETTINGS`."""
    keys, product = Keys(), Product()
    ring = await KeyRing.open(keys.load)
    async with (
        asyncpg.create_pool(database_url, min_size=1, max_size=25) as pool,
        opened(redis_url, clustered=clustered, budget_seconds=1) as store,
    ):
        database = Database(pool)
        auth = Auth(
            replace(SETTINGS, **settings), ring, connections=database, store=store, users=product, plans=product
        )
        made = World(auth, keys, ring, database, product)
        try:
            yield made
        finally:
            await made.close()
            auth.close()


def cookie(answer: httpx.Response, name: str) -> SimpleCookie:
    """One cookie of an answer, with its attributes."""
    found = [line for line in answer.headers.get_list("set-cookie") if line.startswith(f"{name}=")]
    assert len(found) == 1, name
    return SimpleCookie(found[0])
