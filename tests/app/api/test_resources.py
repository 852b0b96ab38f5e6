"""A user's own rows: one pattern for all tables."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import redis

from app.api.cursors import Cursor
from app.api.customers import RESOURCES
from app.api.resources import Resource
from app.limits.policies import QUOTAS
from app.settings import Settings
from tests.app.api.world import Api, Somebody, api

pytestmark = pytest.mark.anyio

MAKE: dict[str, dict[str, Any]] = {
    "leads": {"email": "Lead@Example.org", "name": "Ada", "score": 7},
    "companies": {"name": "Analytical Engines", "domain": "engines.example"},
    "contacts": {"name": "Charles", "email": "Charles@Engines.example"},
    "deals": {"stage": "proposal", "amount_cents": 990_00},
    "campaigns": {"name": "Spring"},
    "conversations": {"channel": "email", "subject": "Hello"},
}
CHANGE: dict[str, dict[str, Any]] = {
    "leads": {"status": "contacted", "score": None},
    "companies": {"name": "Difference Engines"},
    "contacts": {"email": ""},
    "deals": {"status": "won", "stage": "closed"},
    "campaigns": {"status": "running"},
    "conversations": {"subject": "Goodbye"},
}
MADE = [one for one in RESOURCES if one.made_of]
AT_A_COMPANY = ("contacts", "deals")


async def wanted(user: Somebody, name: str) -> dict[str, Any]:
    """What makes a row of a table."""
    if name not in AT_A_COMPANY:
        return MAKE[name]
    return {**MAKE[name], "company_id": (await user.made("companies", **MAKE["companies"]))["id"]}


@pytest.mark.parametrize("resource", MADE, ids=lambda one: one.name)
async def test_a_row_is_made_read_changed_and_deleted_by_its_user_alone(here: Api, resource: Resource) -> None:
    user, other = await here.user(), await here.user()

    answer = await user.post(resource.name, json=await wanted(user, resource.name))
    made = answer.json()["data"]
    path = f"{resource.name}/{made['id']}"
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/{path}"
    assert (made["version"], answer.headers["etag"]) == (1, '"1"')

    assert await user.got(path) == made
    assert (await user.get(path, headers={"if-none-match": '"1"'})).status_code == 304
    assert await user.got(resource.name) == [made]

    for stranger in (other, await here.anybody()):
        expected = 404 if stranger is other else 401
        asked = [
            await stranger.get(path),
            await stranger.patch(path, json=CHANGE[resource.name], headers={"if-match": "*"}),
            await stranger.delete(path),
        ]
        assert [one.status_code for one in asked] == [expected] * 3
    assert await other.got(resource.name) == []

    changed = await user.patch(path, json=CHANGE[resource.name], headers={"if-match": '"1"'})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert changed.json()["data"] == {
        **made,
        **CHANGE[resource.name],
        "version": 2,
        "updated_at": changed.json()["data"]["updated_at"],
    }
    assert (await user.patch(path, json=CHANGE[resource.name], headers={"if-match": '"1"'})).status_code == 412
    assert (await user.patch(path, json=CHANGE[resource.name], headers={"if-match": 'W/"2"'})).status_code == 412
    assert (await user.patch(path, json=CHANGE[resource.name])).status_code == 428
    assert (await user.patch(path, json={}, headers={"if-match": "*"})).status_code == 422

    assert (await user.delete(path, headers={"if-match": '"1"'})).status_code == 412
    assert (await user.delete(path)).status_code == 204
    assert (await user.get(path)).status_code == 404


async def test_of_changes_of_one_version_one_is_made(here: Api, owner: psycopg.Connection) -> None:
    """All of them come while somebody else holds the row, so that none is over before another begins."""
    user = await here.user()
    path = f"leads/{(await user.made('leads', **MAKE['leads']))['id']}"

    with owner.transaction():
        owner.execute("SELECT id FROM leads FOR UPDATE")
        asked = [
            asyncio.create_task(user.patch(path, json={"name": f"Name {n}"}, headers={"if-match": '"1"'}))
            for n in range(4)
        ]
        await asyncio.wait(asked, timeout=1)
    answers = await asyncio.gather(*asked)

    assert sorted(one.status_code for one in answers) == [200, 412, 412, 412]
    [winner] = [one.json()["data"]["name"] for one in answers if one.status_code == 200]
    assert (await user.got(path))["name"] == winner


async def test_what_others_write_goes_no_further_than_reading(here: Api, owner: psycopg.Connection) -> None:
    """Subscriptions come with payments, videos with uploads."""
    user = await here.user()
    owner.execute(
        "INSERT INTO subscriptions (user_id, tier, status) VALUES (%s, 2, 'active')",
        (user.user_id,),
    )
    owner.execute(
        "INSERT INTO videos (user_id, title, object_key) VALUES (%s, 'A', 'secret/key.mp4')",
        (user.user_id,),
    )

    [subscription] = await user.got("subscriptions")
    [video] = await user.got("videos")

    assert (subscription["tier"], subscription["status"]) == (2, "active")
    assert "object_key" not in video
    assert (await user.post("subscriptions", json={"tier": 5})).status_code == 405
    assert (await user.patch(f"subscriptions/{subscription['id']}", json={"tier": 5})).status_code == 405
    assert (await user.post("videos", json={"title": "B"})).status_code == 405
    changed = await user.patch(f"videos/{video['id']}", json={"title": "B"}, headers={"if-match": '"1"'})
    assert changed.json()["data"]["title"] == "B"
    again = await user.get(f"subscriptions/{subscription['id']}")
    tagged = await user.get(f"subscriptions/{subscription['id']}", headers={"if-none-match": again.headers["etag"]})
    assert tagged.status_code == 304


async def test_a_conversation_is_with_a_lead_of_ones_own(here: Api) -> None:
    """A foreign key would take anybody's, and so tell whether there is one."""
    user, other = await here.user(), await here.user()
    mine, theirs = [(await one.made("leads", **MAKE["leads"]))["id"] for one in (user, other)]

    refused = [
        await user.post("conversations", json={"channel": "chat", "lead_id": lead}) for lead in (theirs, str(uuid4()))
    ]
    made = await user.made("conversations", channel="chat", lead_id=mine)
    path = f"conversations/{made['id']}"
    refused.append(await user.patch(path, json={"lead_id": theirs}, headers={"if-match": "*"}))

    assert [(one.status_code, one.json()["error"]["code"]) for one in refused] == [(422, "unknown_reference")] * 3
    assert (await user.delete(f"leads/{mine}")).status_code == 204
    assert (await user.got(path))["lead_id"] is None


