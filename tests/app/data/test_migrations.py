from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
import psycopg
import pytest
from alembic.script import ScriptDirectory
from pydantic import SecretStr

from app.data import migrate, schedules
from app.data.migrations.protection import APPLICATION
from app.data.schema import MIGRATIONS, REQUIRED
from app.settings import MigrationSettings, SettingsError
from components import database_parts as stack_database
from stacks import pods, shards
from tests.app.servers import OWNER, Postgres, new_postgres

PASSWORD = "correct-horse-battery-staple"
CONCURRENTLY = re.compile(r"\b(CREATE|DROP) (UNIQUE )?INDEX CONCURRENTLY\b", re.IGNORECASE)
SCHEMA = """
SELECT 'table', c.oid::regclass::text, c.relkind::text || c.relrowsecurity || c.relforcerowsecurity || c.relacl::text
    FROM pg_class c WHERE c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'analytics'))
UNION ALL SELECT 'column', attrelid::regclass::text, attname || format_type(atttypid, atttypmod) || attnotnull
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    WHERE attnum > 0 AND NOT attisdropped AND c.relnamespace::regnamespace::text IN ('public', 'analytics')
UNION ALL SELECT 'policy', tablename, policyname || coalesce(qual, '') || roles::text FROM pg_policies
UNION ALL SELECT 'function', proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'index', tablename, indexdef FROM pg_indexes WHERE schemaname IN ('public', 'analytics')
ORDER BY 1, 2, 3
"""


def config(url: str = "") -> alembic.config.Config:
    it = alembic.config.Config()
    it.set_main_option("script_location", str(MIGRATIONS))
    it.attributes["url"] = url
    return it


def schema(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(SCHEMA.encode()).fetchall()


def revisions() -> list[str]:
    return [one.revision for one in reversed(list(ScriptDirectory.from_config(config()).walk_revisions()))]


def broken(statements: list[str]) -> list[str]:
    """What would stop queries, or break the image before, in a version that follows the first."""
    found = []
    made: set[str] = set()
    for statement in statements:
        sql = " ".join(statement.split())
        if match := re.match(r"CREATE (?:TABLE|MATERIALIZED VIEW) ([\w.]+)", sql):
            made.add(match[1])
        index = re.match(r"CREATE (?:UNIQUE )?INDEX (CONCURRENTLY )?.*?\bON (?:ONLY )?([\w.]+)", sql)
        if index and not index[1] and index[2] not in made:
            found.append(f"locks writers out; CREATE INDEX CONCURRENTLY: {sql}")
        if index and index[1] and not re.search(r"\w+ ON ", sql.replace("CONCURRENTLY ", "").split("INDEX ")[1]):
            found.append(f"has no name, so that what is left of a broken one cannot be dropped: {sql}")
        if re.search(r"(SELECT|RETURNING) \*|\.\*", sql):
            found.append(f"breaks prepared statements when a column comes: {sql}")
        altered = re.match(r"ALTER TABLE (?:ONLY )?([\w.]+) (.*)", sql)
        if altered and altered[1] not in made and altered[1] != "alembic_version":
            found += [f"{why}: {sql}" for pattern, why in BLOCKING.items() if re.search(pattern, altered[2])]
    return found


BLOCKING = {
    r"\bALTER (COLUMN )?\w+ (SET DATA )?TYPE\b": "rewrites the table",
    r"\bSET NOT NULL\b": "reads the whole table under a lock; add a NOT VALID check, and validate it",
    r"\bRENAME\b": "breaks the image before; add a new one, and drop the old one a release later",
    r"\bADD (CONSTRAINT \w+ )?(CHECK|FOREIGN KEY)(?!.*NOT VALID)": "reads the whole table under a lock; NOT VALID",
    r"\bADD (COLUMN )?\w+ .*\bNOT NULL\b(?!.*DEFAULT)": "the image before does not fill it",
    r"\bADD (CONSTRAINT \w+ )?(UNIQUE|PRIMARY KEY) \(": "builds an index under a lock; build it CONCURRENTLY before",
    r"\bADD (COLUMN )?\w+ .*DEFAULT (gen_random_uuid|clock_timestamp|random)": "rewrites the table",
}


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX leads_score_idx ON leads (score)",
        "CREATE UNIQUE INDEX ON leads (score)",
        "CREATE INDEX CONCURRENTLY ON leads (score)",
        "CREATE VIEW v AS SELECT * FROM leads",
        "INSERT INTO leads (email) VALUES ('a') RETURNING *",
        "ALTER TABLE leads ALTER COLUMN score TYPE bigint",
        "ALTER TABLE leads ALTER score SET NOT NULL",
        "ALTER TABLE leads RENAME COLUMN score TO points",
        "ALTER TABLE leads ADD CONSTRAINT c CHECK (score > 0)",
        "ALTER TABLE leads ADD FOREIGN KEY (user_id) REFERENCES users (id)",
        "ALTER TABLE leads ADD COLUMN source text NOT NULL",
        "ALTER TABLE leads ADD COLUMN token uuid DEFAULT gen_random_uuid()",
        "ALTER TABLE leads ADD CONSTRAINT u UNIQUE (email)",
    ],
)
def test_the_rules_find_what_they_are_for(statement: str) -> None:
    assert len(broken([statement])) == 1


