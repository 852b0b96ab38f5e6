"""How users' rows are changed: with an idempotency key, with the version that was read, counted and announced."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel
from starlette.requests import Request

from app.api import etags
from app.api.context import Own
from app.api.envelope import answer
from app.api.idempotency import Once, Outcome
from app.data.connection import Row, Writing
from app.ops.errors import AppError

Body = TypeVar("Body", bound=BaseModel)


class NotFoundError(AppError):
    """There is none, or none of the user's: both look alike."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__(HTTPStatus.NOT_FOUND, "not_found", "There is no such thing here, or it is not yours.")


def created(request: Request, made: BaseModel, *, location: str, version: int) -> Outcome:
    """201 with what was made."""
    headers = {"Location": location, "ETag": etags.of_version(version)}
    return Outcome(status=HTTPStatus.CREATED, body=answer(request, made).model_dump_json().encode(), headers=headers)


async def create(
    request: Request,
    own: Own,
    key: str | None,
    body: BaseModel,
    effect: Callable[[Writing], Awaitable[Outcome]],
    *subjects: str,
) -> Outcome:
    """Make something in a transaction of the user, once for each idempotency key.

    Args:
        request: its method and path are what the key belongs to.
        own: the user's rows.
        key: of the client.
        body: what was asked for.
        effect: makes it.
        subjects: further bookmarks that the change advances.
    """
    endpoint = f"{request.method} {request.url.path}"
    once = Once(user_id=own.user_id, endpoint=endpoint, key=key, body=body.model_dump_json().encode())
    async with own.writing(*subjects) as writing:
        return await once.run(writing, lambda: effect(writing))


async def change(
    writing: Writing, table: str, row_id: UUID, user_id: UUID, *, values: dict[str, object], if_match: str | None
) -> None:
    """Set columns of a user's row, and count its version up.

    Args:
        writing: transaction of the user.
        table: of this code, as are the names of `values`.
        row_id: which row.
        user_id: whose row; said again beside row-level security, so that the index is used and nobody's is hit.
        values: by column.
        if_match: header with the version that was read.

    Raises:
        NotFoundError: the user has no such row.
        etags.ChangedMeanwhileError: it has another version by now.
        etags.PreconditionRequiredError: the header is missing.
    """
    versions = etags.expected_versions(if_match)
    found = await _locked(writing, table, row_id, user_id)
    if versions is not None and found["version"] not in versions:
        raise etags.ChangedMeanwhileError
    columns = "".join(f"{name} = ${number}, " for number, name in enumerate(values, 3))
    await writing.execute(
        f"UPDATE {table} SET {columns}version = version + 1, updated_at = now() WHERE id = $1 AND user_id = $2",  # noqa: S608 of this code
        row_id,
        user_id,
        *values.values(),
    )


async def delete(writing: Writing, table: str, row_id: UUID, user_id: UUID, *, if_match: str | None) -> None:
    """Delete a user's row; `if_match` may be missing, as nothing is lost that somebody would want to have kept.

    Raises:
        NotFoundError: the user has no such row.
        etags.ChangedMeanwhileError: it has another version by now.
    """
    versions = None if if_match is None else etags.expected_versions(if_match)
    found = await _locked(writing, table, row_id, user_id)
    if versions is not None and found["version"] not in versions:
        raise etags.ChangedMeanwhileError
    await writing.execute(f"DELETE FROM {table} WHERE id = $1 AND user_id = $2", row_id, user_id)  # noqa: S608 of this code


async def _locked(writing: Writing, table: str, row_id: UUID, user_id: UUID) -> Row:
    """Nobody changes the row between the look at its version and the change."""
    query = f"SELECT version FROM {table} WHERE id = $1 AND user_id = $2 FOR UPDATE"  # noqa: S608 of this code
    row = await writing.fetchrow(query, row_id, user_id)
    if row is None:
        raise NotFoundError
    return row