@pytest.mark.parametrize("name", AT_A_COMPANY)
async def test_contacts_and_deals_are_at_a_company_of_ones_own(here: Api, name: str) -> None:
    user, other = await here.user(), await here.user()
    mine, theirs = [await wanted(one, name) for one in (user, other)]
    made = await user.made(name, **mine)

    for company in (theirs["company_id"], str(uuid4())):
        refused = await user.post(name, json={**MAKE[name], "company_id": company})
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "unknown_reference")
    assert (await user.post(name, json=MAKE[name])).status_code == 422  # At no company.
    moved = await user.patch(f"{name}/{made['id']}", json={"company_id": mine["company_id"]}, headers={"if-match": "*"})
    assert moved.status_code == 422
    assert (await user.delete(f"companies/{mine['company_id']}")).status_code == 204
    assert (await user.get(f"{name}/{made['id']}")).status_code == 404


async def test_contacts_are_listed_by_company_and_deals_by_status(here: Api) -> None:
    user = await here.user()
    first, second = [await wanted(user, "contacts") for _ in range(2)]
    contacts = [await user.made("contacts", **one) for one in (first, second)]
    deals = [await user.made("deals", company_id=first["company_id"], status=one) for one in ("open", "won")]

    assert await user.got("contacts", company_id=first["company_id"]) == contacts[:1]
    assert await user.got("contacts") == contacts[::-1]
    assert await user.got("deals", status="won") == deals[1:]
    assert (await user.get("contacts", params={"company_id": "x"})).status_code == 422
    assert (await user.got("dashboard"))["open_deals"] == 1


async def test_the_search_engine_hears_of_contacts_that_go_with_their_company(
    owner: psycopg.Connection, given: Settings
) -> None:
    async with api(given.model_copy(update={"search_endpoint": "https://search.example.com"})) as searching:
        user = await searching.user()
        fields = await wanted(user, "contacts")
        contact = await user.made("contacts", **fields)
        owner.execute("DELETE FROM outbox")
        await user.delete(f"companies/{fields['company_id']}")

    asked = owner.execute("SELECT payload FROM outbox WHERE topic = 'search-index' ORDER BY position").fetchall()
    assert [one for (one,) in asked] == [
        {"kind": "contacts", "id": contact["id"]},
        {"kind": "companies", "id": fields["company_id"]},
    ]


def fill(owner: psycopg.Connection, user_id: object, count: int) -> None:
    """Leads of which ten each have the same time."""
    owner.execute(
        "INSERT INTO leads (user_id, email, status, created_at) SELECT %s, n || '@example.org', "
        "CASE n %% 3 WHEN 0 THEN 'lost' ELSE 'new' END, now() - interval '1 hour' * (n / 10) "
        "FROM generate_series(1, %s) n",
        (user_id, count),
    )


