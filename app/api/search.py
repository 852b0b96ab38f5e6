"""Finding posts, and a user's own leads, companies and contacts, by words and by their beginnings.

Whoever finds, the engine or PostgreSQL, gives ids in order; the rows themselves come from the database, as the user.
So nothing is shown that has been deleted or is somebody else's, whatever an index has.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

from pydantic import BaseModel

from app.api.context import Own
from app.api.posts import everywhere
from app.data.connection import Row

Kind = Literal["posts", "leads", "companies", "contacts"]
KINDS: tuple[Kind, ...] = ("posts", "leads", "companies", "contacts")
MOST_WORDS = 10
CANDIDATES = 1_000
"""PostgreSQL ranks so many at most: a word that is in every post would have it read them all."""


class Hit(BaseModel):
    """What was found: where to read it, and what to show for it."""

    kind: Kind
    id: UUID
    title: str
    text: str
    path: str | None


class Found(NamedTuple):
    """A hit before it is read. Ranks of one search compare, whatever the kind."""

    kind: Kind
    id: UUID
    rank: float


class Query(NamedTuple):
    """What to find.

    Attributes:
        words: all of which must be in it; of the last one, the beginning will do.
        kinds: where to look.
        limit: at most so many.
    """

    words: tuple[str, ...]
    kinds: tuple[Kind, ...]
    limit: int

    @property
    def tsquery(self) -> str:
        """For `to_tsquery`. The words have nothing but letters and digits, so none is taken for an operator."""
        return " & ".join(self.words) + ":*"


class Searcher(Protocol):
    """Finds ids."""

    async def find(self, own: Own, query: Query) -> list[Found]:
        """The best first."""
        ...


def words_of(text: str) -> tuple[str, ...]:
    """Letters and digits of every script; none of an empty text."""
    return tuple(re.findall(r"[^\W_]+", text.lower())[:MOST_WORDS])


# The inner LIMIT is what bounds the work.
POSTS = f"""SELECT id, user_id, ts_rank(search, words) AS rank FROM (
SELECT id, user_id, search, words FROM posts, to_tsquery('english', $1) AS words
WHERE search @@ words LIMIT {CANDIDATES}
) AS candidates ORDER BY rank DESC, id LIMIT $2"""  # noqa: S608 of this file
_TEXTS: Mapping[Kind, str] = {
    "leads": "name || ' ' || company || ' ' || email",
    "companies": "name || ' ' || domain",
    "contacts": "name || ' ' || email",
}
# A user's own rows are found by the user; that leaves few enough to be read without an index of their words.
_OWN = """SELECT id, ts_rank(words_of_row, words) AS rank FROM (
SELECT id, to_tsvector('simple', translate({text}, '@.-', '   ')) AS words_of_row, words
FROM {table}, to_tsquery('simple', $1) AS words WHERE user_id = $3
) AS own_rows WHERE words_of_row @@ words ORDER BY rank DESC, id LIMIT $2"""
OWN = {kind: _OWN.format(text=text, table=kind) for kind, text in _TEXTS.items()}
_SHOWN: Mapping[Kind, tuple[str, str]] = {
    "leads": ("CASE name WHEN '' THEN email ELSE name END", "company"),
    "companies": ("name", "domain"),
    "contacts": ("name", "email"),
}
SHOW = {
    kind: f"SELECT id, {title} AS title, {text} AS text FROM {kind} WHERE id = ANY($1) AND user_id = $2"  # noqa: S608 of this file
    for kind, (title, text) in _SHOWN.items()
}
SHOW_POSTS = "SELECT id, user_id, slug, title, left(body, 280) AS text FROM posts WHERE id = ANY($1)"


class InDatabase:
    """PostgreSQL: the index of posts' words, and the words of a user's own rows as they are read."""

    async def find(self, own: Own, query: Query) -> list[Found]:
        """The best first, each kind by its own rank."""
        found: list[Found] = []
        if "posts" in query.kinds:
            posts = await everywhere(own.here, POSTS, query.tsquery, query.limit)
            found += [Found("posts", row["id"], row["rank"]) for row in posts]
        if wanted := [kind for kind in query.kinds if kind in OWN]:
            async with own.reading() as reading:
                for kind in wanted:
                    rows = await reading.fetch(OWN[kind], query.tsquery, query.limit, own.user_id)
                    found += [Found(kind, row["id"], row["rank"]) for row in rows]
        return sorted(found, key=lambda one: (-one.rank, one.id.bytes))[: query.limit]


async def show(own: Own, found: Sequence[Found]) -> list[Hit]:
    """The rows of what was found, in its order; without those that are gone, or are not the user's."""
    ids: dict[Kind, list[UUID]] = {}
    for one in found:
        ids.setdefault(one.kind, []).append(one.id)
    posts, rows = await asyncio.gather(_posts(own, ids.pop("posts", [])), _own_rows(own, ids))
    hits = posts | rows
    return [hits[one.kind, one.id] for one in found if (one.kind, one.id) in hits]


async def _posts(own: Own, ids: Sequence[UUID]) -> dict[tuple[Kind, UUID], Hit]:
    rows = await everywhere(own.here, SHOW_POSTS, ids) if ids else []
    return {("posts", row["id"]): _hit("posts", row, f"/api/v1/posts/{row['slug']}") for row in rows}


async def _own_rows(own: Own, ids: Mapping[Kind, Sequence[UUID]]) -> dict[tuple[Kind, UUID], Hit]:
    if not ids:
        return {}
    hits: dict[tuple[Kind, UUID], Hit] = {}
    async with own.reading() as reading:
        for kind, wanted in ids.items():
            for row in await reading.fetch(SHOW[kind], wanted, own.user_id):
                # Contacts have no route of their own yet.
                path = None if kind == "contacts" else f"/api/v1/{kind}/{row['id']}"
                hits[kind, row["id"]] = _hit(kind, row, path)
    return hits


def _hit(kind: Kind, row: Row, path: str | None) -> Hit:
    return Hit(kind=kind, id=row["id"], title=row["title"], text=row["text"], path=path)
