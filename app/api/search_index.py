"""Keeping the engine's indexes: a row is put in as it is by now, or taken out if it is gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson

from app.api.search import KINDS, Kind
from app.api.search_engine import MAPPING, MISSING, OUTDATED, PREFIX, Engine, EngineError
from app.aws import Aws
from app.data.connection import Row
from app.data.database import Database
from app.settings import Settings

_TEXTS: dict[Kind, str] = {
    "posts": "title, body AS text",
    "leads": "CASE name WHEN '' THEN email ELSE name END AS title, name || ' ' || company || ' ' || email AS text",
    "companies": "name AS title, domain AS text",
    "contacts": "name AS title, email AS text",
}
COLUMNS: dict[Kind, str] = {
    kind: f"{texts}, (extract(epoch FROM updated_at) * 1000000)::bigint AS version" for kind, texts in _TEXTS.items()
}
"""What an entry is made of."""
ROW = {
    kind: f"SELECT {columns} FROM {kind} WHERE id = $1 AND user_id = $2"  # noqa: S608 of this file
    for kind, columns in COLUMNS.items()
}
OWN: Mapping[Kind, str] = {kind: f"SELECT id FROM {kind} WHERE user_id = $1" for kind in KINDS}  # noqa: S608 of this file
"""Which of a user's rows may have entries."""
FORGOTTEN_AT_ONCE = 1_000
VERSION_TYPE = "external_gte"
"""Versions are times of changes; the same one may come again."""
BULK_SECONDS = 5.0
"""For many rows in one request."""
SUCCESS = range(200, 300)
EXISTS = 400
"""Of an index that is made twice."""


class UnknownKindError(Exception):
    """A job for rows that are not indexed."""


async def create_indexes(engine: Engine, settings: Settings, aws: Aws) -> None:
    """Make those that are missing.

    Raises:
        app.api.search_engine.EngineError: the engine does not answer.
    """
    for kind in KINDS:
        await engine.ask(settings, aws, "PUT", f"/{PREFIX}-{kind}", MAPPING, accepted=frozenset({EXISTS}))


async def index_row(
    database: Database, engine: Engine, settings: Settings, aws: Aws, *, user_id: UUID, kind: str, row_id: UUID
) -> None:
    """Bring one row's entry up to date; as often as one likes, in any order: an older state never wins.

    Raises:
        UnknownKindError: no such rows are indexed.
        app.api.search_engine.EngineError: the engine does not answer; try again later.
    """
    known = next((one for one in KINDS if one == kind), None)
    if known is None:
        raise UnknownKindError(kind)
    # The primary: a replica may not have what the job is about yet.
    async with database.writer(user_id) as connection:
        row = await connection.fetchrow(ROW[known], row_id, user_id)
    path = f"/{PREFIX}-{kind}/_doc/{row_id}"
    if row is None:
        await engine.ask(settings, aws, "DELETE", path, accepted=frozenset({MISSING}))
        return
    versioned = f"{path}?version={row['version']}&version_type={VERSION_TYPE}"
    await engine.ask(settings, aws, "PUT", versioned, _body(known, user_id, row), accepted=frozenset({OUTDATED}))


async def index_rows(engine: Engine, settings: Settings, aws: Aws, kind: Kind, rows: Sequence[Row]) -> None:
    """Bring many rows' entries up to date in one request: those that the engine has in a newer state stay as they are.

    Args:
        engine: of the region.
        settings: where it is.
        aws: as whom to ask.
        kind: of all of them.
        rows: with `id`, `user_id` and `COLUMNS`; one at least, 10 MiB at most.

    Raises:
        app.api.search_engine.EngineError: some were not taken; all may be tried again.
    """
    lines: list[dict[str, Any]] = []
    for row in rows:
        entry = {"_index": f"{PREFIX}-{kind}", "_id": str(row["id"])}
        lines.append({"index": {**entry, "version": row["version"], "version_type": VERSION_TYPE}})
        lines.append(_body(kind, row["user_id"], row))
    await _send(engine, settings, aws, lines, action="index", accepted=OUTDATED)


async def forget_rows(engine: Engine, settings: Settings, aws: Aws, rows: Sequence[tuple[Kind, UUID]]) -> None:
    """Take entries out, whether or not they are there.

    Raises:
        app.api.search_engine.EngineError: some are still there; all may be tried again.
    """
    for start in range(0, len(rows), FORGOTTEN_AT_ONCE):
        some = rows[start : start + FORGOTTEN_AT_ONCE]
        lines = ({"delete": {"_index": f"{PREFIX}-{kind}", "_id": str(row_id)}} for kind, row_id in some)
        await _send(engine, settings, aws, lines, action="delete", accepted=MISSING)


async def _send(
    engine: Engine, settings: Settings, aws: Aws, lines: Iterable[Mapping[str, Any]], *, action: str, accepted: int
) -> None:
    """One `_bulk` request, every item of which must be done, or have the status that is accepted."""
    body = b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
    answer = await engine.ask(settings, aws, "POST", "/_bulk", body, seconds=BULK_SECONDS)
    statuses = {one[action]["status"] for one in answer["items"]}
    if refused := sorted(one for one in statuses - {accepted} if one not in SUCCESS):
        raise EngineError(str(refused[0]))


def _body(kind: Kind, user_id: UUID, row: Row) -> dict[str, Any]:
    """What is the user's own alone says whose it is."""
    own = {} if kind == "posts" else {"user_id": str(user_id)}
    return {"title": row["title"], "text": row["text"], **own}
