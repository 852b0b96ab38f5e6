"""Searching: what is found, by whom, and what happens when the engine is away."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from app.api.search import MOST_WORDS, Query, words_of
from app.api.search_engine import PAUSE_SECONDS, Engine, EngineError
from app.data.database import Access, Database
from app.data.shards import Shards
from app.settings import Settings
from app.worker.jobs import Job, MalformedError
from app.worker.service import Indexer
from tests.app.api.engine import ROLE, Sts, serving
from tests.app.api.world import Api, api
from tests.app.environment import settings
from tests.app.servers import Postgres
from tests.app.wired import at

pytestmark = pytest.mark.anyio


async def found(user: Any, **query: Any) -> list[tuple[str, str]]:
    return [(one["kind"], one["title"]) for one in await user.got("search", **query)]


async def test_posts_are_found_by_words_in_their_forms_and_by_the_beginning_of_the_last(here: Api) -> None:
    user = await here.user()
    await user.made("posts", title="Pricing webinars", body="What customers pay.")
    await user.made("posts", title="Launching", body="A webinar about pricing, pricing and pricing.")

    assert sorted(await found(user, q="webinar")) == [("posts", "Launching"), ("posts", "Pricing webinars")]
    assert (await found(user, q="pricing"))[0] == ("posts", "Launching")
    assert await found(user, q="customer pric") == [("posts", "Pricing webinars")]
    assert await found(user, q="nothing like it") == []
    assert await found(user, q="the") == []
    assert [one["path"] for one in await user.got("search", q="customers")] == [
        f"/api/v1/posts/{(await user.got('feed'))[1]['slug']}"
    ]


async def test_own_rows_are_found_by_name_company_and_address_and_others_never(
    here: Api, owner: psycopg.Connection
) -> None:
    user, other = await here.user(), await here.user()
    for one in (user, other):
        await one.made("leads", email="ada@engines.example", name="Ada Lovelace", company="Analytical")
        company = await one.made("companies", name="Engines", domain="engines.example")
        owner.execute(
            "INSERT INTO contacts (user_id, company_id, name, email) VALUES (%s, %s, 'Charles', 'c@engines.example')",
            (one.user_id, company["id"]),
        )

    assert await found(user, q="lovel") == [("leads", "Ada Lovelace")]
    assert sorted(await found(user, q="engines")) == [
        ("companies", "Engines"),
        ("contacts", "Charles"),
        ("leads", "Ada Lovelace"),
    ]
    assert await found(user, q="engines", kind="contacts") == [("contacts", "Charles")]
    assert await found(user, q="ada@engines.example") == [("leads", "Ada Lovelace")]
    assert len(await found(user, q="engines", limit=2)) == 2
    assert (await (await here.anybody()).get("search", params={"q": "engines"})).status_code == 401


@pytest.mark.parametrize(
    "text", ["&", "!", "a & !", "'", "\\", "a:*b", "(", "%", "_", "\0", "ада", "日本", "<->", " ", "x" * 200, "é'é"]
)
async def test_what_is_no_word_is_no_operator_either(here: Api, text: str) -> None:
    user = await here.user()

    assert await user.got("search", q=text) == []


def test_words_are_few_and_plain() -> None:
    assert words_of("Ada's 2nd_e-mail & Ünï") == ("ada", "s", "2nd", "e", "mail", "ünï")
    assert len(words_of("word " * 50)) == MOST_WORDS
    assert Query(("a", "b"), ("posts",), 5).tsquery == "a & b:*"


@pytest.fixture
def with_engine(tmp_path: Path, postgres: Postgres, database: str, redis_url: str) -> Any:
    def make(url: str) -> Settings:
        more = {"SEARCH_ENDPOINT": url, "SEARCH_ROLE_ARN": ROLE}
        return settings(tmp_path, **{**at(postgres, database, redis_url), **more})

    return make


async def test_the_engine_finds_and_the_database_shows_what_is_still_the_users(
    with_engine: Any, owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    sts = Sts()
    monkeypatch.setattr("app.aws.Aws.client", lambda _, service: sts.client(service))
    async with serving() as server, api(with_engine(server.url)) as here:
        user, other = await here.user(), await here.user()
        mine = await user.made("leads", email="ada@example.org", name="Ada")
        theirs = await other.made("leads", email="bob@example.org", name="Bob")
        post = await other.made("posts", title="Hello", body="World")
        server.fill(0)
        # As an index might answer that is behind, or wrong.
        server.hits = [
            {"_index": "headroom-leads", "_id": theirs["id"], "_score": 9.0},
            {"_index": "headroom-posts", "_id": post["id"], "_score": 8.0},
            {"_index": "headroom-leads", "_id": str(uuid4()), "_score": 7.0},
            {"_index": "headroom-leads", "_id": mine["id"], "_score": 6.0},
        ]

        assert await found(user, q="ada lo", limit=4) == [("posts", "Hello"), ("leads", "Ada")]

        [asked] = server.searches
        assert (asked.method, asked.path.partition("?")[0]) == (
            "POST",
            "/headroom-posts,headroom-leads,headroom-companies,headroom-contacts/_search",
        )
        assert asked.body["size"] == 4
        assert str(user.user_id) in str(asked.body["query"]["bool"]["filter"])
        assert asked.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIATEST/")
        assert "/us-east-1/es/aws4_request" in asked.headers["Authorization"]
        assert asked.headers["X-Amz-Security-Token"] == "session-of-the-role"
        assert sts.roles == [ROLE]
        # What was written is on its way to the index.
        jobs = owner.execute("SELECT topic, payload FROM outbox ORDER BY created_at").fetchall()
        assert jobs == [
            ("search-index", {"kind": "leads", "id": mine["id"]}),
            ("search-index", {"kind": "leads", "id": theirs["id"]}),
            ("search-index", {"kind": "posts", "id": post["id"]}),
        ]


@pytest.mark.parametrize("trouble", ["500", "403", "nonsense", "gone", "no credentials"])
async def test_without_the_engine_the_database_finds(
    with_engine: Any, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    sts = Sts()
    if trouble == "no credentials":
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    else:
        monkeypatch.setattr("app.aws.Aws.client", lambda _, service: sts.client(service))
    async with serving() as server:
        url = "http://127.0.0.1:9" if trouble == "gone" else server.url
        server.fill(0)
        server.status = int(trouble) if trouble.isdecimal() else 200
        server.hits = [{"_index": "headroom-leads"}] if trouble == "nonsense" else []
        async with api(with_engine(url)) as here:
            user = await here.user()
            await user.made("leads", email="ada@example.org", name="Ada")

            for _ in range(3):
                assert await found(user, q="ada") == [("leads", "Ada")]

        # Having failed, it is left alone for a moment.
        assert len(server.asked) == {"gone": 0, "no credentials": 0, "nonsense": 2}.get(trouble, 1)


async def test_after_a_pause_the_engine_is_asked_again(with_engine: Any) -> None:
    now = 100.0
    async with serving() as server:
        server.status = 500
        async with Engine(lambda: now) as engine:
            with pytest.raises(EngineError, match="500"):
                await engine.ask(with_engine(server.url), Sts(), "GET", "/")
            assert engine.is_resting()
            now += PAUSE_SECONDS
            assert not engine.is_resting()


async def test_credentials_are_kept_until_shortly_before_their_end(with_engine: Any) -> None:
    async with serving() as server:
        given, sts = with_engine(server.url), Sts()
        async with Engine() as engine:
            for _ in range(2):
                await engine.ask(given, sts, "GET", "/")
        assert len(sts.roles) == 1
        sts.life = timedelta(minutes=4)
        async with Engine() as engine:
            for _ in range(2):
                await engine.ask(given, sts, "GET", "/")
        assert len(sts.roles) == 3


async def test_a_row_is_indexed_as_it_is_and_taken_out_when_it_is_gone(
    here: Api, with_engine: Any, owner: psycopg.Connection
) -> None:
    user = await here.user()
    lead = await user.made("leads", email="ada@example.org", name="Ada", company="Engines")
    post = await user.made("posts", title="Hello", body="World")
    async with serving() as server:
        given = with_engine(server.url)
        async with Database(Access.of(given), Shards(given.shard_map)) as database, Engine() as engine:
            indexer = Indexer(given, database, Sts(), engine)

            async def index(kind: str, row: Any) -> None:
                payload = {"kind": kind, "id": str(row["id"])}
                await indexer.index(Job(id=uuid4(), kind="search-index", user_id=user.user_id, payload=payload))

            await index("leads", lead)
            await index("posts", post)
            owner.execute("DELETE FROM leads")
            await index("leads", lead)
            # Somebody newer was first: 409 is as good as done.
            server.status = 409
            await index("posts", post)
            with pytest.raises(MalformedError):
                await index("users", lead)

    made, asked = server.asked[:4], server.asked[4:]
    assert [one.path for one in made] == [f"/headroom-{kind}" for kind in ("posts", "leads", "companies", "contacts")]
    assert [(one.method, one.path.partition("?")[0]) for one in asked] == [
        ("PUT", f"/headroom-leads/_doc/{lead['id']}"),
        ("PUT", f"/headroom-posts/_doc/{post['id']}"),
        ("DELETE", f"/headroom-leads/_doc/{lead['id']}"),
        ("PUT", f"/headroom-posts/_doc/{post['id']}"),
    ]
    assert asked[0].body == {
        "title": "Ada",
        "text": "Ada Engines ada@example.org",
        "user_id": str(user.user_id),
    }
    assert asked[1].body == {"title": "Hello", "text": "World"}
    assert "version_type=external_gte" in asked[0].path
