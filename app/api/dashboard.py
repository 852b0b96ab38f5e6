"""Numbers of a user's own rows: counted on a replica, kept for a short while."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, TypeAdapter

from app.api.context import TheOwn
from app.api.envelope import PERSONAL, Answer, answer
from app.cache.kinds import ANALYTICS, DASHBOARD, Kind
from app.limits.policies import CACHED_READ, Exemption, Policy


class Dashboard(BaseModel):
    """How many of what there is; money in cents."""

    leads: dict[str, int]
    campaigns: dict[str, int]
    open_deals: int
    open_deals_cents: int
    conversations: int
    videos: int


class EventCount(BaseModel):
    """How often something happened on a day (UTC)."""

    day: date
    event_type: str
    events: int


_BY_STATUS = """(SELECT coalesce(jsonb_object_agg(status, n), '{{}}')
FROM (SELECT status, count(*) AS n FROM {} WHERE user_id = $1 GROUP BY status) AS counted) AS {}"""
NUMBERS = f"""SELECT {_BY_STATUS.format("leads", "leads")}, {_BY_STATUS.format("campaigns", "campaigns")},
(SELECT count(*) FROM deals WHERE user_id = $1 AND status = 'open') AS open_deals,
(SELECT coalesce(sum(amount_cents), 0)::bigint FROM deals WHERE user_id = $1 AND status = 'open') AS open_deals_cents,
(SELECT count(*) FROM conversations WHERE user_id = $1) AS conversations,
(SELECT count(*) FROM videos WHERE user_id = $1) AS videos"""  # noqa: S608 of this file
EVENTS = """SELECT ("timestamp" AT TIME ZONE 'UTC')::date AS day, event_type, count(*) AS events
FROM analytics.analytics_events
WHERE user_id = $1 AND "timestamp" >= date_trunc('day', now(), 'UTC') - ($2 - 1) * interval '1 day'
GROUP BY day, event_type ORDER BY day DESC, event_type"""

LIMITS: dict[str, Policy | Exemption] = {
    "GET /api/v1/dashboard": CACHED_READ,
    "GET /api/v1/analytics/events": CACHED_READ,
}

router = APIRouter(responses=PERSONAL)

_DASHBOARD: Kind[Dashboard] = Kind(
    name=DASHBOARD.name, fresh_seconds=DASHBOARD.fresh_seconds, decode=Dashboard.model_validate
)
_EVENTS: Kind[list[EventCount]] = Kind(
    name=ANALYTICS.name,
    fresh_seconds=ANALYTICS.fresh_seconds,
    decode=TypeAdapter(list[EventCount]).validate_python,
)


@router.get("/dashboard", tags=["dashboard"])
async def read_dashboard(request: Request, response: Response, own: TheOwn) -> Answer[Dashboard]:
    """The numbers of the front page, at most a minute old."""

    async def load() -> Dashboard:
        async with own.reading() as reading:
            row = await reading.fetchrow(NUMBERS, own.user_id)
        values: dict[str, Any] = dict(row or {})
        return Dashboard.model_validate(
            {**values, "leads": orjson.loads(values["leads"]), "campaigns": orjson.loads(values["campaigns"])}
        )

    found = await own.here.cache.get(_DASHBOARD, str(own.user_id), load)
    response.headers["X-Cache"] = found.tier
    return answer(request, found.value or await load(), stale=found.is_stale)


@router.get("/analytics/events", tags=["analytics"])
async def count_events(
    request: Request,
    response: Response,
    own: TheOwn,
    days: Annotated[int, Query(ge=1, le=90, description="Today and so many days before it, less one.")] = 30,
) -> Answer[list[EventCount]]:
    """What happened, by day and kind, at most five minutes old."""

    async def load() -> list[EventCount]:
        async with own.reading() as reading:
            rows = await reading.fetch(EVENTS, own.user_id, days)
        return [EventCount.model_validate(dict(row)) for row in rows]

    found = await own.here.cache.get(_EVENTS, f"{own.user_id}:{days}", load)
    response.headers["X-Cache"] = found.tier
    return answer(request, found.value or [], stale=found.is_stale)
