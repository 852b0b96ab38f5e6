"""The application of one process, by role, and how a container starts it."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
import uvicorn
from anyio import to_thread
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from app.assembly import Stores, authentication, identify, own_origins
from app.auth.csrf import CSRF_HEADER
from app.auth.middleware import Security
from app.aws import Aws
from app.data.database import Database
from app.data.errors import UnavailableError, UncertainError
from app.data.schema import is_ready
from app.limits.middleware import Limits
from app.limits.routes import RouteTable
from app.observers import Observers
from app.ops import errors, logs, loop
from app.ops.bodies import REFUSAL, Bodies, TooLargeError
from app.ops.drain import Drain
from app.ops.health import Check, Readiness
from app.ops.metrics import Pages, render
from app.ops.requests import Requests
from app.ops.routes import operations
from app.realtime.hub import Hub
from app.realtime.publisher import Publisher
from app.realtime.server import UVICORN, closing_first, drop_unread
from app.roles import has_sockets, include, limits
from app.settings import WITHOUT_SECRETS, MigrationSettings, Settings, SettingsError, UpkeepSettings, read
from app.state import State
from app.worker.service import RELAYING_ROLE, working

log = structlog.get_logger()

GARBAGE_OBJECTS = 10_000
"""A request leaves a thousand objects, nearly all without cycles; the default looks for these after every 700."""
FAILED = 1
BAD_SETTINGS = 2
WORKER_ANSWER_SECONDS = 30
"""A process that does not answer its parent for so long is killed. The server's default of 5 s hits busy ones
(https://github.com/encode/uvicorn/discussions/2506)."""


REQUEST_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", CSRF_HEADER)
RESPONSE_HEADERS = ("ETag", "Idempotency-Replayed", "Location", "Retry-After", "X-Cache", "X-Request-ID")
"""What pages of the other allowed origins may send and read, beside what browsers always let them."""
WITHOUT_USERS = frozenset({"worker", WITHOUT_SECRETS})
"""The roles that nobody logs in to: they have no right to read the keys that sign."""
MEANINGS: errors.Meanings = {
    UnavailableError: lambda error: errors.AppError(
        503, error.code, "Try again later.", {"Retry-After": str(error.retry_after_seconds)}
    ),
    TooLargeError: lambda _: REFUSAL,
    UncertainError: lambda _: errors.AppError(
        503, "outcome_unknown", "It may have been done or not: try again with the same idempotency key."
    ),
}
"""What a client hears of the troubles of parts that know no HTTP."""


class SchemaBehindError(Exception):
    """A database has an older schema than this image needs."""


def create_app(settings: Settings, *, pages: Pages | None = None) -> FastAPI:
    """The ASGI application of `settings.service_role`.

    Args:
        settings: of the process.
        pages: the metrics of all processes; without, only this one's are served.
    """
    drain = Drain()
    stores = None if settings.service_role == WITHOUT_SECRETS else Stores.of(settings)
    readiness = Readiness(drain, [schema_check(stores.database, settings), stores.redis_check()] if stores else [])
    observers = Observers.of(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        to_thread.current_default_thread_limiter().total_tokens = settings.web_threads
        async with AsyncExitStack() as stack:
            stack.enter_context(drain.on_sigterm())
            await stack.enter_async_context(observers.sending())
            await stack.enter_async_context(loop.watched(pages.write if pages else None))
            aws = await stack.enter_async_context(Aws(settings.aws_region))
            state = State(settings=settings, drain=drain, readiness=readiness, aws=aws)
            if stores:
                await stack.enter_async_context(stores.opened())
                state["database"], state["redis"] = stores.database, stores.redis
                state["cache"], state["limiter"] = stores.cache, stores.limiter
                await enter(state, stack, stores)
            await stack.enter_async_context(readiness.watching())
            log.info("started", process=os.getpid())
            yield state
            log.info("stopping", process=os.getpid())

    app = FastAPI(
        title="Headroom",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # `Tracing` and `Requests` measure; the framework's own would do so once more, and asks at every request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        middleware=middleware(settings, stores, observers),
        generate_unique_id_function=lambda route: route.name,
    )
    errors.install(app, MEANINGS)
    app.include_router(operations(readiness, pages.render if pages else render))
    include(app, settings.service_role)
    return app


async def enter(state: State, stack: AsyncExitStack, stores: Stores) -> None:
    """Add what only some roles have: users, sockets, queues."""
    settings, drain, role = state["settings"], state["drain"], state["settings"].service_role
    if role not in WITHOUT_USERS:
        # Of the Redis that takes all regions' writes: a conversation's users may be in several.
        shared = stores.caches[-1]
        publisher = state["publisher"] = Publisher(shared)
        known = authentication(settings, stores, state["aws"], publisher.sessions_ended)
        auth = state["auth"] = await stack.enter_async_context(known)
        if has_sockets(role):
            hub = Hub(shared, publisher, auth.revocations, events=stores.events)
            state["hub"] = await stack.enter_async_context(hub)
            seconds = settings.graceful_shutdown_seconds - settings.request_timeout_seconds
            stack.enter_context(closing_first(drain, hub, max(1, seconds)))
    if settings.job_types or role == RELAYING_ROLE:
        working_now = working(settings, drain, stores.database, stores.cache, state["aws"])
        await stack.enter_async_context(working_now)


def middleware(settings: Settings, stores: Stores | None, observers: Observers) -> list[Middleware]:
    """Outermost first. Security and CORS are outside of errors, whose answers a page must be able to read."""
    origins = own_origins(settings)
    found = [
        Middleware(Requests, address_header=settings.client_address_header),
        *observers.middleware(),
        Middleware(Security, allowed_origins=origins),
        Middleware(
            CORSMiddleware,
            allow_origins=sorted(origins),
            allow_credentials=True,
            allow_methods=["DELETE", "GET", "PATCH", "POST", "PUT"],
            allow_headers=REQUEST_HEADERS,
            expose_headers=RESPONSE_HEADERS,
        ),
        Middleware(errors.Errors, timeout_seconds=settings.request_timeout_seconds, reports=observers.reports),
        Middleware(Bodies),
    ]
    if stores:
        table = RouteTable(limits(settings.service_role))
        found.append(Middleware(Limits, limiter=stores.limiter, table=table, identify=identify, events=stores.events))
    return found


def schema_check(database: Database, settings: Settings) -> Check:
    """That every database of this region has this image's schema, or a newer one, which only adds to it.

    Other regions' may be away with their region, and this one's pods are then needed most. Once seen, one database
    stands for all of them: the check runs in every process of every pod.
    """
    shards = settings.shard_map.shards
    own = [shard.id for shard in shards if shard.region == settings.aws_region] or [shards[0].id]
    unseen = set(own)

    async def run() -> None:
        for shard in sorted(unseen | {own[0]}):
            async with database.system_reader(shard) as connection:
                if not await is_ready(connection):
                    raise SchemaBehindError
            unseen.discard(shard)

    return Check(name="database", run=run, required=True)


def main() -> int:
    """Run the role of this container until SIGTERM; exit code."""
    try:
        settings = read(os.environ)
        logs.configure(role=settings.service_role)
        if isinstance(settings, MigrationSettings):
            return bring_up(settings)
        return look_after(settings) if isinstance(settings, UpkeepSettings) else serve(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 it names variables, not values
        return BAD_SETTINGS


def bring_up(settings: MigrationSettings) -> int:
    """Migrate all databases of a primary; exit code, 0 only if pods of this image may start."""
    # Alembic and psycopg stay out of the processes that serve.
    from app.data.migrate import migrate

    try:
        done = migrate(settings)
    except SettingsError:
        raise
    except Exception:
        log.exception("migration_failed")
        return FAILED
    for one in done:
        log.info("migrated", schema=one.after, reason="indexes_ok" if one.indexes.ok else "indexes_missing")
    return 0 if all(one.indexes.ok for one in done) else FAILED


def look_after(settings: UpkeepSettings) -> int:
    """Once a day: partitions, what has expired, indexes; exit code, 0 only if everything is as it should be."""
    from app.data.upkeep import look_after

    try:
        done = look_after(settings)
    except Exception:
        log.exception("upkeep_failed")
        return FAILED
    for one in done:
        log.info("partitions_kept", count=len(one.partitions.created) + len(one.partitions.dropped))
        log.info("rows_expired", count=one.expired)
        log.info("indexes_checked", reason="indexes_ok" if one.indexes.ok else "indexes_missing")
    return 0 if all(one.indexes.ok for one in done) else FAILED


def serve(settings: Settings) -> int:
    """Listen on the container's port with `web_concurrency` processes; exit code."""
    with TemporaryDirectory(prefix="headroom-metrics-") as directory:
        config = server_config(settings, Path(directory))
        sockets = [config.bind_socket()]
        drop_unread(sockets[0])
        if settings.web_concurrency == 1:
            # Once it has stopped the server raises the signal again: an ordinary end, which clears up behind itself.
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            server = uvicorn.Server(config)
            server.run(sockets)
            return 0 if server.started else STARTUP_FAILURE
        parent = Multiprocess(config, sockets)
        parent.run()
        failed = any(process.exitcode == STARTUP_FAILURE for process in parent.processes)
        return STARTUP_FAILURE if failed else 0


def server_config(settings: Settings, directory: Path) -> uvicorn.Config:
    """How uvicorn serves: behind a load balancer, logging nothing itself."""
    return uvicorn.Config(
        partial(build, settings, directory),
        factory=True,
        host="0.0.0.0",  # noqa: S104 a pod's own address; network policies say who reaches it
        port=settings.port,
        workers=settings.web_concurrency,
        loop="uvloop",
        http="httptools",
        # 25 KiB a socket instead of 59 with compression, 121 in the older implementation.
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        **UVICORN,
        lifespan="on",
        log_config=None,
        access_log=False,
        # Theirs trusts by address, which a load balancer has many of.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.graceful_shutdown_seconds,
        timeout_worker_healthcheck=WORKER_ANSWER_SECONDS,
    )


def build(settings: Settings, directory: Path) -> FastAPI:
    """The application in a process of its own, whose logs are not set up yet."""
    logs.configure(role=settings.service_role, region=settings.aws_region)
    app = create_app(settings, pages=Pages(directory))
    # What is there by now stays: looking through all of it again and again would make requests wait.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)
    return app
