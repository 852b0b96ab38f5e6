"""One pattern for all tables whose rows are a user's own: list, read, make, change, delete.

Which of them a table has, and with which fields, is said by a `Resource`; the routes are made from that.
"""

from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from app.api import etags
from app.api.context import TheOwn, index_later
from app.api.cursors import DEFAULT_LIMIT, Cursor, CursorText, Limit, PageNumber, following
from app.api.envelope import (
    PERSONAL,
    UNMODIFIED,
    WITH_BODY,
    Answer,
    Listed,
    Numbered,
    NumberedMeta,
    NumberedPage,
    about,
    answer,
    listed,
    refusals,
)
from app.api.fields import Asked, Change
from app.api.idempotency import Key, Outcome
from app.api.writing import NotFoundError, change, create, created, delete
from app.data.connection import Writing
from app.limits.policies import STANDARD, Exemption, Policy
from app.ops.errors import AppError

# No `from __future__ import annotations`: the models of a table are set into the annotations of its routes.
OK, CREATED, NO_CONTENT = 200, 201, 204
BAD_REQUEST, NOT_FOUND, CONFLICT, PRECONDITION_FAILED, UNPROCESSABLE, PRECONDITION_REQUIRED = (
    400,
    404,
    409,
    412,
    422,
    428,
)


class Row(BaseModel):
    """What all rows have."""

    id: UUID


class Reference(NamedTuple):
    """A column with the id of a row of another table, which has to be the same user's.

    Of `Resource.reference` the column is the resource's own, and of `Resource.takes` the other table's.
    """

    column: str
    table: str


class Resource(NamedTuple):
    """A table, as the API shows it.

    Attributes:
        name: plural, of table and path.
        singular: for the names of operations.
        shown: fields of a row; each is a column.
        made_of: what a new row takes; None where rows come otherwise.
        changed_by: what a change takes; None where the user changes nothing.
        paging: `cursor` for a long list, `page` for a short one that is counted.
        filter_by: a column that a list can be narrowed to.
        reference: to another table.
        searched: whether the search engine has its rows.
        takes: rows of another table that go when a row of this one does, and that the search engine has.
    """

    name: str
    singular: str
    shown: type[Row]
    made_of: type[Asked] | None = None
    changed_by: type[Change] | None = None
    paging: Literal["cursor", "page"] = "cursor"
    filter_by: str | None = None
    reference: Reference | None = None
    searched: bool = False
    takes: Reference | None = None

    @property
    def columns(self) -> str:
        """Named one by one: `*` would break prepared statements when a column comes."""
        return ", ".join(self.shown.model_fields)

    @property
    def newest(self) -> str:
        """$1 the user, $2 how many, $3 a value of `filter_by`, if there is one."""
        return (
            f"SELECT {self.columns} FROM {self.name} WHERE user_id = $1{{}} ORDER BY created_at DESC, id DESC LIMIT $2"  # noqa: S608 of this file
        )

    @property
    def by_id(self) -> str:
        """$1 the row, $2 the user."""
        return f"SELECT {self.columns} FROM {self.name} WHERE id = $1 AND user_id = $2"  # noqa: S608 of this file

    @property
    def limits(self) -> dict[str, Policy | Exemption]:
        """Of its routes."""
        path = f"/api/v1/{self.name}"
        one = f"{path}/{{row_id}}"
        lines = [f"GET {path}", f"GET {one}"]
        lines += [f"POST {path}"] if self.made_of else []
        lines += [f"PATCH {one}", f"DELETE {one}"] if self.changed_by else []
        return dict.fromkeys(lines, STANDARD)


class UnknownReferenceError(AppError):
    """The row that was named is not the user's, or is not there."""

    def __init__(self, column: str) -> None:
        """Name the field, not its value."""
        super().__init__(UNPROCESSABLE, "unknown_reference", f"{column} names nothing of yours.")


def routes(resource: Resource) -> APIRouter:
    """The routes of a table."""
    router = APIRouter(prefix=f"/{resource.name}", tags=[resource.name], responses=PERSONAL)
    if resource.paging == "cursor":
        _add_list(router, resource)
    else:
        _add_numbered_list(router, resource)
    _add_reading(router, resource)
    if resource.made_of is not None:
        _add_making(router, resource, resource.made_of)
    if resource.changed_by is not None:
        _add_changing(router, resource, resource.changed_by)
        _add_deleting(router, resource)
    return router


