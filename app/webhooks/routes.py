"""Webhooks: a user's endpoints, and the door for what providers tell us."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson
from fastapi import APIRouter, Path, Request
from pydantic import AfterValidator, BaseModel, StringConstraints, ValidationError

from app.api.context import TheHere, TheOwn
from app.api.envelope import COMMON, PERSONAL, Answer, answer, refusals
from app.api.fields import Asked
from app.api.writing import NotFoundError
from app.limits.policies import STANDARD, Exemption, Policy
from app.ops.errors import AppError
from app.settings import Settings
from app.webhooks.delivery import emit
from app.webhooks.payments import Event
from app.webhooks.providers import secrets_of
from app.webhooks.sender import ForbiddenAddressError, check_url
from app.webhooks.signatures import BadSignatureError, endpoint_secret, printable, verify
from app.worker.jobs import Kind, enqueue

LIMITS: dict[str, Policy | Exemption] = {
    "POST /api/v1/webhooks/endpoints": STANDARD,
    "GET /api/v1/webhooks/endpoints": STANDARD,
    "POST /api/v1/webhooks/endpoints/{endpoint_id}/rotate": STANDARD,
    "POST /api/v1/webhooks/endpoints/{endpoint_id}/enable": STANDARD,
    "DELETE /api/v1/webhooks/endpoints/{endpoint_id}": STANDARD,
    "POST /api/v1/webhooks/incoming/{provider}": Exemption("a signature says who asks, and one of ours is needed"),
}
MAXIMUM_ENDPOINTS = 10
"""Of a user. Ours: each event is a delivery to every one of them."""
PREVIOUS_HOURS = 24
"""After a rotation the secret before signs too, for so long."""
PROVIDERS: dict[str, Kind] = {"payment": "payment"}
"""Who may call us, and the job that a call becomes."""

_routes = APIRouter(prefix="/api/v1/webhooks", tags=["webhooks"], responses=COMMON)


def _public(url: str) -> str:
    try:
        check_url(url)
    except ForbiddenAddressError:
        msg = "must be https:// and a host of the public internet"
        raise ValueError(msg) from None
    return url


class NewEndpoint(Asked):
    """Where to call."""

    url: Annotated[str, StringConstraints(max_length=2_048, pattern=r"^https://[\x21-\x7e]+$"), AfterValidator(_public)]


class Endpoint(BaseModel):
    """Where we call. `disabled_at` is when it had failed too often."""

    id: UUID
    url: str
    created_at: datetime
    disabled_at: datetime | None


class Secret(BaseModel):
    """An endpoint with its secret, which is told here and nowhere else."""

    id: UUID
    url: str
    secret: str


class Received(BaseModel):
    """Taken; `repeated` if it had come before."""

    repeated: bool


def router() -> APIRouter:
    """The routes, with full paths."""
    return _routes


def key_of(settings: Settings) -> bytes:
    """What secrets are derived from.

    Raises:
        AppError: this deployment has no key.
    """
    if not settings.deployment_key:
        raise AppError(HTTPStatus.SERVICE_UNAVAILABLE, "webhooks_unavailable", "There are no webhooks here.")
    return settings.deployment_key


@_routes.post("/endpoints", status_code=HTTPStatus.CREATED, responses={**PERSONAL, **refusals(HTTPStatus.CONFLICT)})
async def add_webhook(body: NewEndpoint, request: Request, here: TheHere, own: TheOwn) -> Answer[Secret]:
    """Be called when something happens."""
    key = key_of(here.settings)
    async with own.writing() as writing:
        # The user's row is locked, so that the number is still right at the commit.
        await writing.fetchval("SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE", own.user_id)
        if await writing.fetchval("SELECT count(*) FROM webhook_endpoints WHERE user_id = $1", own.user_id) >= (
            MAXIMUM_ENDPOINTS
        ):
            message = f"There are {MAXIMUM_ENDPOINTS} endpoints already; delete one."
            raise AppError(HTTPStatus.CONFLICT, "too_many_endpoints", message)
        endpoint_id = await writing.fetchval(
            "INSERT INTO webhook_endpoints (user_id, url) VALUES ($1, $2) RETURNING id", own.user_id, body.url
        )
    return answer(request, Secret(id=endpoint_id, url=body.url, secret=printable(endpoint_secret(key, endpoint_id, 1))))


@_routes.get("/endpoints", responses=PERSONAL)
async def list_webhooks(request: Request, own: TheOwn) -> Answer[list[Endpoint]]:
    """The user's endpoints; there are ten at most."""
    async with own.reading() as reading:
        rows = await reading.fetch(
            "SELECT id, url, created_at, disabled_at FROM webhook_endpoints WHERE user_id = $1 ORDER BY created_at, id",
            own.user_id,
        )
    return answer(request, [Endpoint(**dict(row)) for row in rows])


