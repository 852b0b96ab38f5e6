"""What the routes work with: the process's parts, and a user's own rows as that user left them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from starlette.requests import Request

from app.api.bookmarks import Bookmarks
from app.auth.dependencies import current_user
from app.auth.tokens import AccessClaims
from app.cache.store import Store, command
from app.cache.tiers import TieredCache
from app.data.connection import Reading, Writing
from app.data.database import Database
from app.data.replicas import Bookmark
from app.limits.limiter import Limiter
from app.realtime.publisher import Publisher
from app.settings import Settings
from app.worker.jobs import enqueue

ACTIONS_SECONDS = 30 * 86_400
"""Daily counters of what users do are kept so long."""

User = Annotated[AccessClaims, Depends(current_user)]


class Here:
    """The parts of the process, from its lifespan."""

    def __init__(self, request: Request) -> None:
        """Read the request's state."""
        state: dict[str, Any] = request.scope["state"]
        self.settings: Settings = state["settings"]
        self.database: Database = state["database"]
        self.cache: TieredCache = state["cache"]
        self.redis: Store = state["redis"]
        self.limiter: Limiter = state["limiter"]
        self.publisher: Publisher = state["publisher"]

    @cached_property
    def bookmarks(self) -> Bookmarks:
        """Where replicas must be before they are read."""
        return Bookmarks(self.redis, self.database.shards)

    async def count(self, action: str) -> None:
        """Note that somebody did something, in today's counters (UTC); a hash a day, a field an action."""
        key = f"user_actions:{datetime.now(UTC):%Y-%m-%d}"
        await self.redis.run([command("HINCRBY", key, action, 1), command("EXPIRE", key, ACTIONS_SECONDS)])


async def _here(request: Request) -> Here:
    return Here(request)


TheHere = Annotated[Here, Depends(_here)]


class Own:
    """A user's rows: what the user has just written is read again, whichever server answers."""

    def __init__(self, here: TheHere, user: User) -> None:
        """Of the user who asks."""
        self.here, self.user_id = here, user.user_id

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[Reading]:
        """A read-only transaction, not before the user's last write."""
        after = await self.here.bookmarks.of(str(self.user_id))
        async with self.here.database.reader(self.user_id, after=after) as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def writing(self, *subjects: str) -> AsyncIterator[Writing]:
        """A transaction that is committed at the end; also noted as the newest of these subjects."""
        bookmark = Bookmark()
        async with self.here.database.writer(self.user_id, bookmark=bookmark) as connection:
            yield connection
        await self.here.bookmarks.note(bookmark, [str(self.user_id), *subjects])


async def _own(here: TheHere, user: User) -> Own:
    return Own(here, user)


TheOwn = Annotated[Own, Depends(_own)]


def endpoint(request: Request) -> str:
    """Method and path without what follows `?`, such as `POST /api/v1/leads`: what an idempotency key belongs to."""
    return f"{request.method} {request.url.path}"


async def index_later(writing: Writing, settings: Settings, user_id: UUID, kind: str, row_id: UUID) -> None:
    """Have a row indexed, or forgotten, once the transaction is committed: the job reads what there is by then."""
    if settings.search_endpoint is not None:
        await enqueue(writing, "search-index", user_id, {"kind": kind, "id": str(row_id)})
