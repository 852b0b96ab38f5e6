"""What the lifespan makes and every request finds as `request.state`; there are no globals."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from app.auth.service import Auth
from app.aws import Aws
from app.cache.store import Store
from app.cache.tiers import TieredCache
from app.data.database import Database
from app.limits.limiter import Limiter
from app.ops.drain import Drain
from app.ops.health import Readiness
from app.realtime.hub import Hub
from app.realtime.publisher import Publisher
from app.settings import Settings


class State(TypedDict):
    """Of one process. What is not required, the role that resizes images is without: it gets no secret.

    Attributes:
        settings: as read at its start.
        drain: whether it is stopping; whoever holds work open listens to it.
        readiness: what it knows of its dependencies.
        aws: clients of AWS' services.
        database: all shards.
        redis: the Redis that evicts nothing (`STATE_URL`): sessions, limits, revocations, presence.
        cache: reads through memory and the Redis that may forget (`CACHE_URL`).
        limiter: counts requests, in `redis`.
        auth: tokens, sessions and plans; only in roles that answer users.
        publisher: tells sockets, of whichever process; only in roles that answer users.
        hub: the sockets of this process; only in roles that have any.
    """

    settings: Settings
    drain: Drain
    readiness: Readiness
    aws: Aws
    database: NotRequired[Database]
    redis: NotRequired[Store]
    cache: NotRequired[TieredCache]
    limiter: NotRequired[Limiter]
    auth: NotRequired[Auth]
    publisher: NotRequired[Publisher]
    hub: NotRequired[Hub]
