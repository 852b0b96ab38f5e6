"""Keeping the engine's indexes: a row is put in as it is by now, or taken out if it is gone."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.api.search import KINDS, Kind
from app.api.search_engine import MAPPING, MISSING, OUTDATED, PREFIX, Engine
from app.aws import Aws
from app.data.database import Database
from app.settings import Settings

_TEXTS: dict[Kind, str] = {
    "posts": "title, body AS text",
    "leads": "CASE name WHEN '' THEN email ELSE name END AS title, name || ' ' || company || ' ' || email AS text",
    "companies": "name AS title, domain AS text",
    "contacts": "name AS title, email AS text",
}
ROW = {
    kind: f"SELECT {texts}, (extract(epoch FROM updated_at) * 1000000)::bigint AS version FROM {kind} "  # noqa: S608 of this file
    "WHERE id = $1 AND user_id = $2"
    for kind, texts in _TEXTS.items()
}
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
    document: dict[str, Any] = {"title": row["title"], "text": row["text"]}
    if kind != "posts":
        document["user_id"] = str(user_id)
    versioned = f"{path}?version={row['version']}&version_type=external_gte"
    await engine.ask(settings, aws, "PUT", versioned, document, accepted=frozenset({OUTDATED}))
