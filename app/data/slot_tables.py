"""Which tables go along when users move to another shard, which do not, and in what order.

What a table has is asked of the catalogue: its columns, and which tables it refers to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from types import MappingProxyType

from app.data.connection import Reading

MOVED: Mapping[str, str] = MappingProxyType(
    {
        "users": "id",
        "profiles": "id",
        "subscriptions": "user_id",
        "posts": "user_id",
        "leads": "user_id",
        "campaigns": "user_id",
        "campaign_statistics": "user_id",
        "conversations": "user_id",
        "messages": "user_id",
        "companies": "user_id",
        "contacts": "user_id",
        "deals": "user_id",
        "videos": "user_id",
        "video_views": "user_id",
        "analytics.analytics_events": "user_id",
        "idempotency_keys": "user_id",
        "jobs": "user_id",
        "uploads": "user_id",
        "mail_sends": "user_id",
        "mail_unsubscribes": "user_id",
        "webhook_endpoints": "user_id",
        "webhook_deliveries": "user_id",
    }
)
"""Rows of users that are there, with the column that says whose. They are copied, compared and in the end deleted."""
OUTBOX = "outbox"
LOGS = ("audit_log", "consents")
"""Only ever appended to, and kept when the user is gone: what a shard has of them stays there, and is added to."""
PROCESSED = "processed_jobs"
"""Which jobs were done; it does not say whose. All of it is added: a message may come twice, now to the new shard."""
ADDED = (*LOGS, OUTBOX, PROCESSED)
"""Copied beside what is there.

Of the outbox, both relays send what is due: each row is sent at least once whatever becomes of the move, and what is
sent twice has one id and is done once, as always.
"""
ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "active_subscriptions": "a view, which pg_cron refreshes every minute",
        "auth_accounts": "stands in shard 0, which knows all users",
        "auth_backup_codes": "stands in shard 0",
        "auth_sessions": "stands in shard 0",
        "auth_totp": "stands in shard 0",
        "erasures": "stands in shard 0, for whichever shard its user is on",
        "mail_senders": "stands in shard 0",
    }
)
"""Has a column `user_id`, and does not move."""

# Names as SQL takes them. The order of columns is theirs by name: a table's own may differ between databases.
_COLUMNS = """SELECT c.oid::regclass::text AS name,
array_agg(quote_ident(a.attname) ORDER BY a.attname) FILTER (WHERE a.attgenerated = '') AS columns,
array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attname) FILTER (WHERE a.attgenerated = '') AS types
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace IN ('public'::regnamespace, 'analytics'::regnamespace) AND c.relkind IN ('r', 'p', 'm')
AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped GROUP BY c.oid"""
_REFERENCES = """SELECT conrelid::regclass::text AS name, confrelid::regclass::text AS refers_to
FROM pg_constraint WHERE contype = 'f' AND conrelid <> confrelid"""
_MONTHS = """SELECT i.inhparent::regclass::text AS name, right(c.relname, 7) AS month
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
WHERE p.relkind = 'p' AND c.relkind = 'r'"""


@dataclass(frozen=True, slots=True)
class Table:
    """One that is copied.

    Attributes:
        name: as SQL takes it.
        columns: those with rows of their own, generated ones left out; ready for SQL.
        types: theirs.
    """

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]

    @property
    def listed(self) -> str:
        """The columns, for SQL."""
        return ", ".join(self.columns)

    @property
    def rows(self) -> str:
        """Condition for the rows of users whose slots are `$1` to `$2`."""
        if self.name in MOVED:
            # By the index of `users`, and the one that each table has for its users.
            return f"{MOVED[self.name]} IN (SELECT id FROM users WHERE user_slot(id) BETWEEN $1 AND $2)"  # noqa: S608 of this file
        # Of users that are gone, too.
        return "user_slot(user_id) BETWEEN $1 AND $2"


@dataclass(frozen=True, slots=True)
class Tables:
    """Those of one database.

    Attributes:
        moved: in an order in which each comes after what it refers to.
        added: as they are in `ADDED`.
        unknown: tables with users' rows of which this image does not know what to do with them.
    """

    moved: tuple[Table, ...]
    added: tuple[Table, ...]
    unknown: tuple[str, ...]


async def read(connection: Reading) -> Tables:
    """The tables of a database."""
    found = {
        row["name"]: Table(row["name"], tuple(row["columns"]), tuple(row["types"]))
        for row in await connection.fetch(_COLUMNS)
    }
    order = TopologicalSorter({name: set[str]() for name in MOVED})
    for row in await connection.fetch(_REFERENCES):
        if row["name"] in MOVED:
            order.add(row["name"], row["refers_to"])
    known = {*MOVED, *ADDED, *ELSEWHERE}
    return Tables(
        moved=tuple(found[name] for name in order.static_order() if name in MOVED),
        added=tuple(found[name] for name in ADDED),
        unknown=tuple(sorted(name for name, one in found.items() if "user_id" in one.columns and name not in known)),
    )


async def months(connection: Reading) -> set[tuple[str, str]]:
    """Table and month (`2026_11`) of each partition."""
    return {(row["name"], row["month"]) for row in await connection.fetch(_MONTHS)}