def _add_list(router: APIRouter, resource: Resource) -> None:
    async def page(own: TheOwn, limit: int, cursor: str | None, only: str | None) -> tuple[list[Row], str | None]:
        arguments: list[object] = [own.user_id, limit + 1]
        narrowed = ""
        if only is not None:
            arguments.append(only)
            narrowed += f" AND {resource.filter_by} = ${len(arguments)}"
        if cursor is not None:
            start = Cursor.decode(resource.name, cursor)
            arguments += [start.at, start.id]
            narrowed += f" AND (created_at, id) < (${len(arguments) - 1}, ${len(arguments)})"
        async with own.reading() as reading:
            rows = await reading.fetch(resource.newest.format(narrowed), *arguments)
        found = [resource.shown.model_validate(dict(row)) for row in rows[:limit]]
        return found, following(rows, limit, resource.name)

    if resource.filter_by is None:

        async def list_rows(
            request: Request, own: TheOwn, limit: Limit = DEFAULT_LIMIT, cursor: CursorText = None
        ) -> Listed[Row]:
            rows, more = await page(own, limit, cursor, None)
            return listed(request, rows, limit, more)

        handler: Any = list_rows
    else:

        async def list_narrowed_rows(
            request: Request,
            own: TheOwn,
            only: str | None = None,
            limit: Limit = DEFAULT_LIMIT,
            cursor: CursorText = None,
        ) -> Listed[Row]:
            rows, more = await page(own, limit, cursor, only)
            return listed(request, rows, limit, more)

        values: Any = resource.made_of.model_fields[resource.filter_by].annotation if resource.made_of else str
        list_narrowed_rows.__annotations__["only"] = Annotated[
            values | None, Query(alias=resource.filter_by, description="Only rows with this value.")
        ]
        handler = list_narrowed_rows
    router.add_api_route(
        "",
        handler,
        name=f"list_{resource.name}",
        response_model=_of(Listed, resource),
        responses=refusals(BAD_REQUEST),
        summary=f"A part of the {resource.name}, the newest first",
    )


def _add_numbered_list(router: APIRouter, resource: Resource) -> None:
    query = f"{resource.newest.format('')} OFFSET $3"
    count = f"SELECT count(*) FROM {resource.name} WHERE user_id = $1"  # noqa: S608 of this file

    async def list_rows(
        request: Request, own: TheOwn, page: PageNumber = 1, limit: Limit = DEFAULT_LIMIT
    ) -> Numbered[Row]:
        async with own.reading() as reading:
            total = await reading.fetchval(count, own.user_id)
            rows = await reading.fetch(query, own.user_id, limit, (page - 1) * limit)
        found = [resource.shown.model_validate(dict(row)) for row in rows]
        meta = NumberedMeta(**about(request), page=NumberedPage.of(page=page, limit=limit, total=total))
        return Numbered(data=found, meta=meta)

    router.add_api_route(
        "",
        list_rows,
        name=f"list_{resource.name}",
        response_model=_of(Numbered, resource),
        summary=f"A page of the {resource.name}, the newest first",
    )


def _add_reading(router: APIRouter, resource: Resource) -> None:
    async def read_row(request: Request, response: Response, own: TheOwn, row_id: UUID) -> Any:
        async with own.reading() as reading:
            row = await reading.fetchrow(resource.by_id, row_id, own.user_id)
        if row is None:
            raise NotFoundError
        found = resource.shown.model_validate(dict(row))
        headers = {"ETag": _tag(found), "Cache-Control": "private, no-cache"}
        response.headers.update(headers)
        return etags.unchanged(request, headers) or answer(request, found)

    router.add_api_route(
        "/{row_id}",
        read_row,
        name=f"read_{resource.singular}",
        response_model=_of(Answer, resource),
        responses={**UNMODIFIED, **refusals(NOT_FOUND)},
        summary=f"One of the {resource.name}",
    )


