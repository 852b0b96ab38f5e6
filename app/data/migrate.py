"""The migration: databases, the pods' role, the schema, partitions, schedules. Run before any pod of an image starts.

It speaks to a primary itself, as the owner. It may run twice, and at the same time as another one.
"""

from __future__ import annotations

import contextlib
import random
import time
from dataclasses import dataclass

import alembic.command
import alembic.config
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy.exc import OperationalError

from app.data import index_check, partitions, schedules
from app.data.migrations.protection import APPLICATION
from app.data.schema import MIGRATIONS, REQUIRED
from app.settings import MigrationSettings, OwnerSettings, SettingsError

MAINTENANCE_DATABASE = "postgres"
"""Is in every cluster, and the one to connect to while others are being created."""
ATTEMPTS = 10
"""A statement waits 5 s for its lock; in between, the queries that waited behind it run."""
ROLE_SETTINGS = {
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "10s",
    # asyncpg turns it off and on again around looking types up, which in transaction mode hits another session
    # (https://github.com/MagicStack/asyncpg/issues/1082); and queries as short as these gain nothing by it.
    "jit": "off",
}
"""On the role, since a pooler's clients cannot set anything for longer than a transaction."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Migrated:
    """What was done to one database: the versions before (None: empty) and after, its partitions and its indexes.

    A release must not go on unless `indexes.ok`.
    """

    database: str
    before: str | None
    after: str
    partitions: partitions.Kept
    indexes: index_check.Report


def dsn(settings: OwnerSettings, database: str) -> str:
    """Connection string of a database, for libpq; it has the password."""
    return make_conninfo(
        host=settings.database_writer_host,
        port=settings.database_port,
        user=settings.database_user,
        password=settings.database_password.get_secret_value(),
        dbname=database,
        sslmode=settings.database_tls,
        sslrootcert=str(settings.database_ca_file) if settings.database_ca_file else None,
        connect_timeout=10,
    )


def migrate(settings: MigrationSettings) -> list[Migrated]:
    """Bring all databases of one primary to this image's schema.

    Raises:
        SettingsError: the role of the pods is another than the one that the versions grant access to.
        sqlalchemy.exc.OperationalError: a lock was not to be had in ten attempts.
    """
    if settings.application_user != APPLICATION:
        raise SettingsError([f"APPLICATION_USER must be {APPLICATION}, which the schema's grants are for"])
    with psycopg.connect(dsn(settings, MAINTENANCE_DATABASE), autocommit=True) as connection:
        _create_role(connection, settings.application_password.get_secret_value())
        for database in {schedules.DATABASE, *settings.database_names}:
            _create_database(connection, database)
    done = []
    for database in settings.database_names:
        url = dsn(settings, database)
        before, after = upgrade(url)
        with psycopg.connect(url, autocommit=True) as connection:
            _create_inspection(connection)
            kept, indexes = partitions.keep(connection), index_check.check(connection)
        done.append(Migrated(database=database, before=before, after=after, partitions=kept, indexes=indexes))
    schedules.schedule(dsn(settings, schedules.DATABASE), settings.database_names)
    return done


def upgrade(url: str) -> tuple[str | None, str]:
    """Bring one database to this image's schema; the versions before and after.

    A schema that is newer is left alone: this image is the older colour of the two, or was rolled back to.
    """
    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    before = version(url)
    if before is not None and before > REQUIRED:
        return before, before
    for attempt in range(1, ATTEMPTS + 1):
        try:
            alembic.command.upgrade(config, "head")
            break
        except OperationalError as error:
            if attempt == ATTEMPTS or not isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise
            time.sleep(random.uniform(0.5, 1) * attempt)  # noqa: S311 nothing is kept secret by it
    return before, REQUIRED


def version(url: str) -> str | None:
    """The schema's version; None before the first."""
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regclass('alembic_version') IS NULL").fetchone() == (True,):
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None


def _create_role(connection: psycopg.Connection, password: str) -> None:
    """Make the pods' role, or give it the present password.

    The server gets a SCRAM verifier, never the password: statements like this one are logged (`log_statement = ddl`).
    """
    name = sql.Identifier(APPLICATION)
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (APPLICATION,)).fetchone() is None:
        connection.execute(sql.SQL("CREATE ROLE {}").format(name))
    verifier = connection.pgconn.encrypt_password(password.encode(), APPLICATION.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("ALTER ROLE {} LOGIN NOINHERIT PASSWORD {}").format(name, sql.Literal(verifier)))
    for key, value in ROLE_SETTINGS.items():
        command = sql.SQL("ALTER ROLE {} SET {} = {}")
        connection.execute(command.format(name, sql.Identifier(key), sql.Literal(value)))


def _create_database(connection: psycopg.Connection, database: str) -> None:
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone() is None:
        try:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        except psycopg.errors.DuplicateDatabase:
            return  # Another migration was faster.


def _create_inspection(connection: psycopg.Connection) -> None:
    """Let the index check look into indexes; where that takes a superuser (not on RDS), it does without."""
    with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
        connection.execute("CREATE EXTENSION IF NOT EXISTS pgstattuple")