@_routes.post("/endpoints/{endpoint_id}/rotate", responses={**PERSONAL, **refusals(HTTPStatus.NOT_FOUND)})
async def rotate_webhook_secret(endpoint_id: UUID, request: Request, here: TheHere, own: TheOwn) -> Answer[Secret]:
    """A new secret. For a day each message is signed with the one before as well."""
    key = key_of(here.settings)
    async with own.writing() as writing:
        row = await writing.fetchrow(
            "UPDATE webhook_endpoints SET secret_version = secret_version + 1, previous_until = $3 "
            "WHERE id = $1 AND user_id = $2 RETURNING url, secret_version",
            endpoint_id,
            own.user_id,
            datetime.now(UTC) + timedelta(hours=PREVIOUS_HOURS),
        )
    if row is None:
        raise NotFoundError
    secret = printable(endpoint_secret(key, endpoint_id, row["secret_version"]))
    return answer(request, Secret(id=endpoint_id, url=row["url"], secret=secret))


@_routes.post("/endpoints/{endpoint_id}/enable", responses={**PERSONAL, **refusals(HTTPStatus.NOT_FOUND)})
async def enable_webhook(endpoint_id: UUID, request: Request, own: TheOwn) -> Answer[Endpoint]:
    """Call an endpoint again that had failed too often, beginning with a message of type `endpoint.enabled`."""
    async with own.writing() as writing:
        row = await writing.fetchrow(
            "UPDATE webhook_endpoints SET disabled_at = NULL, failures = 0 WHERE id = $1 AND user_id = $2 "
            "RETURNING id, url, created_at, disabled_at",
            endpoint_id,
            own.user_id,
        )
        if row is None:
            raise NotFoundError
        await emit(writing, own.user_id, "endpoint.enabled", {"endpoint_id": str(endpoint_id)})
    return answer(request, Endpoint(**dict(row)))


@_routes.delete(
    "/endpoints/{endpoint_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses={**PERSONAL, **refusals(HTTPStatus.NOT_FOUND)},
)
async def delete_webhook(endpoint_id: UUID, own: TheOwn) -> None:
    """Be called no more; what was not delivered yet is forgotten."""
    async with own.writing() as writing:
        deleted = await writing.fetchval(
            "DELETE FROM webhook_endpoints WHERE id = $1 AND user_id = $2 RETURNING true", endpoint_id, own.user_id
        )
    if not deleted:
        raise NotFoundError


@_routes.post(
    "/incoming/{provider}",
    status_code=HTTPStatus.ACCEPTED,
    responses=refusals(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND),
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}, "required": True}},
)
async def receive_webhook(
    provider: Annotated[str, Path(pattern=r"^[a-z-]{1,30}$")], request: Request, here: TheHere
) -> Answer[Received]:
    """Take what a provider tells; its work is done later. The same message is taken once.

    The job has an id made of the message's: what comes again before the first is noted asks for the same job.
    """
    if provider not in PROVIDERS:
        raise NotFoundError
    body = await request.body()
    try:
        secrets = await secrets_of(here.database, here.cache, key_of(here.settings), provider)
        message_id = verify(secrets, request.headers, body)
    except BadSignatureError:
        message = "The signature does not hold."
        raise AppError(HTTPStatus.UNAUTHORIZED, "bad_signature", message) from None
    try:
        event = Event.model_validate_json(body)
    except ValidationError:
        message = "The message is none that we know."
        raise AppError(HTTPStatus.UNPROCESSABLE_ENTITY, "unknown_event", message) from None
    job_id = uuid5(NAMESPACE_URL, f"{provider} {message_id}")
    async with here.database.system_reader() as reading:
        query = "SELECT EXISTS (SELECT FROM webhook_events WHERE provider = $1 AND event_id = $2)"
        if await reading.fetchval(query, provider, message_id):
            return answer(request, Received(repeated=True))
    user_id = event.data.user_id
    async with here.database.system_writer(user_id) as writing:
        if await writing.fetchval("SELECT EXISTS (SELECT FROM users WHERE id = $1)", user_id):
            await enqueue(writing, PROVIDERS[provider], user_id, orjson.loads(body), job_id=job_id)
    async with here.database.system_writer() as writing:
        new = await writing.fetchval(
            "INSERT INTO webhook_events (provider, event_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true",
            provider,
            message_id,
        )
    return answer(request, Received(repeated=not new))
