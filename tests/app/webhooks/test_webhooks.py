from __future__ import annotations

import datetime as dt
import json
from collections.abc import AsyncIterator, Awaitable
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from aiohttp import web

from app.settings import Settings
from app.webhooks.delivery import DISABLED_AFTER, PAUSES, emit
from app.webhooks.providers import rotate
from app.webhooks.routes import MAXIMUM_ENDPOINTS
from app.webhooks.sender import Sender
from app.webhooks.signatures import headers, provider_secret, secret_of, verify
from tests.app.api.world import Somebody
from tests.app.servers import free_port
from tests.app.stores import caching
from tests.app.uploads.world import World, world
from tests.app.worker.conftest import until

URL = "https://hooks.example.com/take"


class Receiver:
    """Somebody who is told, on this machine."""

    def __init__(self) -> None:
        self.port, self.statuses = free_port(), [200]
        self.messages: list[tuple[str, dict[str, str], bytes]] = []

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.messages.append((request.path, dict(request.headers), body))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(status=status, headers={"Location": "/elsewhere"})


@pytest.fixture
async def receiver(anyio_backend: str) -> AsyncIterator[Receiver]:
    found = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", found.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", found.port).start()
    yield found
    await runner.cleanup()


@pytest.fixture
async def telling(aws_url: str, given: Settings, owner: psycopg.Connection, receiver: Receiver) -> AsyncIterator[World]:
    """As the product runs it, but that `URL` is the receiver, without TLS."""

    class Local(Sender):
        async def post(self, url: str, body: bytes, headers: Any) -> int:
            there = url.replace("https://hooks.example.com", f"http://127.0.0.1:{receiver.port}")
            return await super().post(there, body, headers)

    assert aws_url
    async with world(given, owner, Local(check=lambda _: None, allowed=lambda _: True)) as made:
        yield made


async def tell(there: World, user: Somebody, **data: Any) -> int:
    async with there.database.writer(user.user_id) as connection:
        return await emit(connection, user.user_id, "lead.created", data)


async def repeat(there: World, times: int) -> None:
    """Make up to so many attempts, without the pauses."""
    for _ in range(times):
        await there.do("webhook-delivery")


@pytest.mark.anyio
async def test_an_endpoint_is_told_with_a_signature_that_its_secret_verifies(
    telling: World, receiver: Receiver
) -> None:
    user = await telling.user()
    made = await user.made("webhooks/endpoints", url=URL)
    assert await tell(telling, user, lead="1") == 1
    await telling.do("webhook-delivery")

    ((_, got, body),) = receiver.messages
    given = {name.lower(): value for name, value in got.items()}
    assert verify([secret_of(made["secret"])], given, body).startswith("msg_")
    assert json.loads(body)["type"] == "lead.created"
    assert json.loads(body)["data"] == {"lead": "1"}
    assert "secret" not in json.dumps(await user.got("webhooks/endpoints"))


@pytest.mark.anyio
async def test_after_a_rotation_both_secrets_verify_for_a_day(telling: World, receiver: Receiver) -> None:
    user = await telling.user()
    made = await user.made("webhooks/endpoints", url=URL)
    rotated = (await user.post(f"webhooks/endpoints/{made['id']}/rotate")).json()["data"]
    await tell(telling, user)
    await telling.do("webhook-delivery")
    telling.owner.execute("UPDATE webhook_endpoints SET previous_until = now()")
    await tell(telling, user)
    await telling.do("webhook-delivery")

    (_, first, body), (_, second, later) = receiver.messages
    first, second = ({name.lower(): value for name, value in one.items()} for one in (first, second))
    for secret in (made["secret"], rotated["secret"]):
        verify([secret_of(secret)], first, body)
    verify([secret_of(rotated["secret"])], second, later)
    assert len(second["webhook-signature"].split(" ")) == 1


