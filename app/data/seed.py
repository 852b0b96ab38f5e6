"""Rows to try things on: the size that the product starts at, 10,000 users and 100,000 rows in all.

Always the same rows but for the dates, which count back from now. A few users have most of it, as in life.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

SEED = 10_000
ROWS = {
    "users": 10_000,
    "profiles": 10_000,
    "subscriptions": 1_500,
    "posts": 2_000,
    "leads": 25_000,
    "campaigns": 2_000,
    "conversations": 6_000,
    "messages": 18_000,
    "companies": 3_000,
    "contacts": 5_000,
    "deals": 3_000,
    "videos": 1_500,
    "video_views": 5_000,
    "analytics.analytics_events": 7_000,
    "newsletter_subscribers": 1_000,
}
RECENT_DAYS = 25
"""How far back rows of partitioned tables go: into the partition before the present one at most."""
WORDS = ("growth", "launch", "churn", "funnel", "pipeline", "retention", "pricing", "outreach", "webinar")
CATEGORIES = ("growth", "sales", "product", "engineering", "design", "support")


def seed(connection: psycopg.Connection, *, now: dt.datetime | None = None) -> dict[str, int]:
    """Fill an empty database, in one transaction; the rows of each table.

    COPY refuses tables with row-level security, so it fills a temporary table, and INSERT ... SELECT the real one.

    Args:
        connection: of the owner, not through a pooler.
        now: to be told in tests.

    Raises:
        psycopg.errors.UniqueViolation: there are such rows already.
    """
    rows = _Rows(random.Random(SEED), now or dt.datetime.now(dt.UTC))  # noqa: S311 the same rows every time
    with connection.transaction(), connection.cursor() as cursor:
        for table, count in ROWS.items():
            columns, make = rows.makers[table]
            target = sql.Identifier(*table.split("."))
            names = sql.SQL(", ").join(map(sql.Identifier, columns))
            cursor.execute(
                sql.SQL("CREATE TEMPORARY TABLE seed ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
                    names, target
                )
            )
            with cursor.copy(sql.SQL("COPY seed ({}) FROM STDIN").format(names)) as copy:
                for index in range(count):
                    copy.write_row(make(index))
            cursor.execute(sql.SQL("INSERT INTO {} ({}) SELECT {} FROM seed").format(target, names, names))
            cursor.execute("DROP TABLE seed")
        cursor.execute("SELECT refresh_active_subscriptions()")
    connection.execute("ANALYZE")
    return dict(ROWS)


@dataclass
class _Rows:
    """Makes rows; each table's after those that it refers to."""

    random: random.Random
    now: dt.datetime

    def __post_init__(self) -> None:
        self.users = list(self._ids(ROWS["users"]))
        self.leads = self._owned("leads")
        self.conversations = self._owned("conversations")
        self.companies = self._owned("companies")
        self.videos = self._owned("videos")
        self.plus = set(self.random.sample(range(ROWS["users"]), ROWS["subscriptions"]))
        self._subscribers = sorted(self.plus)

    def _ids(self, count: int) -> Iterator[UUID]:
        return (UUID(int=self.random.getrandbits(128), version=4) for _ in range(count))

    def _owned(self, table: str) -> list[tuple[UUID, UUID]]:
        """Ids with their owners."""
        return [(one, self._user()) for one in self._ids(ROWS[table])]

    def _user(self) -> UUID:
        return self.users[int(len(self.users) * self.random.random() ** 2)]

    def _at(self, days: float) -> dt.datetime:
        return self.now - dt.timedelta(days=self.random.random() * days)

    def _text(self, words: int) -> str:
        return " ".join(self.random.choices(WORDS, k=words))

    def _of(self, owned: list[tuple[UUID, UUID]]) -> tuple[UUID, UUID]:
        return self.random.choice(owned)

    @property
    def makers(self) -> dict[str, tuple[tuple[str, ...], Callable[[int], tuple[Any, ...]]]]:
        """Columns of each table, and what makes its row of an index."""
        pick = self.random.choice
        return {
            "users": (("id", "email", "tier", "created_at", "last_active_at"), self._user_row),
            "profiles": (("id", "display_name", "subscription_tier", "subscription_expires_at"), self._profile_row),
            "subscriptions": (("user_id", "tier", "status", "expires_at"), self._subscription_row),
            "posts": (("user_id", "slug", "title", "body", "categories", "likes", "published_at"), self._post_row),
            "leads": (
                ("id", "user_id", "email", "name", "status", "score", "created_at"),
                lambda n: (
                    *self.leads[n],
                    f"lead{n}@example.org",
                    f"Lead {n}",
                    pick(("new", "contacted", "qualified", "lost")),
                    self.random.randrange(101),
                    self._at(700),
                ),
            ),
            "campaigns": (
                ("user_id", "name", "status", "created_at"),
                lambda n: (self._user(), f"Campaign {n}", pick(("draft", "running", "done")), self._at(700)),
            ),
            "conversations": (
                ("id", "user_id", "channel", "subject", "created_at"),
                lambda n: (
                    *self.conversations[n],
                    pick(("email", "chat", "sms", "social")),
                    self._text(3),
                    self._at(700),
                ),
            ),
            "messages": (
                ("conversation_id", "user_id", "direction", "body", "created_at"),
                lambda _: (*self._of(self.conversations), pick(("in", "out")), self._text(12), self._at(700)),
            ),
            "companies": (
                ("id", "user_id", "name", "domain"),
                lambda n: (*self.companies[n], f"Company {n}", f"company{n}.example"),
            ),
            "contacts": (
                ("company_id", "user_id", "name", "email"),
                lambda n: (*self._of(self.companies), f"Contact {n}", f"contact{n}@example.org"),
            ),
            "deals": (
                ("company_id", "user_id", "stage", "status", "amount_cents"),
                lambda _: (
                    *self._of(self.companies),
                    pick(("new", "proposal", "negotiation", "closed")),
                    pick(("open", "open", "won", "lost")),
                    self.random.randrange(10_000, 5_000_000),
                ),
            ),
            "videos": (
                ("id", "user_id", "title", "object_key", "status", "duration_seconds"),
                lambda n: (
                    *self.videos[n],
                    self._text(4),
                    f"videos/{n}.mp4",
                    "ready",
                    self.random.randrange(10, 3_600),
                ),
            ),
            "video_views": (
                ("video_id", "user_id", "watched_seconds", "created_at"),
                lambda _: (*self._of(self.videos), self.random.randrange(600), self._at(RECENT_DAYS)),
            ),
            "analytics.analytics_events": (
                ("user_id", "session_id", "event_type", "timestamp", "properties"),
                lambda _: (
                    self._user(),
                    f"s{self.random.getrandbits(64):016x}",
                    pick(("page_view", "page_view", "click", "signup", "purchase")),
                    self._at(RECENT_DAYS),
                    Jsonb({"path": f"/{pick(WORDS)}"}),
                ),
            ),
            "newsletter_subscribers": (
                ("email", "status", "created_at"),
                lambda n: (f"reader{n}@example.org", pick(("pending", "confirmed", "unsubscribed")), self._at(700)),
            ),
        }

    def _user_row(self, index: int) -> tuple[Any, ...]:
        tier = self.random.randint(1, 5) if index in self.plus else 0
        created = self._at(700)
        return (
            self.users[index],
            f"user{index}@example.com",
            tier,
            created,
            created + (self.now - created) * self.random.random(),
        )

    def _profile_row(self, index: int) -> tuple[Any, ...]:
        plus = index in self.plus
        expires = self.now + dt.timedelta(days=self.random.randint(1, 365)) if plus else None
        return self.users[index], f"User {index}", "plus" if plus else "free", expires

    def _subscription_row(self, index: int) -> tuple[Any, ...]:
        expires = self.now + dt.timedelta(days=self.random.randint(-60, 365))
        user = self.users[self._subscribers[index]]
        return (
            user,
            self.random.randint(1, 5),
            self.random.choice(("trialing", "active", "active", "cancelled")),
            expires,
        )

    def _post_row(self, index: int) -> tuple[Any, ...]:
        categories = self.random.sample(CATEGORIES, self.random.randint(1, 3))
        likes = int(self.random.paretovariate(1))
        return (self._user(), f"post-{index}", self._text(6), self._text(80), categories, likes, self._at(700))
