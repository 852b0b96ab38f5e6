from __future__ import annotations

import datetime as dt
import threading

import psycopg
import pytest

from app.data.partitions import TABLES, keep

CHILDREN = """SELECT c.relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
    WHERE inhparent = 'analytics.analytics_events'::regclass ORDER BY 1"""
EXISTS = "SELECT count(*) FROM pg_class WHERE relname = %s"
EVENT = "INSERT INTO analytics.analytics_events (event_type, timestamp) VALUES ('click', %s)"


@pytest.fixture
def connection(database_url: str) -> psycopg.Connection:
    return psycopg.connect(database_url, autocommit=True)


def children(connection: psycopg.Connection) -> list[str]:
    return [name.removeprefix("analytics_events_") for (name,) in connection.execute(CHILDREN.encode())]


def at(year: int, month: int, day: int = 15) -> dt.datetime:
    return dt.datetime(year, month, day, tzinfo=dt.UTC)


def test_partitions_are_there_two_months_ahead(connection: psycopg.Connection) -> None:
    with connection:
        made = keep(connection, dt.date(2031, 11, 30)).created

        assert {name for name in made if name.startswith("analytics")} == {
            "analytics_events_2031_11",
            "analytics_events_2031_12",
            "analytics_events_2032_01",
        }
        connection.execute(EVENT, (at(2032, 1, 31),))
        with pytest.raises(psycopg.errors.CheckViolation, match="no partition"):
            connection.execute(EVENT, (at(2032, 2, 1),))


def test_keeping_twice_does_nothing(connection: psycopg.Connection) -> None:
    with connection:
        keep(connection, dt.date(2031, 11, 30))
        again = keep(connection, dt.date(2031, 11, 30))

        assert (again.created, again.dropped) == ((), ())


@pytest.mark.parametrize(
    ("today", "oldest"),
    [(dt.date(2031, 4, 30), "2031_01"), (dt.date(2031, 5, 1), "2031_01"), (dt.date(2031, 5, 2), "2031_02")],
)
def test_a_month_goes_when_its_last_day_is_90_days_old(
    connection: psycopg.Connection, today: dt.date, oldest: str
) -> None:
    """January ends 90 days before 1 May begins; on 2 May its last moment is 90 days past."""
    with connection:
        keep(connection, dt.date(2031, 1, 1))
        connection.execute(EVENT, (at(2031, 1),))

        keep(connection, today)

        assert children(connection)[0] == oldest


def test_what_is_kept_for_ever_is_not_dropped(connection: psycopg.Connection) -> None:
    with connection:
        keep(connection, dt.date(2031, 1, 1))
        dropped = keep(connection, dt.date(2041, 1, 1)).dropped

        assert {name[:-8] for name in dropped} == {"analytics_events"}


def test_what_a_broken_run_left_is_finished(connection: psycopg.Connection, database_url: str) -> None:
    """One partition was detached and not dropped; one is still being detached, as who reads it had to be waited for."""
    parent = "ALTER TABLE analytics.analytics_events DETACH PARTITION analytics.analytics_events_2031_0"
    with connection:
        keep(connection, dt.date(2031, 1, 1))
        connection.execute(f"{parent}1".encode())
        connection.execute("SET lock_timeout = '200ms'")
        with psycopg.connect(database_url) as reader:
            reader.execute("SELECT count(*) FROM analytics.analytics_events")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                connection.execute(f"{parent}2 CONCURRENTLY".encode())
        assert "2031_02" in children(connection)  # Until it is finalised.

        dropped = keep(connection, dt.date(2031, 12, 1)).dropped

        assert {"analytics_events_2031_01", "analytics_events_2031_02"} <= set(dropped)
        assert connection.execute(EXISTS, ("analytics_events_2031_02",)).fetchone() == (0,)


def test_dropping_and_making_lets_others_read_and_write(connection: psycopg.Connection, database_url: str) -> None:
    """A transaction that is in the middle of using the table holds nobody up for long, and is not held up."""
    failures: list[str] = []
    written = 0
    stop = threading.Event()

    def traffic() -> None:
        nonlocal written
        with psycopg.connect(database_url, autocommit=True, options="-c statement_timeout=500") as mine:
            while not stop.is_set():
                try:
                    mine.execute(EVENT, (at(2032, 2),))
                    mine.execute("SELECT count(*) FROM analytics.analytics_events WHERE timestamp > %s", (at(2032, 1),))
                    written += 1
                except psycopg.Error as error:
                    failures.append(str(error))

    with connection:
        keep(connection, dt.date(2031, 11, 1))
        keep(connection, dt.date(2032, 1, 1))
        threads = [threading.Thread(target=traffic) for _ in range(3)]
        for thread in threads:
            thread.start()
        kept = keep(connection, dt.date(2032, 4, 1))
        stop.set()
        for thread in threads:
            thread.join()

        assert kept.dropped
        assert written > 0
        assert failures == []


def test_the_tables_are_those_that_are_partitioned(connection: psycopg.Connection) -> None:
    query = """SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE relkind = 'p'"""
    with connection:
        found = connection.execute(query).fetchall()

    assert sorted(found) == sorted((table.schema, table.name) for table in TABLES)