@pytest.mark.anyio
async def test_a_delivery_is_tried_again_with_the_same_id_until_it_is_taken(telling: World, receiver: Receiver) -> None:
    user = await telling.user()
    await user.made("webhooks/endpoints", url=URL)
    receiver.statuses = [500, 302, 200]
    await tell(telling, user)
    await telling.do("webhook-delivery")
    ((due, at),) = telling.owner.execute("SELECT due_at, now() FROM outbox WHERE topic = 'webhook-delivery'").fetchall()
    assert abs((due - at).total_seconds() - PAUSES[0]) < 3
    await repeat(telling, 5)

    assert len({got["webhook-id"] for _, got, _ in receiver.messages}) == 1
    # The redirect was not followed.
    assert [path for path, _, _ in receiver.messages] == ["/take"] * 3
    ((status, attempts),) = telling.owner.execute("SELECT status, attempts FROM webhook_deliveries").fetchall()
    assert (status, attempts) == ("delivered", 3)


@pytest.mark.anyio
async def test_an_attempt_that_comes_again_from_the_queue_is_not_made_twice(telling: World, receiver: Receiver) -> None:
    user = await telling.user()
    await user.made("webhooks/endpoints", url=URL)
    await tell(telling, user)
    (job,) = telling.asked("webhook-delivery")
    for _ in range(3):
        await telling.handle(job)

    assert len(receiver.messages) == 1


@pytest.mark.anyio
async def test_a_delivery_that_nobody_takes_is_given_up(telling: World, receiver: Receiver) -> None:
    user = await telling.user()
    await user.made("webhooks/endpoints", url=URL)
    receiver.statuses = [500]
    await tell(telling, user)
    await repeat(telling, len(PAUSES) + 5)

    assert len(receiver.messages) == len(PAUSES) + 1
    assert telling.owner.execute("SELECT status FROM webhook_deliveries").fetchall() == [("failed",)]


@pytest.mark.anyio
async def test_an_endpoint_that_fails_too_often_is_turned_off_and_its_user_told(
    telling: World, receiver: Receiver
) -> None:
    user = await telling.user()
    made = await user.made("webhooks/endpoints", url=URL)
    receiver.statuses = [500]
    for _ in range(3):
        await tell(telling, user)
    await repeat(telling, 12)

    assert len(receiver.messages) == DISABLED_AFTER
    (endpoint,) = await user.got("webhooks/endpoints")
    assert endpoint["disabled_at"] is not None
    assert [job.payload["template"] for job in telling.asked("email")] == ["webhook-disabled"]
    assert await tell(telling, user) == 0

    receiver.statuses = [200]
    assert (await user.post(f"webhooks/endpoints/{made['id']}/enable")).status_code == 200
    await telling.do("webhook-delivery")
    assert json.loads(receiver.messages[-1][2])["type"] == "endpoint.enabled"


@pytest.mark.anyio
async def test_a_receiver_that_is_gone_is_not_asked_again(telling: World, receiver: Receiver) -> None:
    user = await telling.user()
    await user.made("webhooks/endpoints", url=URL)
    receiver.statuses = [410]
    await tell(telling, user)
    await repeat(telling, 3)

    assert len(receiver.messages) == 1
    assert (await user.got("webhooks/endpoints"))[0]["disabled_at"] is not None


@pytest.mark.anyio
async def test_endpoints_are_their_users_own_and_not_too_many(there: World) -> None:
    mine, theirs = await there.user(), await there.user()
    made = [await mine.made("webhooks/endpoints", url=URL) for _ in range(MAXIMUM_ENDPOINTS)]
    assert (await mine.post("webhooks/endpoints", json={"url": URL})).status_code == 409
    one = made[0]["id"]

    assert await theirs.got("webhooks/endpoints") == []
    for method, path in (("POST", f"{one}/rotate"), ("POST", f"{one}/enable"), ("DELETE", one)):
        assert (await theirs.request(method, f"webhooks/endpoints/{path}")).status_code == 404
    assert (await mine.delete(f"webhooks/endpoints/{one}")).status_code == 204
    assert len(await mine.got("webhooks/endpoints")) == MAXIMUM_ENDPOINTS - 1


