"""A user's own data: ask for a copy, get it, ask for the end of the account, think again."""

from __future__ import annotations

import datetime as dt
from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID, uuid4, uuid5

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from app.api.context import TheHere, TheOwn
from app.api.envelope import COMMON, PERSONAL, Answer, answer, refusals
from app.api.writing import NotFoundError
from app.auth.dependencies import current_user, get_auth
from app.auth.models import PasswordProof
from app.auth.service import Auth
from app.auth.tokens import AccessClaims
from app.limits.policies import AUTH, STANDARD, Exemption, Policy
from app.mail.sending import ask_for_mail
from app.privacy import audit
from app.privacy.erasure import GRACE_DAYS
from app.uploads.routes import TheStorage
from app.worker.jobs import enqueue

LIMITS: dict[str, Policy | Exemption] = {
    "POST /api/v1/privacy/exports": STANDARD,
    "GET /api/v1/privacy/exports/{export_id}": STANDARD,
    # By password, which could be guessed.
    "POST /api/v1/privacy/erasure": AUTH,
    "GET /api/v1/privacy/erasure": STANDARD,
    "DELETE /api/v1/privacy/erasure": STANDARD,
}

User = Annotated[AccessClaims, Depends(current_user)]
TheAuth = Annotated[Auth, Depends(get_auth)]

_routes = APIRouter(prefix="/api/v1/privacy", tags=["privacy"], responses={**COMMON, **PERSONAL})


class Export(BaseModel):
    """A copy of the user's data. `url` gives it for an hour, and is null before it is done and after its time."""

    id: UUID
    status: Literal["queued", "running", "done", "failed"]
    url: str | None
    expires_at: dt.datetime | None


class ErasureState(BaseModel):
    """When the account ends; null if nobody asked for that."""

    due_at: dt.datetime | None


def router() -> APIRouter:
    """The routes, with full paths."""
    return _routes


@_routes.post("/exports", status_code=HTTPStatus.ACCEPTED)
async def request_export(request: Request, own: TheOwn) -> Answer[Export]:
    """Ask for a copy of all that is the user's. While one is being made, that is the answer."""
    async with own.writing() as writing:
        # Locked, so that two requests at once make one.
        await writing.fetchval("SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE", own.user_id)
        row = await writing.fetchrow(
            "SELECT id, status FROM jobs WHERE user_id = $1 AND kind = 'export' AND status IN ('queued', 'running') "
            "AND created_at > now() - interval '1 day'",
            own.user_id,
        )
        if row is not None:
            return answer(request, Export(id=row["id"], status=row["status"], url=None, expires_at=None))
        export = uuid4()
        await writing.execute("INSERT INTO jobs (id, user_id, kind) VALUES ($1, $2, 'export')", export, own.user_id)
        await enqueue(writing, "export", own.user_id, {}, job_id=export)
        await audit.record(writing, own.user_id, "export.requested", subject=str(export))
    return answer(request, Export(id=export, status="queued", url=None, expires_at=None))


@_routes.get("/exports/{export_id}", responses=refusals(HTTPStatus.NOT_FOUND))
async def read_export(export_id: UUID, request: Request, own: TheOwn, bucket: TheStorage) -> Answer[Export]:
    """How far it is; with a link once it is done."""
    async with own.reading() as reading:
        row = await reading.fetchrow(
            "SELECT status, result FROM jobs WHERE id = $1 AND user_id = $2 AND kind = 'export'",
            export_id,
            own.user_id,
        )
    if row is None:
        raise NotFoundError
    url = expires_at = None
    if row["result"] is not None:
        result = orjson.loads(row["result"])
        expires_at = dt.datetime.fromisoformat(result["expires_at"])
        if expires_at > dt.datetime.now(dt.UTC):
            url = await bucket.link(result["key"], "headroom-export.jsonl.gz")
    return answer(request, Export(id=export_id, status=row["status"], url=url, expires_at=expires_at))


@_routes.post("/erasure", status_code=HTTPStatus.ACCEPTED)
async def request_erasure(
    body: PasswordProof, request: Request, here: TheHere, auth: TheAuth, user: User
) -> Answer[ErasureState]:
    """End the account in two weeks, and all of its sessions now. Who logs in again by then may stop it."""
    account = await auth.account(user)
    await auth.confirm_password(account, body.password.get_secret_value())
    async with here.database.system_writer() as home:
        await home.execute(
            "INSERT INTO erasures (user_id, due_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            user.user_id,
            dt.datetime.now(dt.UTC) + dt.timedelta(days=GRACE_DAYS),
        )
        due: dt.datetime = await home.fetchval("SELECT due_at FROM erasures WHERE user_id = $1", user.user_id)
    # Maybe another database, which may be away now: then the same request, made again, does the rest.
    job_id = uuid5(user.user_id, due.isoformat())
    async with here.database.system_writer(user.user_id) as writing:
        if not await writing.fetchval("SELECT EXISTS (SELECT FROM outbox WHERE id = $1)", job_id):
            await enqueue(writing, "erasure", user.user_id, {}, job_id=job_id, due_at=due)
            await audit.record(writing, user.user_id, "erasure.requested")
            await ask_for_mail(writing, user.user_id, "erasure-scheduled", {"date": f"{due:%d %B %Y}"})
    await auth.sessions.end_all(user.user_id, "erasure_requested")
    return answer(request, ErasureState(due_at=due))


@_routes.get("/erasure")
async def read_erasure(request: Request, here: TheHere, user: User) -> Answer[ErasureState]:
    """Whether the account is to end, and when."""
    async with here.database.system_writer() as home:
        due = await home.fetchval("SELECT due_at FROM erasures WHERE user_id = $1 AND erased_at IS NULL", user.user_id)
    return answer(request, ErasureState(due_at=due))


@_routes.delete("/erasure", responses=refusals(HTTPStatus.NOT_FOUND))
async def cancel_erasure(request: Request, here: TheHere, user: User) -> Answer[ErasureState]:
    """Keep the account."""
    async with here.database.system_writer() as home:
        stopped = await home.fetchval(
            "DELETE FROM erasures WHERE user_id = $1 AND erased_at IS NULL AND due_at > now() RETURNING true",
            user.user_id,
        )
    if not stopped:
        raise NotFoundError
    async with here.database.writer(user.user_id) as writing:
        await audit.record(writing, user.user_id, "erasure.cancelled")
    return answer(request, ErasureState(due_at=None))
