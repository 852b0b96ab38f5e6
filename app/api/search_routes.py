"""The route of searching: by the engine where there is one, by PostgreSQL otherwise and when that one fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import structlog
from fastapi import APIRouter, FastAPI, Query, Request

from app.api.context import Own, TheOwn
from app.api.cursors import DEFAULT_LIMIT, Limit
from app.api.envelope import PERSONAL, Answer, answer
from app.api.search import KINDS, Found, Hit, InDatabase, Kind, show, words_of
from app.api.search import Query as Wanted
from app.api.search_engine import Engine, EngineError
from app.api.search_fill import Filled
from app.limits.policies import STANDARD, Exemption, Policy

LIMITS: dict[str, Policy | Exemption] = {"GET /api/v1/search": STANDARD}
_log = structlog.get_logger()


@asynccontextmanager
async def _with_engine(_: FastAPI) -> AsyncIterator[dict[str, Engine | Filled]]:
    """Where searches are answered, `request.state.search_engine` lives as long as the process."""
    async with Engine() as engine:
        yield {"search_engine": engine, "search_filled": Filled(engine)}


router = APIRouter(tags=["search"], lifespan=_with_engine, responses=PERSONAL)

Text = Annotated[str, Query(min_length=1, max_length=200, description="Words; of the last one, the beginning will do.")]
Kinds = Annotated[list[Kind] | None, Query(max_length=len(KINDS), description="Where to look; everywhere without.")]


@router.get("/search")
async def search(
    request: Request, own: TheOwn, q: Text, kind: Kinds = None, limit: Limit = DEFAULT_LIMIT
) -> Answer[list[Hit]]:
    """Posts, and the user's own leads, companies and contacts, the best first."""
    words = words_of(q)
    if not words:
        return answer(request, [])
    query = Wanted(words=words, kinds=tuple(dict.fromkeys(kind or KINDS)), limit=limit)
    return answer(request, await show(own, await _find(request, own, query)))


async def _find(request: Request, own: Own, query: Wanted) -> list[Found]:
    settings, aws, engine = own.here.settings, request.state.aws, request.state.search_engine
    if settings.search_endpoint is not None and not engine.is_resting():
        try:
            if await request.state.search_filled.has(settings, aws, _shards(own, query)):
                found: list[Found] = await engine.find(settings, aws, own, query)
                return found
        except EngineError as error:
            _log.warning("search_engine_failed", reason=str(error))
    return await InDatabase().find(own, query)


def _shards(own: Own, query: Wanted) -> list[int]:
    """Shards whose rows may be found: posts are everybody's, what else there is has the user's own shard.

    An engine has the shards of its region. Those that no slot is on yet have no rows.
    """
    shards = own.here.database.shards
    if "posts" not in query.kinds:
        return [shards.to_read(own.user_id).id]
    return [shard.id for shard in shards.all if shard.slots]