@pytest.mark.anyio
async def test_an_endpoint_inside_is_refused_at_once(there: World) -> None:
    user = await there.user()
    for url in ("http://example.com/", "https://127.0.0.1/", "https://169.254.169.254/", "https://db/"):
        assert (await user.post("webhooks/endpoints", json={"url": url})).status_code == 422, url


def payment(user: Somebody, **changes: Any) -> dict[str, Any]:
    data = {"subscription_id": str(uuid4()), "user_id": str(user.user_id), "tier": 2, "status": "active", **changes}
    return {"type": "subscription.updated", "timestamp": dt.datetime.now(dt.UTC).isoformat(), "data": data}


async def send(
    there: World, given: Settings, event: Any, message: str = "msg_1", *, version: int = 1, **changes: str
) -> Any:
    assert given.second_factor_key is not None
    secret = provider_secret(given.second_factor_key.get_secret_value().encode(), "payment", version)
    body = json.dumps(event).encode()
    client = await there.anybody()
    sent = {**headers([secret], message, body), "content-type": "application/json", **changes}
    return await client.post("webhooks/incoming/payment", content=body, headers=sent)


@pytest.mark.anyio
async def test_a_payment_that_is_told_twice_counts_once(there: World, given: Settings) -> None:
    user = await there.user()
    event = payment(user)
    first = await send(there, given, event)
    assert (first.status_code, first.json()["data"]) == (202, {"repeated": False})
    (job,) = there.asked("payment")
    assert (await send(there, given, event)).json()["data"] == {"repeated": True}
    assert len(there.asked("payment")) == 1
    await there.handle(job)
    await there.handle(job)

    assert there.owner.execute("SELECT tier, status FROM subscriptions").fetchall() == [(2, "active")]
    assert (await user.get("auth/me")).json()["tier"] == 2


@pytest.mark.anyio
async def test_a_provider_s_secret_before_counts_for_as_long_as_was_said(there: World, given: Settings) -> None:
    event = payment(await there.user())

    async def statuses() -> list[int]:
        """By version of the secret."""
        return [
            (await send(there, given, event, f"msg_{uuid4()}", version=version)).status_code for version in (1, 2, 3)
        ]

    assert await statuses() == [202, 401, 401]
    async with caching(given.cache_url, budget_seconds=1) as cache:
        assert await rotate(there.database, cache, "payment", dt.timedelta(seconds=60))
        await until(lambda: _is(statuses(), [202, 202, 401]))
        assert await rotate(there.database, cache, "payment", dt.timedelta(0))
        await until(lambda: _is(statuses(), [401, 401, 202]))


async def _is(found: Awaitable[list[int]], wanted: list[int]) -> bool:
    return await found == wanted


@pytest.mark.anyio
async def test_an_older_message_does_not_undo_a_newer_one(there: World, given: Settings) -> None:
    user = await there.user()
    new = payment(user, status="cancelled")
    old = {**new, "timestamp": "2020-01-01T00:00:00Z", "data": {**new["data"], "status": "active"}}
    for number, event in enumerate((new, old)):
        await send(there, given, event, f"msg_{number}")
        await there.do("payment")

    assert there.owner.execute("SELECT status FROM subscriptions").fetchall() == [("cancelled",)]


@pytest.mark.anyio
async def test_what_nobody_signed_changes_nothing(there: World, given: Settings) -> None:
    user = await there.user()
    event = payment(user)

    for changes in ({"webhook-signature": "v1,AAAA"}, {"webhook-timestamp": "1"}, {"webhook-id": "msg_2"}):
        answer = await send(there, given, event, version=1, **changes)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "bad_signature")
    assert (await send(there, given, {"type": "other"})).status_code == 422
    assert (await (await there.anybody()).post("webhooks/incoming/stranger", json={})).status_code == 404
    assert there.asked("payment") == []
