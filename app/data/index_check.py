"""Whether the indexes are there, valid, used and dense: after each migration, and once a week. The report is JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from app.data.catalogue import CATALOGUE, Expected

USED_PERCENT = 95.0
"""At least this share of the scans of larger tables should be by index."""
LARGE_ROWS = 10_000
"""Smaller tables are read as a whole, and rightly."""
DENSE_PERCENT = 60.0
"""A B-tree whose leaves are emptier is bloated; a new one has 90 %."""

_INDEXES = """
SELECT i.indexrelid::regclass::text AS name, i.indrelid::regclass::text AS table, a.amname AS method,
    i.indisunique AS unique, i.indisvalid AS valid, pg_get_expr(i.indpred, i.indrelid) AS predicate,
    (SELECT array_agg(pg_get_indexdef(i.indexrelid, k, true)
        || CASE WHEN i.indoption[k - 1] & 1 = 1 THEN ' DESC' ELSE '' END ORDER BY k)
     FROM generate_series(1, i.indnkeyatts) k) AS columns
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
WHERE c.relnamespace IN ('public'::regnamespace, 'analytics'::regnamespace) AND NOT c.relispartition
"""
_UNUSED = """
SELECT coalesce(h.inhparent, s.indexrelid)::regclass::text
FROM pg_stat_user_indexes s JOIN pg_index i USING (indexrelid)
LEFT JOIN pg_inherits h ON h.inhrelid = s.indexrelid
WHERE NOT i.indisunique AND s.schemaname IN ('public', 'analytics') GROUP BY 1 HAVING sum(s.idx_scan) = 0 ORDER BY 1
"""
_SCANS = """
SELECT coalesce(sum(s.idx_scan), 0)::float8, coalesce(sum(s.seq_scan), 0)::float8
FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
WHERE c.reltuples >= %s AND s.schemaname IN ('public', 'analytics')
"""
_DENSITY = """
SELECT c.oid::regclass::text, d.avg_leaf_density FROM pg_class c JOIN pg_am a ON a.oid = c.relam
CROSS JOIN LATERAL pgstatindex(c.oid::regclass) d
WHERE c.relkind = 'i' AND a.amname = 'btree' AND c.relpages >= 8
AND c.relnamespace IN ('public'::regnamespace, 'analytics'::regnamespace) AND d.avg_leaf_density < %s ORDER BY 2, 1
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What was found.

    Attributes:
        missing: expected ones that no index serves. A release must not go on with any.
        invalid: built halfway, by a CREATE INDEX CONCURRENTLY that was broken off: they cost and serve nothing.
        unused: not used since the statistics were last reset, and not unique.
        used_percent: share of the scans of large tables that were by index; None without any scan.
        bloated: percent full, by name; None where the extension pgstattuple is missing.
    """

    missing: tuple[str, ...]
    invalid: tuple[str, ...]
    unused: tuple[str, ...]
    used_percent: float | None
    bloated: dict[str, float] | None

    @property
    def ok(self) -> bool:
        """Whether a release may go on."""
        return not self.missing and not self.invalid

    def as_json(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"ok": self.ok, **asdict(self)}


def check(connection: psycopg.Connection, catalogue: Sequence[Expected] = CATALOGUE) -> Report:
    """Compare a database with the catalogue.

    Args:
        connection: of the owner. Statistics are each server's own: on a replica, `unused` says what is unused there.
        catalogue: what to expect.
    """
    found = [_Index(*row) for row in connection.execute(_INDEXES)]
    indexed, sequential = connection.execute(_SCANS, (LARGE_ROWS,)).fetchone() or (0, 0)
    scans = indexed + sequential
    return Report(
        missing=tuple(_name(one) for one in catalogue if not any(index.serves(one) for index in found)),
        invalid=tuple(index.name for index in found if not index.valid),
        unused=tuple(name for (name,) in connection.execute(_UNUSED)),
        used_percent=round(100 * indexed / scans, 2) if scans else None,
        bloated=_bloated(connection),
    )


@dataclass(frozen=True, slots=True)
class _Index:
    name: str
    table: str
    method: str
    unique: bool
    valid: bool
    predicate: str | None
    columns: list[str]

    def serves(self, one: Expected) -> bool:
        fits = (self.table, self.method, self.predicate) == (one.table, one.method, one.predicate)
        if not self.valid or not fits:
            return False
        if one.unique:
            return self.unique and tuple(self.columns) == one.columns
        mine = tuple(self.columns[: len(one.columns)])
        # Read backwards, the order of a single column does not matter.
        return mine == one.columns or (len(one.columns) == 1 and _bare(mine[0]) == _bare(one.columns[0]))


def _bare(column: str) -> str:
    return column.removesuffix(" DESC")


def _name(one: Expected) -> str:
    unique = "unique " if one.unique else ""
    where = f" WHERE {one.predicate}" if one.predicate else ""
    return f"{unique}{one.method} on {one.table} ({', '.join(one.columns)}){where}"


def _bloated(connection: psycopg.Connection) -> dict[str, float] | None:
    """By reading the indexes: `pg_stats`, which estimates go by, shows nothing of a table whose policies are forced."""
    if connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'pgstattuple'").fetchone() is None:
        return None
    return {name: float(density) for name, density in connection.execute(_DENSITY, (DENSE_PERCENT,))}
