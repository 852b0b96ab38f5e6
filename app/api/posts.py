"""Posts: what their authors write, and how everybody's are read from all shards."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import orjson
from pydantic import BaseModel, Field, TypeAdapter

from app.api import etags
from app.api.context import Here
from app.api.cursors import DEFAULT_LIMIT, MAXIMUM_LIMIT, Cursor
from app.api.fields import Asked, Category, Change, LongText, Name
from app.cache.answers import Cached, Tier
from app.cache.kinds import CATEGORIES, POSTS, Kind
from app.data.connection import Row

SUBJECT = "posts"
"""Of bookmarks: a cache that everybody reads is not filled with what a replica had before the newest change."""
FEED = "feed"
"""Name of the lists by time, in cursors."""
TRENDING_POSTS = 100
TRENDING_SECONDS = 300
EXCERPT_CHARACTERS = 280
_HEADS = (DEFAULT_LIMIT, MAXIMUM_LIMIT)
"""Lengths in which the beginning of a list is cached; a page takes the shortest that has it."""
_SLUG_CHARACTERS = 80


class Author(BaseModel):
    """Who wrote it."""

    id: UUID
    display_name: str


class PostSummary(BaseModel):
    """A post in a list."""

    id: UUID
    slug: str
    title: str
    excerpt: str
    categories: list[str]
    likes: int
    published_at: datetime
    author: Author


class Post(PostSummary):
    """All of it."""

    body: str
    version: int
    updated_at: datetime


class CategoryCount(BaseModel):
    """A category, and how many posts are in it."""

    category: str
    posts: int


Categories = Annotated[list[Category], Field(max_length=5)]


class NewPost(Asked):
    """To be published at once."""

    title: Name
    body: LongText
    categories: Categories = Field(default_factory=list)


class PostChange(Change):
    """What is to be another."""

    title: Name = ""
    body: LongText = ""
    categories: Categories = Field(default_factory=list)


SUMMARY = f"""posts.id, posts.user_id, slug, title, left(body, {EXCERPT_CHARACTERS}) AS excerpt, categories, likes,
published_at, coalesce(display_name, '') AS display_name"""
WHOLE = f"{SUMMARY}, body, version, posts.updated_at"
SOURCE = "posts LEFT JOIN profiles ON profiles.id = posts.user_id"
# The index is (published_at DESC, id), so equal times go up by id.
_NEWEST = "ORDER BY published_at DESC, posts.id LIMIT"
NEWEST = f"SELECT {SUMMARY} FROM {SOURCE} {_NEWEST} $1"  # noqa: S608 of this file
NEWEST_AFTER = f"""SELECT {SUMMARY} FROM {SOURCE}
WHERE published_at <= $2 AND (published_at < $2 OR posts.id > $3) {_NEWEST} $1"""  # noqa: S608 of this file
IN_CATEGORY = f"SELECT {SUMMARY} FROM {SOURCE} WHERE categories @> ARRAY[$2::text] {_NEWEST} $1"  # noqa: S608 of this file
IN_CATEGORY_AFTER = f"""SELECT {SUMMARY} FROM {SOURCE}
WHERE categories @> ARRAY[$2::text] AND published_at <= $3 AND (published_at < $3 OR posts.id > $4) {_NEWEST} $1"""  # noqa: S608 of this file
TRENDING = f"SELECT {SUMMARY} FROM {SOURCE} ORDER BY likes DESC, posts.id LIMIT $1"  # noqa: S608 of this file
BY_SLUG = f"SELECT {WHOLE} FROM {SOURCE} WHERE slug = $1"  # noqa: S608 of this file
BY_ID = f"SELECT {WHOLE} FROM {SOURCE} WHERE posts.id = $1"  # noqa: S608 of this file
COUNTS = "SELECT category, count(*) AS posts FROM posts, unnest(categories) AS category GROUP BY category"


class Page(NamedTuple):
    """A part of a list by time, as it is sent.

    Attributes:
        data: the posts, a JSON array of `PostSummary`.
        next_cursor: where the list goes on; None at its end.
        tag: changes with either.
    """

    data: bytes
    next_cursor: str | None
    tag: str


class Written(list[str]):
    """Posts of a list by time, each as JSON; one more than a page has says that the list goes on.

    What is asked for most is written once: the page of the usual length is kept with them.
    """

    _usual: Page | None = None

    def page(self, name: str, limit: int) -> Page:
        """The first `limit` posts of the list with this name in its cursors."""
        if limit != DEFAULT_LIMIT:
            return self._page(name, limit)
        if self._usual is None:
            self._usual = self._page(name, limit)
        return self._usual

    def _page(self, name: str, limit: int) -> Page:
        data = f"[{','.join(self[:limit])}]".encode()
        following = _end(self[limit - 1]).encode(name) if len(self) > limit else None
        # The same rows may be the end of the list at one time and not at another.
        return Page(data, following, etags.of_bytes(data + (following or "").encode()))


SUMMARIES, _COUNTS = TypeAdapter(list[PostSummary]), TypeAdapter(list[CategoryCount])
_LISTS: Kind[Written] = Kind(name=POSTS.name, fresh_seconds=POSTS.fresh_seconds, decode=Written, is_shared=True)
_POST: Kind[Post] = Kind(name="post", fresh_seconds=POSTS.fresh_seconds, decode=Post.model_validate)
_TRENDING: Kind[list[PostSummary]] = Kind(
    name="trending", fresh_seconds=TRENDING_SECONDS, decode=SUMMARIES.validate_python
)
_CATEGORIES: Kind[list[CategoryCount]] = Kind(
    name=CATEGORIES.name, fresh_seconds=CATEGORIES.fresh_seconds, decode=_COUNTS.validate_python
)


class Posts:
    """Everybody's posts, through the cache."""

    def __init__(self, here: Here) -> None:
        """Of the process."""
        self._here = here

    async def newest(self, category: str | None, cursor: str | None, limit: int) -> tuple[Page, Cached[Written]]:
        """A part of the list by time, and where it is from. Its beginning is what nearly everybody reads: cached.

        Raises:
            InvalidCursorError: it is none of this list's.
        """
        name = f"{FEED}:{category or ''}"
        if cursor is not None:
            rows = await self._after(category, Cursor.decode(name, cursor), limit + 1)
            return rows.page(name, limit), Cached(rows, Tier.LOADER)
        head = next(size for size in _HEADS if limit <= size)
        found = await self._here.cache.get(_LISTS, f"{category or ''}:{head}", lambda: self._head(category, head + 1))
        return (found.value or Written()).page(name, limit), found

    async def trending(self) -> Cached[list[PostSummary]]:
        """The most liked."""

        async def load() -> list[PostSummary]:
            rows = await self._everywhere(TRENDING, TRENDING_POSTS)
            return sorted(map(summary, rows), key=lambda post: (-post.likes, post.id.bytes))[:TRENDING_POSTS]

        return await self._here.cache.get(_TRENDING, "all", load)

    async def categories(self) -> Cached[list[CategoryCount]]:
        """What categories there are, by name."""

        async def load() -> list[CategoryCount]:
            counts: dict[str, int] = {}
            for row in await self._everywhere(COUNTS):
                counts[row["category"]] = counts.get(row["category"], 0) + row["posts"]
            return [CategoryCount(category=name, posts=counts[name]) for name in sorted(counts)]

        return await self._here.cache.get(_CATEGORIES, "all", load)

    async def by_slug(self, slug: str) -> Cached[Post]:
        """One post; its value is None if there is none."""

        async def load() -> Post | None:
            rows = await self._everywhere(BY_SLUG, slug)
            return whole(rows[0]) if rows else None

        return await self._here.cache.get(_POST, slug, load)

    async def changed(self, slug: str, categories: Sequence[str]) -> None:
        """Forget what a change made untrue. Trending posts and the counts of categories live out their time."""
        lists = [f"{category}:{head}" for category in ("", *categories) for head in _HEADS]
        await self._here.cache.invalidate(_LISTS, *lists)
        await self._here.cache.invalidate(_POST, slug)

    async def _head(self, category: str | None, limit: int) -> Written:
        rows = await (
            self._everywhere(NEWEST, limit) if category is None else self._everywhere(IN_CATEGORY, limit, category)
        )
        return _by_time(rows, limit)

    async def _after(self, category: str | None, cursor: Cursor, limit: int) -> Written:
        rows = await (
            self._everywhere(NEWEST_AFTER, limit, cursor.at, cursor.id)
            if category is None
            else self._everywhere(IN_CATEGORY_AFTER, limit, category, cursor.at, cursor.id)
        )
        return _by_time(rows, limit)

    async def _everywhere(self, query: str, *arguments: object) -> list[Row]:
        return await everywhere(self._here, query, *arguments)


