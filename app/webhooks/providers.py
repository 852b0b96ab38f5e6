"""Secrets of those who call us: the present one and, for a while after a rotation, the one before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from app.cache.kinds import HOT
from app.cache.tiers import TieredCache
from app.data.database import Database
from app.webhooks.signatures import provider_secret


def _identifier(provider: str) -> str:
    return f"webhook-provider:{provider}"


async def secrets_of(database: Database, cache: TieredCache, key: bytes, provider: str) -> list[bytes]:
    """What a provider may sign with now, the present secret first.

    Which version that is comes from the cache: a forger makes nobody ask the database.

    Raises:
        app.data.errors.UnavailableError: neither cache nor database knows.
    """

    async def load() -> dict[str, Any]:
        # From the primary: a replica may lag behind the rotation that was just told.
        query = "SELECT secret_version, previous_until FROM webhook_providers WHERE provider = $1"
        async with database.system_writer() as connection:
            row = await connection.fetchrow(query, provider)
        until = row["previous_until"] if row else None
        return {"version": row["secret_version"] if row else 1, "until": until.isoformat() if until else None}

    known = (await cache.get(HOT, _identifier(provider), load)).value or {"version": 1, "until": None}
    version, until = known["version"], known["until"]
    has_previous = until is not None and datetime.fromisoformat(until) > datetime.now(UTC)
    return [provider_secret(key, provider, one) for one in ((version, version - 1) if has_previous else (version,))]


async def rotate(database: Database, cache: TieredCache, provider: str, overlap: timedelta) -> bool:
    """Make a new secret, beside which the one before counts for `overlap`.

    Returns:
        Whether all processes heard of it. Otherwise they refuse the new one, and take the old one, for up to an hour.
    """
    async with database.system_writer() as connection:
        await connection.execute(
            "INSERT INTO webhook_providers (provider, secret_version, previous_until) VALUES ($1, 2, $2) "
            "ON CONFLICT (provider) DO UPDATE SET secret_version = webhook_providers.secret_version + 1, "
            "previous_until = excluded.previous_until",
            provider,
            datetime.now(UTC) + overlap,
        )
    return await cache.invalidate(HOT, _identifier(provider))
