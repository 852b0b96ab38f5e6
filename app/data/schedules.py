"""What the primary runs by itself, by pg_cron: the refresh of `active_subscriptions`, and cleaning up after it."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

DATABASE = "headroom"
"""pg_cron's own (`cron.database_name`); every primary has it, whichever shards it has."""
REFRESH = "SELECT refresh_active_subscriptions()"
EVERY_MINUTE = "* * * * *"
CLEANING = "DELETE FROM cron.job_run_details WHERE end_time < now() - interval '7 days'"
DAILY = "17 3 * * *"


def schedule(url: str, databases: Sequence[str]) -> bool:
    """Schedule the jobs of all `databases` of a primary; a job of the same name is replaced.

    Args:
        url: of `DATABASE` on that primary, as the owner.
        databases: each has an `active_subscriptions`.

    Returns:
        Whether there is a pg_cron. Without one, somebody else calls `refresh` each minute.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        # RDS lists it in every database, and `shared_preload_libraries` is what the stack asks for.
        query = "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_cron'"
        if connection.execute(query).fetchone() is None:
            return False
        try:
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_cron")
        except psycopg.errors.InsufficientPrivilege:
            return False  # Not RDS, whose master user may: somebody's own server.
        for database in databases:
            _add(connection, f"refresh-active-subscriptions-{database}", EVERY_MINUTE, REFRESH, database)
        _add(connection, "clean-job-run-details", DAILY, CLEANING, DATABASE)
    return True


def refresh(connection: psycopg.Connection) -> None:
    """Refresh the view of one database; readers are not locked out."""
    connection.execute(REFRESH)


def _add(connection: psycopg.Connection, name: str, when: str, command: str, database: str) -> None:
    connection.execute("SELECT cron.schedule_in_database(%s, %s, %s, %s)", (name, when, command, database))
