"""For administrators: how much there is, and what waits. Each look is in the audit log."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from app.api.context import TheHere
from app.api.envelope import COMMON, PERSONAL, Answer, answer
from app.auth.dependencies import current_user
from app.auth.tokens import AccessClaims
from app.limits.policies import STANDARD, Exemption, Policy
from app.ops.errors import AppError
from app.privacy import audit

LIMITS: dict[str, Policy | Exemption] = {"GET /api/v1/admin/metrics": STANDARD}

_routes = APIRouter(prefix="/api/v1/admin", tags=["admin"], responses={**COMMON, **PERSONAL})


class Metrics(BaseModel):
    """Numbers of all shards. Counts of users are the planner's, which are a few per cent off and cost nothing."""

    users: int
    active_subscriptions: int
    jobs_waiting: int
    jobs_oldest_seconds: int
    webhooks_disabled: int
    addresses_suppressed: int
    senders_disabled: int
    erasures_pending: int


_OF_A_SHARD = """SELECT
(SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'users'::regclass) AS users,
(SELECT count(*) FROM active_subscriptions) AS active_subscriptions,
(SELECT count(*) FROM outbox WHERE due_at <= now()) AS jobs_waiting,
(SELECT coalesce(extract(epoch FROM now() - min(due_at)), 0)::bigint FROM outbox
WHERE due_at <= now()) AS jobs_oldest_seconds,
(SELECT count(*) FROM webhook_endpoints WHERE disabled_at IS NOT NULL) AS webhooks_disabled"""
_OF_HOME = """SELECT (SELECT count(*) FROM mail_suppressions) AS addresses_suppressed,
(SELECT count(*) FROM mail_senders WHERE disabled_at IS NOT NULL) AS senders_disabled,
(SELECT count(*) FROM erasures WHERE erased_at IS NULL) AS erasures_pending"""


class NotAdministratorError(AppError):
    """Somebody else, or an administrator whose login had no second factor."""

    def __init__(self) -> None:
        """Say so."""
        message = "Only for administrators, logged in with a second factor."
        super().__init__(HTTPStatus.FORBIDDEN, "administrators_only", message)


async def administrator(here: TheHere, user: Annotated[AccessClaims, Depends(current_user)]) -> AccessClaims:
    """The user, who is an administrator now: asked at the primary, no token and no cache says it.

    Raises:
        NotAdministratorError: and everything of `current_user`.
    """
    query = "SELECT administrator FROM auth_accounts WHERE user_id = $1 AND disabled_at IS NULL"
    async with here.database.system_writer() as connection:
        is_administrator = await connection.fetchval(query, user.user_id)
    if not (is_administrator and user.second_factor):
        raise NotAdministratorError
    return user


def router() -> APIRouter:
    """The routes, with full paths."""
    return _routes


@_routes.get("/metrics")
async def read_admin_metrics(
    request: Request, here: TheHere, user: Annotated[AccessClaims, Depends(administrator)]
) -> Answer[Metrics]:
    """How much there is, and what waits."""
    found: dict[str, int] = {}
    for shard in here.database.shards.all:
        async with here.database.system_reader(shard.id) as connection:
            row = await connection.fetchrow(_OF_A_SHARD)
        for name, value in dict(row or {}).items():
            found[name] = (
                max(found.get(name, 0), value) if name.startswith("jobs_oldest") else (found.get(name, 0) + value)
            )
    async with here.database.system_reader() as connection:
        found |= dict(await connection.fetchrow(_OF_HOME) or {})
    async with here.database.writer(user.user_id) as writing:
        await audit.record(writing, user.user_id, "admin.metrics_read")
    return answer(request, Metrics(**found))
