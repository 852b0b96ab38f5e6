"""Routes of posts: reading for everybody, the feed for users, writing for authors."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response

from app.api import etags
from app.api.context import Here, Own, TheHere, TheOwn, index_later
from app.api.cursors import DEFAULT_LIMIT, CursorText, Limit, Part
from app.api.envelope import (
    PERSONAL,
    UNMODIFIED,
    WITH_BODY,
    Answer,
    Listed,
    about,
    answer,
    encoded,
    refusals,
)
from app.api.fields import Category, Slug
from app.api.idempotency import Key, Outcome
from app.api.plain import Plain
from app.api.posts import (
    BY_ID,
    SUBJECT,
    CategoryCount,
    NewPost,
    Post,
    PostChange,
    Posts,
    PostSummary,
    new_slug,
    whole,
)
from app.api.writing import NotFoundError, change, create, created, delete
from app.auth.dependencies import authenticated, current_user
from app.cache.answers import Cached, Tier
from app.data.connection import Row, Writing
from app.limits.policies import CACHED_READ, STANDARD, Exemption, Policy

SHARED = "public, max-age=0, s-maxage=300, stale-while-revalidate=86400"
"""Of an answer that is the same for everybody, to somebody who brought no credential: the edge keeps it for five
minutes, and gives it while it asks for a newer one."""
OWN_POST = "SELECT id, categories FROM posts WHERE slug = $1 AND user_id = $2"

LIMITS: dict[str, Policy | Exemption] = {
    "GET /api/v1/feed": CACHED_READ,
    "GET /api/v1/categories": CACHED_READ,
    "GET /api/v1/posts": CACHED_READ,
    "POST /api/v1/posts": STANDARD,
    "GET /api/v1/posts/trending": CACHED_READ,
    "GET /api/v1/posts/{slug}": CACHED_READ,
    "PATCH /api/v1/posts/{slug}": STANDARD,
    "DELETE /api/v1/posts/{slug}": STANDARD,
}

T = TypeVar("T")

router = APIRouter(tags=["posts"])
plain = APIRouter(tags=["posts"], route_class=Plain)

TheSlug = Annotated[Slug, Path()]
TheCategory = Annotated[Category | None, Query(description="Only posts in this category.")]
_READING = {**UNMODIFIED, **refusals(HTTPStatus.BAD_REQUEST)}
_CHANGING = {
    **PERSONAL,
    **refusals(HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED),
}


@plain.get(
    "/feed", response_model=Listed[PostSummary], responses={**PERSONAL, **_READING}, openapi_extra=Part.described()
)
async def read_feed(request: Request) -> Response:
    """What is new, for somebody who is logged in."""
    await current_user(await authenticated(request, request.state.auth))
    part = Part.of(request)
    return await _newest(request, Here(request), category=None, cursor=part.cursor, limit=part.limit)


@router.get("/posts", response_model=Listed[PostSummary], responses=_READING)
async def list_posts(
    request: Request,
    *,
    here: TheHere,
    category: TheCategory = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response:
    """What is new, for everybody; a category at a time, if need be."""
    return await _newest(request, here, category=category, cursor=cursor, limit=limit)


@router.get("/posts/trending", response_model=Answer[list[PostSummary]], responses=UNMODIFIED)
async def list_trending_posts(
    request: Request, response: Response, here: TheHere
) -> Answer[list[PostSummary]] | Response:
    """The hundred most liked posts, at most five minutes old."""
    return _shared(request, response, await Posts(here).trending())


@router.get("/categories", response_model=Answer[list[CategoryCount]], responses=UNMODIFIED)
async def list_categories(
    request: Request, response: Response, here: TheHere
) -> Answer[list[CategoryCount]] | Response:
    """The categories that posts are in."""
    return _shared(request, response, await Posts(here).categories())


@router.get("/posts/{slug}", response_model=Answer[Post], responses={**UNMODIFIED, **refusals(HTTPStatus.NOT_FOUND)})
async def read_post(request: Request, response: Response, here: TheHere, slug: TheSlug) -> Answer[Post] | Response:
    """One post."""
    found = await Posts(here).by_slug(slug)
    if found.value is None:
        raise NotFoundError
    headers = _caching(request, etags.of_version(found.value.version), found.tier)
    response.headers.update(headers)
    return etags.unchanged(request, headers) or answer(request, found.value, stale=found.is_stale)


@router.post(
    "/posts",
    response_model=Answer[Post],
    status_code=HTTPStatus.CREATED,
    responses={**PERSONAL, **WITH_BODY, **refusals(HTTPStatus.CONFLICT)},
)
async def create_post(request: Request, own: TheOwn, body: NewPost, key: Key = None) -> Response:
    """Publish a post."""

    async def effect(writing: Writing) -> Outcome:
        row_id = await writing.fetchval(
            "INSERT INTO posts (user_id, slug, title, body, categories) VALUES ($1, $2, $3, $4, $5) RETURNING id",
            own.user_id,
            new_slug(body.title),
            body.title,
            body.body,
            list(dict.fromkeys(body.categories)),
        )
        await index_later(writing, own.here.settings, own.user_id, "posts", row_id)
        post = await _read_own(writing, row_id)
        return created(request, post, location=f"/api/v1/posts/{post.slug}", version=post.version)

    outcome = await create(request, own, key, body, effect, SUBJECT)
    # Of an answer that is given again too: the process may have died between the commit and this.
    await Posts(own.here).changed(outcome.headers["Location"].rpartition("/")[2], body.categories)
    if not outcome.is_replay:
        await own.here.count("create_post")
    return outcome.response()


@router.patch(
    "/posts/{slug}",
    response_model=Answer[Post],
    responses={**_CHANGING, **WITH_BODY, **refusals(HTTPStatus.PRECONDITION_REQUIRED)},
)
async def change_post(
    request: Request,
    response: Response,
    *,
    own: TheOwn,
    slug: TheSlug,
    body: PostChange,
    if_match: etags.IfMatch = None,
) -> Answer[Post]:
    """Change a post of one's own; `If-Match` says which version was read."""
    async with own.writing(SUBJECT) as writing:
        row = await _own_post(writing, own, slug)
        await change(
            writing, "posts", row["id"], own.user_id, values=body.model_dump(exclude_unset=True), if_match=if_match
        )
        await index_later(writing, own.here.settings, own.user_id, "posts", row["id"])
        post = await _read_own(writing, row["id"])
    await Posts(own.here).changed(slug, [*row["categories"], *post.categories])
    await own.here.count("change_post")
    response.headers["ETag"] = etags.of_version(post.version)
    return answer(request, post)


