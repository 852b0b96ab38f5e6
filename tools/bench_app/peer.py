"""What the application's feed is compared with: Starlette and asyncpg, the same queries, and nothing else at all.

No login, limits, cache, row-level security or pooler; `PEER_DSN` says where the database is.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.api.cursors import DEFAULT_LIMIT
from app.api.posts import NEWEST, NEWEST_AFTER

CONNECTIONS = 8


async def _nothing(_: object) -> None:
    """Instead of the four statements that reset a session."""


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
    """The pool."""
    dsn = os.environ["PEER_DSN"]
    async with asyncpg.create_pool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS, reset=_nothing) as pool:
        yield {"pool": pool}


async def feed(request: Request) -> Response:
    """The newest posts."""
    return _answer(await request.state.pool.fetch(NEWEST, DEFAULT_LIMIT + 1))


async def after(request: Request) -> Response:
    """Those after one."""
    at, post = request.path_params["at"], request.path_params["post"]
    found = await request.state.pool.fetch(NEWEST_AFTER, DEFAULT_LIMIT + 1, datetime.fromisoformat(at), UUID(post))
    return _answer(found)


def _answer(rows: Sequence[asyncpg.Record]) -> Response:
    """As the application's, without its `meta`."""
    posts = [
        {
            "id": row["id"],
            "slug": row["slug"],
            "title": row["title"],
            "excerpt": row["excerpt"],
            "categories": row["categories"],
            "likes": row["likes"],
            "published_at": row["published_at"],
            "author": {"id": row["user_id"], "display_name": row["display_name"]},
        }
        for row in rows[:DEFAULT_LIMIT]
    ]
    # asyncpg's own UUID is a subclass, which orjson does not know.
    return Response(orjson.dumps({"data": posts}, default=str), media_type="application/json")


app = Starlette(routes=[Route("/feed", feed), Route("/feed/{at}/{post}", after)], lifespan=lifespan)