async def everywhere(here: Here, query: str, *arguments: object) -> list[Row]:
    """Rows of all shards. While a user's rows are copied to another shard, those of the old one count."""
    shards = here.database.shards
    after = await here.bookmarks.of(SUBJECT)

    async def rows_of(number: int) -> Sequence[Row]:
        async with here.database.system_reader(number, after=after) as connection:
            return await connection.fetch(query, *arguments)

    numbers = [shard.id for shard in shards.all]
    if len(numbers) == 1:
        return list(await rows_of(numbers[0]))
    found = await asyncio.gather(*map(rows_of, numbers))
    return [
        row
        for number, rows in zip(numbers, found, strict=True)
        for row in rows
        if "user_id" not in row or shards.to_read(row["user_id"]).id == number
    ]


def new_slug(title: str) -> str:
    """Readable, and like no other: 48 random bits, since no index spans all shards."""
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:_SLUG_CHARACTERS].strip("-")
    return f"{words}-{secrets.token_hex(6)}" if words else secrets.token_hex(6)


def summary(row: Row) -> PostSummary:
    """From a row of `SUMMARY`."""
    return PostSummary.model_validate(_nested(row))


def whole(row: Row) -> Post:
    """From a row of `WHOLE`."""
    return Post.model_validate(_nested(row))


def _nested(row: Row) -> Mapping[str, Any]:
    return {**row, "author": {"id": row["user_id"], "display_name": row["display_name"]}}


def _by_time(rows: Sequence[Row], limit: int) -> Written:
    """Of several shards, in the order that each of them has."""
    by_id = sorted(rows, key=lambda row: row["id"].bytes)
    newest = sorted(by_id, key=lambda row: row["published_at"], reverse=True)
    return Written(map(_written, newest[:limit]))


def _written(row: Row) -> str:
    """A row of `SUMMARY` as `PostSummary` would write it: the model takes five times as long."""
    post = {name: row[name] for name in ("id", "slug", "title", "excerpt", "categories", "likes", "published_at")}
    author = {"id": row["user_id"], "display_name": row["display_name"]}
    # asyncpg's UUID is a subclass, which orjson does not know.
    return orjson.dumps({**post, "author": author}, default=str, option=orjson.OPT_UTC_Z).decode()


def _end(post: str) -> Cursor:
    last = orjson.loads(post)
    return Cursor(datetime.fromisoformat(last["published_at"]), UUID(last["id"]))