@router.delete("/posts/{slug}", status_code=HTTPStatus.NO_CONTENT, responses=_CHANGING)
async def delete_post(own: TheOwn, slug: TheSlug, if_match: etags.IfMatch = None) -> None:
    """Take a post of one's own back. The edge may have it for five minutes more."""
    async with own.writing(SUBJECT) as writing:
        row = await _own_post(writing, own, slug)
        await delete(writing, "posts", row["id"], own.user_id, if_match=if_match)
        await index_later(writing, own.here.settings, own.user_id, "posts", row["id"])
    await Posts(own.here).changed(slug, row["categories"])
    await own.here.count("delete_post")


async def _newest(request: Request, here: Here, *, category: str | None, cursor: str | None, limit: int) -> Response:
    page, found = await Posts(here).newest(category, cursor, limit)
    headers = _caching(request, page.tag, found.tier)
    meta = about(request, stale=found.is_stale) | {"page": {"limit": limit, "next_cursor": page.next_cursor}}
    return etags.unchanged(request, headers) or encoded(page.data, meta, headers)


def _shared(request: Request, response: Response, found: Cached[list[T]]) -> Answer[list[T]] | Response:
    headers = _caching(request, etags.of_content(found.value), found.tier)
    response.headers.update(headers)
    return etags.unchanged(request, headers) or answer(request, found.value or [], stale=found.is_stale)


def _caching(request: Request, tag: str, tier: Tier) -> dict[str, str]:
    """Shared only with who brings nothing that could have made the answer another."""
    is_anonymous = not {"authorization", "cookie"} & set(request.headers)
    return {"ETag": tag, "Cache-Control": SHARED if is_anonymous else "private, no-store", "X-Cache": tier}


async def _own_post(writing: Writing, own: Own, slug: str) -> Row:
    row = await writing.fetchrow(OWN_POST, slug, own.user_id)
    if row is None:
        raise NotFoundError
    return row


async def _read_own(writing: Writing, row_id: object) -> Post:
    row = await writing.fetchrow(BY_ID, row_id)
    if row is None:  # Another transaction of the same user deleted it; this one holds a lock on it, so never.
        raise NotFoundError
    return whole(row)
