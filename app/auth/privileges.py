"""Plans: what a user paid for, until when. Without an answer everybody has the free one, and nothing fails."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum
from typing import NamedTuple, Protocol
from uuid import UUID

import structlog

_log = structlog.get_logger()


class Tier(IntEnum):
    """Free, and five paid plans. What is sold as `plus` is any of those."""

    FREE = 0
    PLUS = 1
    TIER_2 = 2
    TIER_3 = 3
    TIER_4 = 4
    TIER_5 = 5


class Plan(NamedTuple):
    """A tier and its end; None for one without."""

    tier: Tier
    expires_at: datetime | None

    def tier_at(self, now: datetime) -> Tier:
        """The tier at a time: a cached plan ends when it should, whoever cached it."""
        return Tier.FREE if self.expires_at is not None and self.expires_at <= now else self.tier


class Plans(Protocol):
    """Knows users' plans, from a cache or the database."""

    async def plan(self, user_id: UUID) -> Plan:
        """A user's plan; free if there is none."""
        ...


async def current_tier(plans: Plans, user_id: UUID) -> Tier:
    """A user's tier now; `FREE` if nobody can tell, whatever failed."""
    try:
        plan = await plans.plan(user_id)
    except Exception as error:  # noqa: BLE001 a paid feature less is better than an error on every page
        _log.warning("plan_unknown", error_type=type(error).__name__)
        return Tier.FREE
    return plan.tier_at(datetime.now(UTC))
