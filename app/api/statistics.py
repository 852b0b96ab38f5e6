"""What came of a campaign's mails, in numbers."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from app.api.context import TheOwn
from app.api.envelope import PERSONAL, Answer, answer, refusals
from app.api.writing import NotFoundError
from app.cache.kinds import CAMPAIGN_STATISTICS, Kind
from app.limits.policies import CACHED_READ, Exemption, Policy

_PATH = "/campaigns/{row_id}/statistics"
NUMBERS = """SELECT coalesce(s.sent, 0) AS sent, coalesce(s.bounced, 0) AS bounced,
coalesce(s.complained, 0) AS complained, coalesce(s.unsubscribed, 0) AS unsubscribed
FROM campaigns c LEFT JOIN campaign_statistics s ON s.id = c.id WHERE c.id = $1 AND c.user_id = $2"""

LIMITS: dict[str, Policy | Exemption] = {f"GET /api/v1{_PATH}": CACHED_READ}

router = APIRouter(tags=["campaigns"], responses=PERSONAL)


class CampaignStatistics(BaseModel):
    """How many mails SES took, how many came back for good, and how many readers complained or unsubscribed.

    Who opened what is not known: nothing in the mails reports it.
    """

    sent: int
    bounced: int
    complained: int
    unsubscribed: int


_STATISTICS: Kind[CampaignStatistics] = Kind(
    name=CAMPAIGN_STATISTICS.name,
    fresh_seconds=CAMPAIGN_STATISTICS.fresh_seconds,
    decode=CampaignStatistics.model_validate,
)


@router.get(_PATH, responses=refusals(HTTPStatus.NOT_FOUND))
async def read_campaign_statistics(
    request: Request, response: Response, own: TheOwn, row_id: UUID
) -> Answer[CampaignStatistics]:
    """The numbers of one campaign, at most ten minutes old."""

    async def load() -> CampaignStatistics | None:
        async with own.reading() as reading:
            row = await reading.fetchrow(NUMBERS, row_id, own.user_id)
        return None if row is None else CampaignStatistics.model_validate(dict(row))

    found = await own.here.cache.get(_STATISTICS, f"{own.user_id}:{row_id}", load)
    if found.value is None:
        raise NotFoundError
    response.headers["X-Cache"] = found.tier
    return answer(request, found.value, stale=found.is_stale)
