"""The indexes that the product counts on, by the columns they begin with. What they are for is in the comments."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Expected:
    """An index that begins with these columns serves it.

    Attributes:
        table: with its schema, where that is not `public`.
        columns: as PostgreSQL prints them, such as `created_at DESC`. A B-tree is read backwards as well, so an
            ascending index serves a descending single column.
        unique: it also keeps duplicates out.
        predicate: of a partial index, as PostgreSQL prints it.
        method: `btree` or `gin`.
    """

    table: str
    columns: tuple[str, ...]
    unique: bool = False
    predicate: str | None = None
    method: str = "btree"


CATALOGUE = (
    Expected("users", ("email",), unique=True),
    Expected("users", ("tier",)),
    Expected("users", ("created_at DESC",)),
    Expected("users", ("last_active_at DESC",)),
    Expected("users", ("user_slot(id)",)),  # moving a slot to another shard
    Expected("leads", ("user_id",)),
    Expected("leads", ("email",)),
    Expected("leads", ("status",)),
    Expected("leads", ("created_at",)),
    Expected("leads", ("user_id", "created_at")),
    Expected("leads", ("user_id", "status")),
    Expected("campaigns", ("user_id",)),
    Expected("campaigns", ("status",)),
    Expected("campaigns", ("user_id", "created_at")),
    Expected("conversations", ("user_id",)),
    Expected("conversations", ("channel",)),
    Expected("conversations", ("user_id", "created_at")),
    Expected("messages", ("conversation_id", "created_at")),
    Expected("companies", ("user_id",)),
    Expected("contacts", ("company_id",)),
    Expected("contacts", ("user_id", "created_at")),
    Expected("deals", ("company_id",)),
    Expected("deals", ("user_id", "created_at")),
    Expected("deals", ("stage",)),
    Expected("deals", ("user_id", "status")),
    Expected("videos", ("user_id", "created_at")),
    Expected("video_views", ("video_id", "created_at")),
    Expected("profiles", ("subscription_tier",), predicate="(subscription_tier = 'plus'::text)"),
    # Privileges of a user from the index alone.
    Expected("profiles", ("id", "subscription_tier", "subscription_expires_at")),
    Expected("consents", ("user_id", "purpose", "created_at DESC")),
    Expected("newsletter_subscribers", ("email",), unique=True),
    Expected("newsletter_subscribers", ("created_at DESC",)),
    Expected("newsletter_subscribers", ("status",)),
    Expected("posts", ("published_at DESC",)),
    Expected("posts", ("slug",), unique=True),
    Expected("posts", ("user_id",)),  # the author
    Expected("posts", ("categories",), method="gin"),
    Expected("posts", ("search",), method="gin"),  # full text, until there is a search engine
    Expected("posts", ("likes DESC",)),  # the most liked
    # Also the partition key.
    Expected("analytics.analytics_events", ('"timestamp" DESC',)),
    Expected("analytics.analytics_events", ("user_id", '"timestamp" DESC')),
    Expected("analytics.analytics_events", ("event_type", '"timestamp" DESC')),
    Expected("active_subscriptions", ("user_id",), unique=True),  # REFRESH ... CONCURRENTLY needs it
)
