"""The parts of a process, put together from its settings: stores, who counts requests, who knows users."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Self

from starlette.requests import HTTPConnection
from starlette.types import Scope

from app.auth.dependencies import KNOWN, Known, credential
from app.auth.errors import NotAuthenticatedError
from app.auth.keys import KeyRing
from app.auth.plans import SubscriptionPlans
from app.auth.privileges import Tier, current_tier
from app.auth.revocation import Tell
from app.auth.service import Auth
from app.auth.settings import AuthSettings
from app.auth.users import ShardedUsers
from app.aws import Aws
from app.cache.store import BUDGET_SECONDS, LOST, REMOTE_BUDGET_SECONDS, Command, Store
from app.cache.store import Access as RedisAccess
from app.cache.tiers import TieredCache
from app.data.database import Access, Database
from app.data.shards import Shards
from app.limits.limiter import Limiter
from app.limits.policies import Identity
from app.ops import stores as metrics
from app.ops.health import Check
from app.settings import Settings

TIER_SECONDS = 0.5
"""A request waits so long for its user's quota; without an answer it is the free one."""


class RedisAwayError(Exception):
    """The Redis with sessions and limits does not answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stores:
    """What keeps data, of one process.

    Attributes:
        database: all shards.
        redis: evicts nothing (`STATE_URL`).
        caches: may forget: the region's own, and the one that takes writes, where it is another.
        cache: reads through memory and both.
        limiter: counts in `redis`.
        events: hears what cache and limiter tell.
    """

    database: Database
    redis: Store
    caches: tuple[Store, ...]
    cache: TieredCache
    limiter: Limiter
    events: metrics.Measured

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the stack says; nothing is connected yet."""
        events = metrics.Measured()
        redis = Store(redis_access(settings, settings.state_url), events, BUDGET_SECONDS)
        near = far = Store(redis_access(settings, settings.cache_url), events, BUDGET_SECONDS)
        if settings.cache_writer_url != settings.cache_url:
            budget = BUDGET_SECONDS if settings.aws_region == settings.home_region else REMOTE_BUDGET_SECONDS
            far = Store(redis_access(settings, settings.cache_writer_url), events, budget)
        return cls(
            database=Database(Access.of(settings), Shards(settings.shard_map)),
            redis=redis,
            caches=(near,) if near is far else (near, far),
            cache=TieredCache(near, far, events),
            limiter=Limiter(redis),
            events=events,
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Connect, as far as they are there: without Redis a process serves, only slower."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.database)
            await stack.enter_async_context(metrics.watched(self.database))
            for store in (self.redis, *self.caches):
                stack.push_async_callback(store.close)
            await asyncio.gather(*(store.open() for store in (self.redis, *self.caches)))
            self.cache.start()
            stack.push_async_callback(self.cache.close)
            yield

    def redis_check(self) -> Check:
        """That the Redis with sessions and limits answers; not required, as everything works without it."""

        async def run() -> None:
            if not self.redis.is_up or LOST in await self.redis.run([Command("", ("PING",))]):
                raise RedisAwayError

        return Check(name="redis", run=run)


def redis_access(settings: Settings, url: str) -> RedisAccess:
    """Valkey of the stacks is a cluster with TLS and a user; what speaks no TLS is one's own machine's.

    There the password stays at home: anybody could read it on the way.
    """
    if not url.startswith("rediss://"):
        return RedisAccess(url=url, clustered=False)
    password = settings.cache_password
    return RedisAccess(
        url=url,
        clustered=True,
        user=settings.cache_user,
        password=password.get_secret_value() if password else None,
    )


@asynccontextmanager
async def authentication(settings: Settings, stores: Stores, aws: Aws, tell: Tell | None = None) -> AsyncIterator[Auth]:
    """What knows users, with the signing keys read for the first time; `tell` hears of sessions that ended.

    Raises:
        Exception: the keys cannot be read; a process without them starts in vain, and is started again.
    """

    async def load() -> str:
        if settings.signing_keys is not None:
            return settings.signing_keys.get_secret_value()
        client = await aws.client("secretsmanager")
        answer = await client.get_secret_value(SecretId=settings.signing_keys_arn)
        return str(answer["SecretString"])

    auth = Auth(
        auth_settings(settings),
        await KeyRing.open(load),
        connections=stores.database,
        store=stores.redis,
        users=ShardedUsers(stores.database),
        plans=SubscriptionPlans(stores.database, stores.cache),
        tell=tell,
    )
    try:
        yield auth
    finally:
        auth.close()


def auth_settings(settings: Settings) -> AuthSettings:
    """Tokens are for all names of the product, since every role and region checks them."""
    return AuthSettings(
        issuer=f"https://{settings.domain}",
        audience=f"https://api.{settings.domain}",
        allowed_origins=own_origins(settings),
        second_factor_key=settings.deployment_key,
    )


def own_origins(settings: Settings) -> frozenset[str]:
    """Sites whose pages may call the API: the product's own, and those that the stack names."""
    domain = settings.domain
    return frozenset({f"https://{domain}", f"https://www.{domain}", *settings.allowed_origins})


async def identify(scope: Scope) -> Identity | None:
    """Who asks, for the limits; None without a token that holds. Whether its session ended is the route's to ask."""
    auth: Auth | None = scope.get("state", {}).get("auth")
    found = credential(HTTPConnection(scope)) if auth else None
    if auth is None or found is None:
        return None
    try:
        claims = await auth.tokens.verify_access(found.token)
    except NotAuthenticatedError:
        return None
    scope[KNOWN] = Known(claims, auth.revocations.ask(claims.session_id))
    try:
        async with asyncio.timeout(TIER_SECONDS):
            tier = await current_tier(auth.plans, claims.user_id)
    except TimeoutError:
        tier = Tier.FREE
    return Identity(str(claims.user_id), tier)
