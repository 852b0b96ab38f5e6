"""Rows that tests put in, past the application."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg import sql


def insert(owner: psycopg.Connection, table: str, values: Mapping[str, object]) -> None:
    """Add a row; `table` with its schema, where that is not `public`."""
    names, marks = map(sql.Identifier, values), [sql.Placeholder()] * len(values)
    query = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(*table.split(".")), sql.SQL(", ").join(names), sql.SQL(", ").join(marks)
    )
    owner.execute(query, tuple(values.values()))
