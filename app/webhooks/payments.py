"""What the payment provider tells us: the only one who writes what somebody has paid for."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from app.cache.kinds import PRIVILEGES, PROFILE
from app.cache.tiers import TieredCache
from app.data.database import Database
from app.worker.jobs import Job, MalformedError, first_time


class Subscription(BaseModel):
    """A subscription as it is now."""

    subscription_id: UUID
    user_id: UUID
    tier: Annotated[int, Field(ge=1, le=5)]
    status: Literal["trialing", "active", "past_due", "cancelled"]
    expires_at: AwareDatetime | None = None


class Event(BaseModel):
    """What happened, and when: by that, since messages overtake each other."""

    type: Literal["subscription.updated"]
    timestamp: AwareDatetime
    data: Subscription


class Payments:
    """Does the jobs of kind `payment`."""

    def __init__(self, database: Database, cache: TieredCache) -> None:
        """Take the shards, and the cache that knows what users may do."""
        self._database, self._cache = database, cache

    async def note(self, job: Job) -> None:
        """Write the subscription, unless something newer is known."""
        try:
            event = Event.model_validate(job.payload)
        except ValidationError:
            raise MalformedError from None
        told = event.data
        async with self._database.system_writer(told.user_id) as connection:
            if await first_time(connection, job):
                await connection.execute(
                    "INSERT INTO subscriptions (id, user_id, tier, status, expires_at, updated_at) "
                    "SELECT $1, id, $3, $4, $5, $6 FROM users WHERE id = $2 "
                    "ON CONFLICT (id) DO UPDATE SET tier = $3, status = $4, expires_at = $5, updated_at = $6 "
                    "WHERE subscriptions.updated_at < $6 AND subscriptions.user_id = $2",
                    told.subscription_id,
                    told.user_id,
                    told.tier,
                    told.status,
                    told.expires_at,
                    event.timestamp.astimezone(dt.UTC),
                )
        # A job that comes again does this again: the first time may not have got so far.
        await self._cache.invalidate(PRIVILEGES, str(told.user_id))
        await self._cache.invalidate(PROFILE, str(told.user_id))
