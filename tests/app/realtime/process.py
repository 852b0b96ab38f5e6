"""One pod of the realtime role in a process of its own, without what is not about sockets: `python -m`, JSON, READY."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from starlette.middleware import Middleware

from app.auth.keys import KeyRing
from app.auth.middleware import Security
from app.auth.service import Auth
from app.auth.users import ShardedUsers
from app.data.database import Access, Database
from app.data.pools import Endpoint, Limits
from app.data.shards import Shards
from app.limits.limiter import Limiter
from app.ops import errors, logs, metrics
from app.ops.drain import Drain
from app.realtime.hub import SOCKETS_PER_USER, Hub
from app.realtime.publisher import Publisher
from app.realtime.routes import router
from app.realtime.server import UVICORN, closing_first, drop_unread
from tests.app.auth.world import SETTINGS, Keys, Product
from tests.app.data.conftest import shard_map
from tests.app.servers import APPLICATION
from tests.app.stores import opened


def database(port: int, name: str) -> Database:
    """As a pod has it."""
    endpoint = Endpoint(host="127.0.0.1", port=port, user=APPLICATION, password=None)
    limits = Limits(connections=5, wait_seconds=5, idle_seconds=30, recycle_seconds=300)
    access = Access(writer=endpoint, reader=endpoint, limits=limits, name="headroom-realtime")
    return Database(access, Shards(shard_map(name)))


def application(given: dict[str, Any]) -> FastAPI:
    """The routes, inside of the middleware that they count on."""
    drain = Drain()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            stack.enter_context(drain.on_sigterm())
            opening = opened(given["redis_url"], clustered=given["clustered"], budget_seconds=1)
            store = await stack.enter_async_context(opening)
            shards = await stack.enter_async_context(database(given["postgres_port"], given["database"]))
            auth = Auth(
                SETTINGS,
                await KeyRing.open(Keys().load),
                connections=shards,
                store=store,
                users=ShardedUsers(shards),
                plans=Product(),
            )
            stack.callback(auth.close)
            hub = Hub(
                store,
                Publisher(store),
                auth.revocations,
                capacity=given.get("capacity", 100),
                per_user=given.get("per_user", SOCKETS_PER_USER),
                recheck_seconds=given.get("recheck_seconds", 1),
            )
            await stack.enter_async_context(hub)
            stack.enter_context(closing_first(drain, hub, given.get("drain_seconds", 2)))
            yield {"hub": hub, "auth": auth, "database": shards, "limiter": Limiter(store)}

    app = FastAPI(
        lifespan=lifespan,
        middleware=[
            Middleware(errors.Errors, timeout_seconds=10),
            Middleware(Security, allowed_origins=SETTINGS.allowed_origins),
        ],
    )
    errors.install(app)
    app.include_router(router())

    @app.get("/metrics")
    async def page() -> PlainTextResponse:
        return PlainTextResponse(metrics.render())

    return app


def main() -> None:
    """Serve on an inherited or a given port until SIGTERM; the server's log goes to stderr."""
    given = json.loads(sys.argv[1])
    logs.configure(sys.stderr, role="realtime")
    listening = socket.create_server(("127.0.0.1", given["port"]), backlog=2048)
    drop_unread(listening)
    config = uvicorn.Config(
        application(given),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="on",
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=10,
        **UVICORN,
    )
    uvicorn.Server(config).run([listening])


if __name__ == "__main__":
    main()
