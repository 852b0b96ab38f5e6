"""Posts: written by their authors, read by everybody, from the cache and never behind it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import orjson
import psycopg
import pytest
from fastapi import APIRouter, Request, Response

from app.api.plain import Plain
from app.api.posts import PostSummary
from app.data.errors import UnreachableError
from app.data.shards import slot_of
from tests.app.api.world import Api, api
from tests.app.environment import SHARD_MAP, settings
from tests.app.servers import Postgres
from tests.app.wired import at

pytestmark = pytest.mark.anyio

POST = {"title": "How we grew", "body": "Slowly, then all at once.", "categories": ["growth"]}


async def test_an_answer_is_in_the_envelope(here: Api) -> None:
    author = await here.user()

    answer = await author.post("posts", json=POST)

    assert answer.status_code == 201
    told = answer.json()
    assert set(told) == {"success", "data", "meta"}
    assert told["success"] is True
    assert told["meta"]["request_id"] == answer.headers["x-request-id"]
    assert told["meta"]["timestamp"].endswith("Z")
    assert told["data"]["slug"].startswith("how-we-grew-")
    assert answer.headers["location"] == f"/api/v1/posts/{told['data']['slug']}"
    assert (await author.get(answer.headers["location"])).json()["data"] == told["data"]


async def test_a_new_post_is_in_every_list_at_once_though_they_are_cached(here: Api) -> None:
    author, reader = await here.user(), await here.user()
    assert await reader.got("feed") == []
    assert await reader.got("posts", category="growth") == []

    post = await author.made("posts", **POST)

    assert [one["slug"] for one in await reader.got("feed")] == [post["slug"]]
    assert [one["slug"] for one in await reader.got("posts", category="growth")] == [post["slug"]]
    assert await reader.got("posts", category="sales") == []


async def test_what_was_read_before_comes_from_memory_and_is_served_stale_when_the_database_is_gone(
    here: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    author, reader = await here.user(), await here.anybody()
    post = await author.made("posts", **POST)
    paths = ("posts", "posts/trending", "categories", f"posts/{post['slug']}")
    for path in paths:
        assert (await reader.get(path)).headers["x-cache"] == "DB"
        assert (await reader.get(path)).headers["x-cache"] == "L1"

    def away(*_: object, **__: object) -> None:
        raise UnreachableError

    monkeypatch.setattr("app.data.database.Database.system_reader", away)
    later = time.time() + 4_000
    monkeypatch.setattr("app.cache.tiers.TieredCache._clock", property(lambda _: lambda: later), raising=False)
    for path in ("posts", f"posts/{post['slug']}"):
        stale = await reader.get(path)
        assert (stale.status_code, stale.headers["x-cache"], stale.json()["meta"]["stale"]) == (200, "STALE", True)
    refused = await reader.get("posts/unknown")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "database_unavailable")


async def test_a_change_needs_the_version_that_was_read(here: Api) -> None:
    author = await here.user()
    post = await author.made("posts", **POST)
    path = f"posts/{post['slug']}"
    read = await author.get(path)

    assert (await author.patch(path, json={"title": "B"})).json()["error"]["code"] == "if_match_required"
    first = await author.patch(path, json={"title": "B"}, headers={"if-match": read.headers["etag"]})
    second = await author.patch(path, json={"title": "C"}, headers={"if-match": read.headers["etag"]})

    assert (first.status_code, second.status_code) == (200, 412)
    assert second.json()["error"]["code"] == "changed_meanwhile"
    assert first.headers["etag"] != read.headers["etag"]
    assert (await author.got(path))["title"] == "B"
    assert (await author.got("feed"))[0]["title"] == "B"


async def test_a_post_is_its_authors_to_change_and_delete(here: Api) -> None:
    author, other = await here.user(), await here.user()
    path = f"posts/{(await author.made('posts', **POST))['slug']}"

    assert (await other.patch(path, json={"title": "B"}, headers={"if-match": "*"})).status_code == 404
    assert (await other.delete(path)).status_code == 404
    assert (await author.delete(path, headers={"if-match": '"7"'})).status_code == 412
    assert (await author.delete(path)).status_code == 204
    assert (await other.get(path)).status_code == 404
    assert (await author.delete(path)).status_code == 404
    assert await other.got("feed") == []


async def test_the_edge_may_keep_what_was_asked_without_a_credential_only(here: Api) -> None:
    author, anybody = await here.user(), await here.anybody()
    post = await author.made("posts", **POST)

    for path in ("posts", "posts/trending", "categories", f"posts/{post['slug']}"):
        shared = await anybody.get(path)
        assert shared.headers["cache-control"] == "public, max-age=0, s-maxage=300, stale-while-revalidate=86400"
        assert "set-cookie" not in shared.headers
        assert (await author.get(path)).headers["cache-control"] == "private, no-store"
        with_cookie = await anybody.get(path, headers={"cookie": "theme=dark"})
        assert with_cookie.headers["cache-control"] == "private, no-store"
    assert (await anybody.get("posts/none")).headers["cache-control"] == "no-store"
    assert (await anybody.get("feed")).status_code == 401


async def test_what_the_client_has_is_not_sent_again(here: Api) -> None:
    author, anybody = await here.user(), await here.anybody()
    post = await author.made("posts", **POST)

    for path in ("posts", "posts/trending", "categories", f"posts/{post['slug']}"):
        tag = (await anybody.get(path)).headers["etag"]
        again = await anybody.get(path, headers={"if-none-match": f'"other", {tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert (await anybody.get(path, headers={"if-none-match": '"other"'})).status_code == 200
    tag = (await anybody.get("posts")).headers["etag"]
    await author.made("posts", **POST)
    assert (await anybody.get("posts", headers={"if-none-match": tag})).status_code == 200


async def test_a_row_is_written_as_its_model_would_write_it(here: Api) -> None:
    user = await here.user()
    await user.made("posts", title='Quo"ted <b>é</b> \u2028', body="x" * 400, categories=["a", "b"])

    for path in ("feed", "posts"):
        whole = (await user.get(path)).content
        (found,) = orjson.loads(whole)["data"]
        assert PostSummary.model_validate(found).model_dump_json().encode() in whole


async def test_the_feed_reads_its_part_of_the_list_as_other_lists_do(here: Api) -> None:
    """It does without the framework's reading, which the others have."""
    user = await here.user()
    for query in ({"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"limit": ""}, {"cursor": "x" * 201}):
        answers = [(await user.get(path, params=query)) for path in ("feed", "posts")]
        assert {answer.status_code for answer in answers} == {422}
        assert answers[0].json()["error"]["fields"] == answers[1].json()["error"]["fields"], query
    for fits in ({}, {"limit": "1"}, {"limit": "100", "more": "x"}, {"limit": ["7", "3"]}):
        answers = [(await user.get(path, params=fits)) for path in ("feed", "posts")]
        assert answers[0].json()["meta"]["page"] == answers[1].json()["meta"]["page"], fits
    described = (await user.get("openapi.json")).json()["paths"]
    of = {path: described[f"/api/v1/{path}"]["get"]["parameters"] for path in ("feed", "posts")}
    assert of["feed"] == [one for one in of["posts"] if one["name"] != "category"]


async def test_the_feed_is_for_who_is_logged_in_now(here: Api) -> None:
    user = await here.user()
    assert (await user.get("feed")).status_code == 200

    assert (await user.post("auth/logout")).is_success

    assert (await user.get("feed")).status_code == 401
    assert (await (await here.anybody()).get("feed")).status_code == 401


async def test_a_plain_route_is_for_endpoints_that_want_no_more_than_the_request() -> None:
    router = APIRouter(route_class=Plain)

    with pytest.raises(TypeError, match="takes the request"):

        @router.get("/items")
        async def items(request: Request, limit: int = 1) -> Response:
            return Response(f"{request.url} {limit}")


async def test_the_list_is_read_to_its_end_without_a_gap_or_a_repetition(here: Api, owner: psycopg.Connection) -> None:
    """Many at the same time, and new ones while somebody reads."""
    author = await here.user()
    owner.execute(
        "INSERT INTO posts (user_id, slug, title, body, categories, published_at) SELECT %s, 'p' || n, 'T', 'B', "
        "ARRAY['growth'], now() - interval '1 hour' * (n / 10) FROM generate_series(1, 57) n",
        (author.user_id,),
    )

    for query in ({}, {"category": "growth"}):
        seen: list[str] = []
        cursor = None
        while True:
            answer = await author.get("posts", params={**query, "limit": 9, **({"cursor": cursor} if cursor else {})})
            seen += [one["slug"] for one in answer.json()["data"]]
            await author.made("posts", **POST)
            cursor = answer.json()["meta"]["page"]["next_cursor"]
            if cursor is None:
                break
        old = [slug for slug in seen if slug.startswith("p")]
        assert sorted(old, key=lambda slug: int(slug[1:])) == [f"p{n}" for n in range(1, 58)]
        assert len(set(seen)) == len(seen)


async def test_an_end_that_is_none_any_more_has_another_tag(here: Api, owner: psycopg.Connection) -> None:
    user = await here.user()
    for title in ("A", "B", "C"):
        await user.made("posts", title=title, body="B")
    first = (await user.get("posts", params={"limit": 1})).json()
    rest = {"limit": 2, "cursor": first["meta"]["page"]["next_cursor"]}
    end = await user.get("posts", params=rest)
    owner.execute(
        "INSERT INTO posts (user_id, slug, title, body, published_at) "
        "SELECT user_id, 'older', 'Older', 'B', now() - interval '1 day' FROM posts LIMIT 1"
    )
    same = await user.get("posts", params=rest, headers={"if-none-match": end.headers["etag"]})
    assert end.json()["meta"]["page"]["next_cursor"] is None
    assert same.status_code == 200
    assert same.json()["data"] == end.json()["data"]
    assert same.json()["meta"]["page"]["next_cursor"]


async def test_the_most_liked_come_first(here: Api, owner: psycopg.Connection) -> None:
    author = await here.user()
    owner.execute(
        "INSERT INTO posts (user_id, slug, title, body, likes) "
        "SELECT %s, 'p' || n, 'T', 'B', n FROM generate_series(1, 120) n",
        (author.user_id,),
    )

    found = await author.got("posts/trending")

    assert [one["likes"] for one in found] == list(range(120, 20, -1))


async def test_posts_of_all_shards_are_one_list(
    tmp_path: Path, postgres: Postgres, database: str, migrated_template: str, redis_url: str
) -> None:
    """A row that a move has copied to another shard already is in it once."""
    second = postgres.create_database(migrated_template)
    one = SHARD_MAP["shards"][0]
    shards = [
        {**one, "database": database, "slots": [[0, 127]]},
        {**one, "id": 1, "database": second, "slots": [[128, 255]]},
    ]
    given = settings(
        tmp_path, **{**at(postgres, database, redis_url), "SHARD_MAP": json.dumps({**SHARD_MAP, "shards": shards})}
    )
    try:
        async with api(given) as here:
            authors = [await here.user()]
            while len({slot_of(one.user_id) < 128 for one in authors}) < 2:
                authors.append(await here.user())
            slugs = [(await author.made("posts", **POST))["slug"] for author in authors]
            with psycopg.connect(postgres.url(database)) as left, psycopg.connect(postgres.url(second)) as right:
                newest = "SELECT id, user_id, slug FROM posts ORDER BY published_at DESC LIMIT 1"
                rows = [one.execute(newest).fetchone() for one in (left, right)]
                for row, target in zip(rows, (right, left), strict=True):
                    assert row is not None
                    target.execute("INSERT INTO users (id, email) VALUES (%s, %s)", (row[1], f"{row[1]}@example.com"))
                    target.execute(
                        "INSERT INTO posts (id, user_id, slug, title, body) VALUES (%s, %s, %s, 'copy', 'copy')", row
                    )
            await authors[0].made("posts", **POST)

            listed = [post["slug"] for post in await authors[0].got("feed")]

            assert listed[1:] == slugs[::-1]
            for slug in slugs:
                assert (await authors[0].got(f"posts/{slug}"))["title"] == POST["title"]
    finally:
        postgres.drop_database(second)


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": ""},
        {"title": "  "},
        {"title": "a\0b"},
        {"body": "x" * 50_001},
        {"categories": ["Growth"]},
        {"categories": ["a"] * 6},
        {"likes": 1_000},
        {"user_id": "4a4b6f3a-4b8e-4f0e-9a63-3c63a6d8f3ff"},
    ],
)
async def test_what_does_not_fit_is_refused_without_being_quoted(here: Api, wrong: dict[str, object]) -> None:
    author = await here.user()

    answer = await author.post("posts", json={**POST, **wrong})

    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid_request"
    assert set(answer.json()["error"]["fields"][0]) == {"field", "rule"}
