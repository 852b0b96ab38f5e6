"""The routes' own queries, on the rows that the product starts with: each finds its rows by an index."""

from __future__ import annotations

from uuid import UUID, uuid4

import psycopg
import pytest

from app.api import dashboard, posts, search
from app.api.customers import RESOURCES
from app.data.migrations.protection import SYSTEM
from tests.app.data.conftest import seeded, seeded_template
from tests.app.servers import APPLICATION, Postgres

__all__ = ["seeded", "seeded_template"]

NOW = "timestamptz '2030-01-01 00:00:00Z'"
EVERYBODYS = {
    "the newest posts": (posts.NEWEST, ("21",), "posts_published_at"),
    "older posts": (posts.NEWEST_AFTER, ("21", NOW, f"'{uuid4()}'"), "posts_published_at"),
    "trending posts": (posts.TRENDING, ("100",), "posts_likes"),
    "a post": (posts.BY_SLUG, ("'post-7'",), "posts_slug"),
    "posts by id": (search.SHOW_POSTS, (f"ARRAY['{uuid4()}'::uuid]",), "posts_pkey"),
    "posts by words": (search.POSTS, ("'webinar & zebra:*'", "20"), "posts_search"),
}
LISTS = {one.name: one for one in RESOURCES}


def plan(postgres: Postgres, database: str, query: str, values: tuple[str, ...], user: UUID | None) -> str:
    """As the pods ask, with values in place of the parameters."""
    for number in range(len(values), 0, -1):
        query = query.replace(f"${number}", values[number - 1])
    with psycopg.connect(postgres.url(database, APPLICATION)) as connection:
        set_up = "SELECT set_config('app.user_id', %s, true), set_config('role', %s, true)"
        connection.execute(set_up, (str(user or ""), "none" if user else SYSTEM))
        # On rows as few as these, reading all of them may be as good; whether the index can be used is the question.
        connection.execute("SET LOCAL enable_seqscan = off")
        return "\n".join(line for (line,) in connection.execute(f"EXPLAIN {query}".encode()).fetchall())


@pytest.fixture
def somebody(seeded: psycopg.Connection) -> UUID:
    row = seeded.execute("SELECT user_id FROM leads GROUP BY 1 ORDER BY count(*) DESC LIMIT 1").fetchone()
    assert row is not None
    user: UUID = row[0]
    return user


@pytest.mark.parametrize("name", EVERYBODYS)
def test_what_everybody_reads_is_found_by_index(postgres: Postgres, seeded_template: str, name: str) -> None:
    query, values, index = EVERYBODYS[name]

    found = plan(postgres, seeded_template, query, values, None)

    assert index in found
    assert "Seq Scan on posts" not in found


@pytest.mark.parametrize("name", LISTS)
def test_a_users_list_is_found_by_index(postgres: Postgres, seeded_template: str, somebody: UUID, name: str) -> None:
    after = f" AND (created_at, id) < ({NOW}, '{uuid4()}')" if LISTS[name].paging == "cursor" else ""
    query = LISTS[name].newest.format(after)

    found = plan(postgres, seeded_template, query, (f"'{somebody}'", "21"), somebody)

    assert f"{name}_user_id" in found
    assert "Seq Scan" not in found
    if name == "leads":  # Of the others even this user has too few for the order to matter.
        assert "Sort" not in found


@pytest.mark.parametrize("query", [dashboard.NUMBERS, *search.OWN.values()])
def test_a_users_numbers_and_words_are_of_their_own_rows_alone(
    postgres: Postgres, seeded_template: str, somebody: UUID, query: str
) -> None:
    me = f"'{somebody}'"
    values = (me,) if query == dashboard.NUMBERS else ("'a:*'", "20", me)

    found = plan(postgres, seeded_template, query, values, somebody)

    assert "Seq Scan" not in found