def test_the_rules_let_expansion_pass() -> None:
    expansion = [
        "CREATE TABLE tags (id uuid PRIMARY KEY)",
        "CREATE INDEX ON tags (id)",
        "ALTER TABLE tags ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE leads ADD COLUMN source text NOT NULL DEFAULT ''",
        "ALTER TABLE leads ADD CONSTRAINT c CHECK (score > 0) NOT VALID",
        "ALTER TABLE leads VALIDATE CONSTRAINT c",
        "DROP INDEX CONCURRENTLY IF EXISTS leads_score_idx",
        "CREATE INDEX CONCURRENTLY leads_score_idx ON leads (score)",
        "ALTER TABLE leads ADD CONSTRAINT u UNIQUE USING INDEX leads_email_key",
    ]

    assert broken(expansion) == []


@pytest.mark.parametrize("revision", revisions())
def test_a_version_neither_locks_tables_nor_breaks_the_image_before(revision: str) -> None:
    it, printed = config(), StringIO()
    it.output_buffer = printed
    below = {one.revision: one.down_revision for one in ScriptDirectory.from_config(it).walk_revisions()}[revision]
    alembic.command.upgrade(it, f"{below or 'base'}:{revision}", sql=True)
    statements = printed.getvalue().split(";\n")

    assert any(f"'{revision}'" in one for one in statements)
    assert broken([one.strip() for one in statements]) == []


def test_no_query_of_the_application_asks_for_all_columns() -> None:
    """Its server-side statement would fail from the migration that adds a column until its connection is closed."""
    sources = sorted(Path(migrate.__file__).parents[1].rglob("*.py"))
    star = re.compile(r"(SELECT|RETURNING)\s+(\w+\.)?\*")

    assert len(sources) > 20
    assert [path.name for path in sources if star.search(path.read_text(encoding="utf-8"))] == []


def test_versions_are_numbered_in_one_line() -> None:
    assert revisions() == [f"{number:04}" for number in range(1, len(revisions()) + 1)]
    assert revisions()[-1] == REQUIRED


def test_every_version_goes_down_and_up_again(empty_database_url: str) -> None:
    it = config(empty_database_url)
    states = [schema(empty_database_url)]
    for revision in revisions():
        alembic.command.upgrade(it, revision)
        states.append(schema(empty_database_url))
        alembic.command.downgrade(it, "-1")
        down = [row for row in schema(empty_database_url) if "alembic_version" not in str(row)]
        assert down == [row for row in states[-2] if "alembic_version" not in str(row)]
        alembic.command.upgrade(it, revision)
        assert schema(empty_database_url) == states[-1]
    alembic.command.downgrade(it, "base")

    assert [row for row in schema(empty_database_url) if "alembic_version" not in str(row)] == states[0]


def test_of_several_migrations_at_once_one_does_the_work(empty_database_url: str) -> None:
    with ThreadPoolExecutor(3) as threads:
        results = list(threads.map(lambda _: _upgrade(empty_database_url), range(3)))

    assert [after for _, after in results] == [REQUIRED] * 3


def _upgrade(url: str) -> tuple[str, str]:
    """In a process of its own: there is one Alembic context a process."""
    code = "import sys; from app.data.migrate import upgrade; print(*upgrade(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, url], check=True, capture_output=True, text=True)
    before, after = done.stdout.split()
    return before, after