def _add_making(router: APIRouter, resource: Resource, model: type[Asked]) -> None:
    names = list(model.model_fields)
    values = ", ".join(f"${number}" for number in range(2, len(names) + 2))
    insert = (
        f"INSERT INTO {resource.name} (user_id, {', '.join(names)}) VALUES ($1, {values}) RETURNING {resource.columns}"  # noqa: S608 of this file
    )

    async def create_row(request: Request, own: TheOwn, body: Any, key: Key = None) -> Response:
        async def effect(writing: Writing) -> Outcome:
            given = body.model_dump()
            await _check_reference(writing, resource, given)
            row = await writing.fetchrow(insert, own.user_id, *(given[name] for name in names))
            if row is None:  # INSERT without ON CONFLICT either returns its row or raises.
                raise NotFoundError
            made = resource.shown.model_validate(dict(row))
            if resource.searched:
                await index_later(writing, own.here.settings, own.user_id, resource.name, made.id)
            return created(request, made, location=f"/api/v1/{resource.name}/{made.id}", version=row["version"])

        outcome = await create(request, own, key, body, effect)
        if not outcome.is_replay:
            await own.here.count(f"create_{resource.singular}")
        return outcome.response()

    create_row.__annotations__["body"] = model
    router.add_api_route(
        "",
        create_row,
        methods=["POST"],
        name=f"create_{resource.singular}",
        status_code=CREATED,
        response_model=_of(Answer, resource),
        responses={**WITH_BODY, **refusals(CONFLICT)},
        summary=f"Add to the {resource.name}",
    )


def _add_changing(router: APIRouter, resource: Resource, model: type[Change]) -> None:
    async def change_row(
        request: Request, response: Response, *, own: TheOwn, row_id: UUID, body: Any, if_match: etags.IfMatch = None
    ) -> Answer[Row]:
        given = body.model_dump(exclude_unset=True)
        async with own.writing() as writing:
            await _check_reference(writing, resource, given)
            await change(writing, resource.name, row_id, own.user_id, values=given, if_match=if_match)
            row = await writing.fetchrow(resource.by_id, row_id, own.user_id)
            if row is None:  # It is locked by this transaction.
                raise NotFoundError
            if resource.searched:
                await index_later(writing, own.here.settings, own.user_id, resource.name, row_id)
        await own.here.count(f"change_{resource.singular}")
        changed = resource.shown.model_validate(dict(row))
        response.headers["ETag"] = _tag(changed)
        return answer(request, changed)

    change_row.__annotations__["body"] = model
    router.add_api_route(
        "/{row_id}",
        change_row,
        methods=["PATCH"],
        name=f"change_{resource.singular}",
        response_model=_of(Answer, resource),
        responses={**WITH_BODY, **refusals(NOT_FOUND, PRECONDITION_FAILED, PRECONDITION_REQUIRED)},
        summary=f"Change one of the {resource.name}; If-Match says which version was read",
    )


def _add_deleting(router: APIRouter, resource: Resource) -> None:
    async def delete_row(own: TheOwn, row_id: UUID, if_match: etags.IfMatch = None) -> None:
        async with own.writing() as writing:
            await _forget_taken(writing, own, resource, row_id)
            await delete(writing, resource.name, row_id, own.user_id, if_match=if_match)
            if resource.searched:
                await index_later(writing, own.here.settings, own.user_id, resource.name, row_id)
        await own.here.count(f"delete_{resource.singular}")

    router.add_api_route(
        "/{row_id}",
        delete_row,
        methods=["DELETE"],
        name=f"delete_{resource.singular}",
        status_code=NO_CONTENT,
        responses=refusals(NOT_FOUND, PRECONDITION_FAILED),
        summary=f"Delete one of the {resource.name}",
    )


async def _forget_taken(writing: Writing, own: TheOwn, resource: Resource, row_id: UUID) -> None:
    """Have the search engine forget what the database is about to delete by itself."""
    if resource.takes is None:
        return
    query = f"SELECT id FROM {resource.takes.table} WHERE {resource.takes.column} = $1 AND user_id = $2"  # noqa: S608 of this file
    for row in await writing.fetch(query, row_id, own.user_id):
        await index_later(writing, own.here.settings, own.user_id, resource.takes.table, row["id"])


def _of(envelope: Any, resource: Resource) -> Any:
    """The envelope of a table's rows, as a model."""
    return envelope[resource.shown]


def _tag(row: Row) -> str:
    """By its version; rows that users do not change have none, and are what is in them."""
    version = getattr(row, "version", None)
    return etags.of_content(row) if version is None else etags.of_version(version)


async def _check_reference(writing: Writing, resource: Resource, given: dict[str, Any]) -> None:
    """A foreign key sees other users' rows: row-level security does not bind it. So the row is looked for as the user.

    The lock keeps it there until the transaction ends.
    """
    reference = resource.reference
    if reference is None or given.get(reference.column) is None:
        return
    query = f"SELECT true FROM {reference.table} WHERE id = $1 FOR KEY SHARE"  # noqa: S608 of this file
    if not await writing.fetchval(query, given[reference.column]):
        raise UnknownReferenceError(reference.column)
