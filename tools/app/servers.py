"""Real PostgreSQL, PgBouncer and Redis servers of one's own: on a port of 127.0.0.1, in a directory, unprivileged."""

from __future__ import annotations

import itertools
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

import psycopg
import redis

from tools.app.pgbouncer import pgbouncer

UNPRIVILEGED = "nobody"
"""Who the servers run as when the tests run as root, which PostgreSQL refuses."""
OWNER = "headroom_owner"
"""Database role that migrates, like RDS's: no superuser, but may make roles and databases."""
APPLICATION = "headroom_app"
"""Database role of the pods: owner of nothing, so that row-level security holds."""
ADMINISTRATOR = "pooler_admin"
"""Who may use PgBouncer's console; the stacks have nobody."""
PASSWORD = "only-on-this-machine"  # noqa: S105
"""Of both roles at PgBouncer."""
POOLER: Final[Mapping[str, str | int]] = {
    "unix_socket_dir": "",
    "auth_type": "scram-sha-256",
    "pool_mode": "transaction",
    "max_prepared_statements": 200,
    "max_client_conn": 250,
    "default_pool_size": 20,
    "max_db_connections": 20,
    "reserve_pool_size": 0,
    "query_wait_timeout": 5,
    "client_login_timeout": 10,
    "server_connect_timeout": 5,
    "server_login_retry": 1,
    "server_idle_timeout": 60,
    "server_lifetime": 1800,
    "ignore_startup_parameters": "extra_float_digits",
    "log_connections": 0,
    "log_disconnections": 0,
}
"""As `components/pooler.py` renders it, but for sizes, TLS and addresses; a test compares the two."""
START_SECONDS = 60
_STARTER = ThreadPoolExecutor(1, thread_name_prefix="starter")
"""Starts all servers: their death signal comes when the thread ends that started them (`man 2 PR_SET_PDEATHSIG`), which
may be one of a short loop's."""


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def binary(name: str) -> str:
    """Path of a server's program; Debian keeps PostgreSQL's outside PATH.

    Raises:
        RuntimeError: it is not installed.
    """
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    found = str(debian[-1]) if debian else shutil.which(name)
    if found is None:
        msg = f"{name} is not installed; on Debian and Ubuntu: apt-get install postgresql redis-server"
        raise RuntimeError(msg)
    return found


def new_directory(name: str) -> Path:
    """A directory of the servers' user. Not pytest's own, which only its user may enter; the path stays short."""
    path = Path(tempfile.mkdtemp(prefix=f"headroom-{name}-"))
    if os.getuid() == 0:
        shutil.chown(path, UNPRIVILEGED)
    return path


def as_user(command: Sequence[str], death_signal: str | None = None, *, unprivileged: bool = True) -> list[str]:
    """`command` as an unprivileged user; with a signal that it gets when its parent dies without stopping it."""
    user = ["--reuid", UNPRIVILEGED, "--clear-groups", "--no-new-privs"] if unprivileged and os.getuid() == 0 else []
    death = ["--pdeathsig", death_signal] if death_signal else []
    return ["setpriv", *user, *death, "--", *command]