def test_a_newer_schema_is_left_alone(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    assert migrate.upgrade(database_url) == ("9999", "9999")


def test_a_lock_that_is_not_to_be_had_is_asked_for_again(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt gives up after 5 s, so that the queries behind it run."""
    alembic.command.upgrade(config(empty_database_url), revisions()[-2])
    pauses: list[float] = []

    with psycopg.connect(empty_database_url) as busy:
        busy.execute("LOCK TABLE alembic_version IN SHARE MODE")

        def free(seconds: float) -> None:
            pauses.append(seconds)
            busy.rollback()

        monkeypatch.setattr("app.data.migrate.time.sleep", free)
        assert migrate.upgrade(empty_database_url) == (revisions()[-2], REQUIRED)

    assert len(pauses) == 1


@pytest.fixture(scope="module")
def primary() -> Iterator[Postgres]:
    """As RDS is set up: pg_cron, and a log of every DDL statement."""
    libraries = {"shared_preload_libraries": "pg_cron", "cron.database_name": schedules.DATABASE}
    server = new_postgres(log_statement="ddl", **libraries)
    try:
        yield server
    finally:
        server.remove()


def settings(server: Postgres, **changes: Any) -> MigrationSettings:
    values = {
        "service_role": "migrate",
        "secrets_dir": server.directory,
        "database_writer_host": "127.0.0.1",
        "database_port": server.port,
        "database_user": OWNER,
        "database_names": ("headroom_4", "headroom_5"),
        "database_tls": "disable",
        "database_ca_file": None,
        "database_password": SecretStr("unused"),
        "application_user": APPLICATION,
        "application_password": SecretStr(PASSWORD),
        **changes,
    }
    return MigrationSettings.model_construct(**values)


def test_the_migration_brings_all_databases_of_a_primary_to_the_images_schema(primary: Postgres) -> None:
    first = migrate.migrate(settings(primary))
    again = migrate.migrate(settings(primary))

    assert [one.database for one in first] == ["headroom_4", "headroom_5"]
    assert {one.after for one in (*first, *again)} == {REQUIRED}
    assert all(one.indexes.ok for one in first)
    assert [one.before for one in again] == [REQUIRED] * 2
    assert schema(primary.url("headroom_4")) == schema(primary.url("headroom_5"))


def test_the_pods_role_gets_its_password_and_limits_and_no_log_has_it(primary: Postgres) -> None:
    migrate.migrate(settings(primary))
    query = "SELECT rolpassword, rolcanlogin, rolinherit FROM pg_authid WHERE rolname = %s"
    with psycopg.connect(primary.url("postgres", "postgres")) as connection:
        verifier, logs_in, inherits = connection.execute(query, (APPLICATION,)).fetchone() or ("", False, True)
    log = (primary.directory / "log").read_text(encoding="utf-8")

    assert (logs_in, inherits) == (True, False)
    assert verifier.startswith("SCRAM-SHA-256$")
    assert "ALTER ROLE" in log
    assert PASSWORD not in log
    with psycopg.connect(primary.url("headroom_4", APPLICATION)) as connection:
        for name, value in migrate.ROLE_SETTINGS.items():
            assert connection.execute(f"SHOW {name}".encode()).fetchone() == (value,)


def test_another_role_than_the_schemas_is_refused(primary: Postgres) -> None:
    with pytest.raises(SettingsError, match="APPLICATION_USER must be headroom_app"):
        migrate.migrate(settings(primary, application_user="somebody"))


def test_the_names_are_the_stacks() -> None:
    assert pods.APPLICATION_USER == APPLICATION
    assert shards.FIRST_DATABASE == stack_database.DATABASE_NAME == schedules.DATABASE


def test_the_primary_refreshes_the_view_of_each_database_every_minute(primary: Postgres) -> None:
    with psycopg.connect(primary.url("postgres", "postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS headroom WITH (FORCE)")
        connection.execute(f"CREATE DATABASE headroom OWNER {OWNER}".encode())
    # RDS's master user may create it, and use it, without being a superuser.
    with psycopg.connect(primary.url("headroom", "postgres"), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_cron")
        connection.execute(f"GRANT USAGE ON SCHEMA cron TO {OWNER}".encode())
        connection.execute(f"GRANT ALL ON ALL FUNCTIONS IN SCHEMA cron TO {OWNER}".encode())

    for _ in range(2):
        migrate.migrate(settings(primary))

    with psycopg.connect(primary.url("headroom", "postgres"), autocommit=True) as connection:
        jobs = connection.execute("SELECT schedule, database, command, username FROM cron.job ORDER BY 2, 1").fetchall()
    assert jobs == [
        ("17 3 * * *", "headroom", schedules.CLEANING, OWNER),
        ("* * * * *", "headroom_4", schedules.REFRESH, OWNER),
        ("* * * * *", "headroom_5", schedules.REFRESH, OWNER),
    ]
    with psycopg.connect(primary.url("headroom_4"), autocommit=True) as connection:
        schedules.refresh(connection)
