"""Two shards and users with everything, some of whom move."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from app.data.database import Database
from app.data.shards import slot_of
from app.data.slot_clean import Cleaner
from app.data.slot_copy import Mover, Slots
from app.data.slot_tables import ADDED, MOVED, OUTBOX, PROCESSED
from app.settings import ShardMap
from stacks.phase import PhaseName
from stacks.phases import phase
from stacks.shards import shard_map
from tests.app.rows import insert
from tests.app.servers import Postgres

SLOTS = Slots(200, 203)
FROZEN, SWITCHED = "200-203=0>1:frozen", "200-203=1"
SECRET = "whispered-words"
"""In texts of users, which no output may have."""
OLD_MONTH: LiteralString = "2021-03-01"


def user_in(first: int, last: int) -> UUID:
    return next(one for one in iter(uuid4, None) if first <= slot_of(one) <= last)


@dataclass
class Two:
    """The databases of shard 0 and 1, seen by their owner."""

    names: tuple[str, str]
    owners: tuple[psycopg.Connection, psycopg.Connection]
    told: list[str] = field(default_factory=list)

    def map(self, *entries: str) -> dict[str, Any]:
        """The map that a stack file with these entries makes."""
        found = shard_map(phase(PhaseName.P250K), entries)
        shards = [{**one, "database": name} for one, name in zip(found["shards"], self.names, strict=True)]
        return {**found, "shards": shards}

    def parsed(self, *entries: str) -> ShardMap:
        return ShardMap.model_validate_json(json.dumps(self.map(*entries)))

    def mover(self, database: Database, slots: Slots = SLOTS) -> Mover:
        source, target = database.shards.all
        return Mover(database=database, slots=slots, source=source, target=target, tell=self.told.append)

    def cleaner(self, database: Database, owner: int = 1) -> Cleaner:
        return Cleaner(database=database, slots=SLOTS, owner=database.shards.all[owner], tell=self.told.append)

    def insert(self, shard: int, table: str, **values: object) -> None:
        insert(self.owners[shard], table, values)

    def content(self, shard: int, tables: tuple[str, ...] = (*MOVED, *ADDED)) -> dict[str, list[str]]:
        """All rows, as text."""
        query = sql.SQL("SELECT t::text FROM {} t ORDER BY 1")
        return {
            table: [
                row[0] for row in self.owners[shard].execute(query.format(sql.Identifier(*table.split(".")))).fetchall()
            ]
            for table in tables
        }

    def users(self, shard: int) -> set[UUID]:
        return {row[0] for row in self.owners[shard].execute("SELECT id FROM users").fetchall()}

    def wealthy(self, user: UUID) -> None:
        """A row in every table that has users' rows, on shard 0; one of them long ago."""
        other, text = uuid4(), SECRET
        own: list[tuple[str, dict[str, Any]]] = [
            ("subscriptions", {"tier": 1, "status": "active"}),
            ("posts", {"slug": f"{text}-{other}", "title": text, "body": text, "categories": ["a", 'b"c']}),
            ("leads", {"id": other, "email": text, "name": text}),
            ("campaigns", {"id": other, "name": text}),
            ("campaign_statistics", {"id": other}),
            ("conversations", {"id": other, "channel": "email", "lead_id": other}),
            ("messages", {"conversation_id": other, "direction": "in", "body": text}),
            ("companies", {"id": other, "name": text}),
            ("contacts", {"company_id": other, "name": text}),
            ("deals", {"company_id": other}),
            ("videos", {"title": text, "object_key": text}),
            ("video_views", {"video_id": other}),
            ("video_views", {"video_id": other, "created_at": f"{OLD_MONTH} 12:00Z"}),
            ("analytics.analytics_events", {"event_type": "opened", "properties": json.dumps({"text": text})}),
            ("idempotency_keys", {"endpoint": "/", "key": text, "fingerprint": b"f", "expires_at": "2100-01-01"}),
            ("jobs", {"kind": text}),
            (
                "uploads",
                {
                    "id": other,
                    "object_key": str(other),
                    "kind": "file",
                    "content_type": text,
                    "size_bytes": 1,
                    "sha256": b"s" * 32,
                    "name": text,
                },
            ),
            ("mail_sends", {"key": str(other), "state": "sent"}),
            ("mail_unsubscribes", {"recipient": b"r" * 32}),
            ("webhook_endpoints", {"id": other, "url": f"https://{text}.example.com"}),
            ("webhook_deliveries", {"endpoint_id": other, "event_type": "e", "payload": "{}"}),
            ("audit_log", {"action": "export.done"}),
            ("consents", {"purpose": "newsletter", "text_version": "1", "given": True, "source": "account"}),
            (OUTBOX, {"topic": "erasure", "payload": "{}", "due_at": "2100-01-01"}),
        ]
        self.insert(0, "users", id=user, email=f"{text}-{user}@example.com")
        self.insert(0, "profiles", id=user, display_name=text)
        for table, values in own:
            self.insert(0, table, user_id=user, **values)
        self.insert(0, PROCESSED, job_id=uuid4())


@pytest.fixture
def two(postgres: Postgres, migrated_template: str) -> Iterator[Two]:
    """Two users whose slots move and one whose slot stays, all with everything; shard 1 is empty."""
    with (
        postgres.database(migrated_template) as zero,
        postgres.database(migrated_template) as one,
        psycopg.connect(postgres.url(zero), autocommit=True) as first,
        psycopg.connect(postgres.url(one), autocommit=True) as second,
    ):
        first.execute(f"SELECT create_month_partition('video_views', '{OLD_MONTH}')")
        found = Two((zero, one), (first, second))
        for user in (user_in(200, 201), user_in(202, 203), user_in(0, 199)):
            found.wealthy(user)
        yield found
