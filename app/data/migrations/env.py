"""What Alembic runs for every command: one migration at a time, each version in a transaction of its own.

`config.attributes["url"]` is the writer itself in libpq's form, with the owner's role: not the pooler, since the lock
and the timeouts here belong to a session.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from alembic import context
from sqlalchemy import NullPool, create_engine

LOCK = 4_851_003
"""Advisory lock of whoever changes the schema; any number, the same in every image."""
LOCK_WAIT_SECONDS = 600
"""As long as the longest version takes; the Job ends after 1,800 s."""
OPTIONS = "-c lock_timeout=5s -c idle_in_transaction_session_timeout=0 -c statement_timeout=0"
"""A DDL statement that waits for a lock makes every query behind it wait too: so it gives up, and `migrate` tries
again. CREATE INDEX CONCURRENTLY gives up in the same way, and leaves an invalid index to be dropped first."""


@contextmanager
def _alone(url: str) -> Iterator[None]:
    """Hold the lock on a connection of its own, over all versions.

    A lock of the versions' transactions would be gone at the first index that is built outside of one, and would come
    after Alembic has read which version the database is at.
    """
    with psycopg.connect(url, autocommit=True, application_name="headroom-migrate") as connection:
        end = time.monotonic() + LOCK_WAIT_SECONDS
        while connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone() != (True,):
            if time.monotonic() > end:
                msg = f"another migration has held the lock for {LOCK_WAIT_SECONDS} s"
                raise TimeoutError(msg)
            time.sleep(0.2)
        yield


def _run_online(url: str) -> None:
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(url, options=OPTIONS, application_name="headroom-migrate"),
        poolclass=NullPool,
    )
    with _alone(url), engine.connect() as connection:
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()


def _run_offline() -> None:
    """Print the SQL: `--sql`, and the test that reads it."""
    context.configure(dialect_name="postgresql", transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _run_offline()
else:
    _run_online(context.config.attributes["url"])