async def test_a_long_list_is_read_by_cursor_to_its_end(here: Api, owner: psycopg.Connection) -> None:
    user, other = await here.user(), await here.user()
    fill(owner, user.user_id, 57)
    fill(owner, other.user_id, 10)

    for query, expected in (({}, 57), ({"status": "lost"}, 19)):
        seen: list[str] = []
        cursor: str | None = None
        while True:
            answer = await user.get("leads", params={**query, **({"cursor": cursor} if cursor else {}), "limit": 9})
            seen += [one["id"] for one in answer.json()["data"]]
            await user.made("leads", **MAKE["leads"])
            page = answer.json()["meta"]["page"]
            assert page["limit"] == 9
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == expected
        expected_ids = owner.execute(
            "SELECT id::text FROM leads WHERE user_id = %s AND email <> 'lead@example.org' AND status LIKE %s "
            "ORDER BY created_at DESC, id DESC",
            (user.user_id, query.get("status", "%")),
        ).fetchall()
        assert seen == [one for (one,) in expected_ids]
        owner.execute("DELETE FROM leads WHERE email = 'lead@example.org'")


async def test_a_page_has_twenty_rows_and_never_more_than_a_hundred(here: Api, owner: psycopg.Connection) -> None:
    user = await here.user()
    fill(owner, user.user_id, 130)
    await user.made("companies", **MAKE["companies"])

    lists = [one.name for one in RESOURCES] + ["posts", "feed"]
    for name in lists:
        assert (await user.get(name, params={"limit": 100})).status_code == 200
        for limit in ("101", "0", "-1", "x", "99999999999999999999"):
            assert (await user.get(name, params={"limit": limit})).status_code == 422
    assert len(await user.got("leads")) == 20
    assert len(await user.got("leads", limit=100)) == 100


async def test_a_short_list_is_counted(here: Api) -> None:
    user = await here.user()
    for number in range(5):
        await user.made("companies", name=f"Company {number}")

    answers = [(await user.get("companies", params={"limit": 2, "page": page})).json() for page in (1, 2, 3, 4)]

    assert [one["meta"]["page"] for one in answers] == [
        {"page": 1, "limit": 2, "total": 5, "pages": 3, "hasNext": True, "hasPrev": False},
        {"page": 2, "limit": 2, "total": 5, "pages": 3, "hasNext": True, "hasPrev": True},
        {"page": 3, "limit": 2, "total": 5, "pages": 3, "hasNext": False, "hasPrev": True},
        {"page": 4, "limit": 2, "total": 5, "pages": 3, "hasNext": False, "hasPrev": True},
    ]
    names = [row["name"] for one in answers for row in one["data"]]
    assert names == [f"Company {number}" for number in (4, 3, 2, 1, 0)]


async def test_a_cursor_of_another_list_or_of_nobodys_making_is_refused(here: Api, owner: psycopg.Connection) -> None:
    user = await here.user()
    fill(owner, user.user_id, 21)
    cursor = (await user.get("leads")).json()["meta"]["page"]["next_cursor"]

    for path, given in (
        ("campaigns", cursor),
        ("feed", cursor),
        ("leads", ""),
        ("leads", "x"),
        ("leads", "é"),
        ("leads", cursor[:-1]),
        ("leads", cursor + "="),
        ("leads", f"{cursor}A"),
        ("leads", "bGVhZHN8OTk5OTk5OTk5OTk5OTk5OTk5OTk5fDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw"),
    ):
        refused = await user.get(path, params={"cursor": given})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_cursor"), (path, given)
    assert len((await user.get("leads", params={"cursor": cursor})).json()["data"]) == 1


def test_a_cursor_survives_the_way_to_the_client_and_back(owner: psycopg.Connection) -> None:
    row = owner.execute("SELECT timestamptz '0001-01-01 00:00:00.000001Z', gen_random_uuid()").fetchone()
    assert row is not None
    cursor = Cursor(*row)

    assert Cursor.decode("leads", cursor.encode("leads")) == cursor


async def test_what_is_cheap_does_not_count_against_the_quota(here: Api) -> None:
    user = await here.user()

    assert (await user.get("feed")).headers["ratelimit-policy"] == '"burst";q=1000;w=60'
    assert (await user.get("leads")).headers["ratelimit-policy"] == f'"{QUOTAS[0].name}";q={QUOTAS[0].limit};w=900'


async def test_the_days_actions_are_counted(here: Api, redis_url: str) -> None:
    user = await here.user()
    lead = await user.made("leads", **MAKE["leads"])
    await user.made("leads", **MAKE["leads"])
    await user.delete(f"leads/{lead['id']}")

    with redis.Redis.from_url(redis_url, decode_responses=True) as store:
        [key] = store.keys("user_actions:*")
        counted = store.hgetall(key)
        life = store.ttl(key)

    assert counted == {"create_lead": "2", "delete_lead": "1"}
    assert 29 * 86_400 < life <= 30 * 86_400