def wait_until(ready: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Poll until `ready`.

    Raises:
        TimeoutError: it never was.
    """
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)


@dataclass
class Server(ABC):
    """A process with a directory; `kill` takes its power away, `start` brings it back on the same port and data."""

    port: int
    directory: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    STOP: ClassVar[signal.Signals] = signal.SIGTERM
    DEATH: ClassVar[str] = "TERM"
    IS_UNPRIVILEGED: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """For messages."""
        return type(self).__name__

    @property
    def log(self) -> Path:
        """What it says."""
        return self.directory / "log"

    @property
    def environ(self) -> Mapping[str, str] | None:
        """Its environment; None for the parent's."""
        return None

    @abstractmethod
    def command(self) -> list[str]:
        """What to run."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves."""

    def start(self) -> None:
        """Start, and wait until it serves."""
        log = self.log.open("ab")
        with log:
            # In a session of its own: an interrupt from the terminal is for whoever started it, and who stops it.
            self.process = _STARTER.submit(
                subprocess.Popen,
                as_user(self.command(), self.DEATH, unprivileged=self.IS_UNPRIVILEGED),
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env=self.environ,
                start_new_session=True,
            ).result()
        wait_until(self._is_up, f"{self.name} does not answer")

    def kill(self) -> None:
        """End it at once, as a lost node does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """Stop it, and wait for its end."""
        if self.process is not None:
            self.process.send_signal(self.STOP)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process = None

    def remove(self) -> None:
        """Stop it, and delete its data."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _is_up(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError(self.log.read_text(encoding="utf-8", errors="replace")[-2000:])
        return self.answers()


@dataclass
class Postgres(Server):
    """One PostgreSQL cluster (`initdb`), or a standby, once somebody else filled `data`.

    Unless `settings` say otherwise durability is off: a test survives no power cut. `synchronous_commit` stays on, LSNs
    are meant to be right.
    """

    settings: dict[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    # An immediate shutdown takes the sessions along; a fast one would wait for a base backup.
    STOP = signal.SIGQUIT
    DEATH = "QUIT"

    @property
    def data(self) -> Path:
        """PGDATA."""
        return self.directory / "data"

    def initialise(self) -> None:
        """Make an empty cluster: superuser `postgres`, no passwords, replication allowed."""
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        command = [binary("initdb"), "--pgdata", str(self.data), *options]
        subprocess.run(as_user(command), check=True, capture_output=True, cwd=self.directory)

    def command(self) -> list[str]:
        """`postgres` with settings fit for tests."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": "200",
            "shared_buffers": "64MB",
            "autovacuum": "off",
            **self.settings,
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [binary("postgres"), "-D", str(self.data), *options]

    def kill(self) -> None:
        """End it and its sessions at once: alone, those would answer until they notice."""
        sessions: list[str] = []
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)
            sessions = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        super().kill()
        for session in sessions:
            with suppress(ProcessLookupError):
                end = os.pidfd_open(int(session))
                signal.pidfd_send_signal(end, signal.SIGKILL)
                select.select([end], [], [])
                os.close(end)

    def answers(self) -> bool:
        """Whether it takes queries."""
        try:
            with psycopg.connect(self.url("postgres", "postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def url(self, database: str, user: str = OWNER) -> str:
        """DSN of a database: libpq's and asyncpg's form."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def create_roles(self) -> None:
        """The two roles that a stack has."""
        with psycopg.connect(self.url("postgres", "postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {OWNER} LOGIN CREATEDB CREATEROLE".encode())
            connection.execute(f"CREATE ROLE {APPLICATION} LOGIN".encode())

    def create_database(self, template: str | None = None) -> str:
        """Make a database of `OWNER`, empty or a copy of `template` (which nobody is connected to); its name."""
        name = f"test_{next(self._numbers)}"
        source = f" TEMPLATE {template} STRATEGY FILE_COPY" if template else ""
        with psycopg.connect(self.url("postgres", "postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} OWNER {OWNER}{source}".encode())
        return name

    @contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        """Lend a database that `create_database` makes; its name. It is gone afterwards."""
        name = self.create_database(template)
        try:
            yield name
        finally:
            self.drop_database(name)

    def drop_database(self, name: str) -> None:
        """Remove it, whoever is connected."""
        with psycopg.connect(self.url("postgres", "postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


@dataclass
class Redis(Server):
    """One redis-server, a node of a cluster with `clustered`; only with `is_durable` it keeps its data."""

    clustered: bool = False
    is_durable: bool = False

    def command(self) -> list[str]:
        """`redis-server`, bound to this machine."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        options += ["--appendonly", "yes" if self.is_durable else "no"]
        cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"] if self.clustered else []
        return [binary("redis-server"), *options, "--dir", str(self.directory), *cluster]

    @property
    def url(self) -> str:
        """As redis-py takes it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def answers(self) -> bool:
        """Whether it takes commands."""
        with redis.Redis(port=self.port) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def flush(self) -> None:
        """Forget all keys."""
        with redis.Redis(port=self.port) as client:
            client.flushall()


@dataclass(kw_only=True)
class PgBouncer(Server):
    """The pooler of the stacks before one PostgreSQL, with every database in it.

    Attributes:
        postgres_port: of the server behind it.
        settings: other than `POOLER`, or more.
    """

    postgres_port: int
    settings: Mapping[str, str | int] = field(default_factory=dict)

    # SIGTERM waits for the clients to leave, since 1.23.
    STOP = signal.SIGQUIT
    DEATH = "QUIT"

    def configure(self) -> None:
        """Write its files. The program is copied, since the servers' user may not enter this project's directory."""
        shutil.copy2(pgbouncer(), self.directory / "pgbouncer")
        users = {APPLICATION: PASSWORD, ADMINISTRATOR: PASSWORD}
        (self.directory / "userlist.txt").write_text("".join(f'"{name}" "{users[name]}"\n' for name in users))
        settings: dict[str, str | int] = {
            **POOLER,
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "auth_file": "userlist.txt",
            "admin_users": ADMINISTRATOR,
            **self.settings,
        }
        lines = [f"{key} = {value}".rstrip() for key, value in settings.items()]
        database = f"* = host=127.0.0.1 port={self.postgres_port}"
        text = "\n".join(["[databases]", database, "", "[pgbouncer]", *lines, ""])
        (self.directory / "pgbouncer.ini").write_text(text)

    def command(self) -> list[str]:
        """`pgbouncer`, which logs to stderr."""
        return [str(self.directory / "pgbouncer"), "pgbouncer.ini"]

    def answers(self) -> bool:
        """Whether its console does; no server connection is opened for that."""
        try:
            self.administer("SHOW VERSION")
        except psycopg.OperationalError:
            return False
        return True

    def administer(self, command: str) -> None:
        """Run a command of its console, such as RECONNECT, which makes it open its server connections anew."""
        dsn = f"host=127.0.0.1 port={self.port} user={ADMINISTRATOR} password={PASSWORD} dbname=pgbouncer"
        with psycopg.connect(dsn, autocommit=True, connect_timeout=2, prepare_threshold=None) as console:
            # The console knows the simple protocol only.
            psycopg.ClientCursor(console).execute(command.encode())
