"""Real PostgreSQL and Redis servers for tests: own data, an ephemeral port of 127.0.0.1, gone with the test run."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psycopg
import redis

UNPRIVILEGED = "nobody"
"""Who the servers run as when the tests run as root, which PostgreSQL refuses."""
OWNER = "headroom_owner"
"""Database role that migrates, like RDS's: no superuser, but may make roles and databases."""
APPLICATION = "headroom_app"
"""Database role of the pods: owner of nothing, so that row-level security holds."""
START_SECONDS = 60


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def free_cluster_port() -> int:
    """A port for a Redis cluster's node, whose bus listens 10,000 above."""
    while (port := free_port()) > 55_000:
        continue
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


def as_user(command: Sequence[str], death_signal: str | None = None) -> list[str]:
    """`command` as an unprivileged user; with a signal that it gets when the tests die without stopping it."""
    user = ["--reuid", UNPRIVILEGED, "--clear-groups", "--no-new-privs"] if os.getuid() == 0 else []
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

    STOP = signal.SIGTERM
    DEATH = "TERM"

    @abstractmethod
    def command(self) -> list[str]:
        """What to run."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves."""

    def start(self) -> None:
        """Start, and wait until it serves."""
        log = (self.directory / "log").open("ab")
        with log:
            self.process = subprocess.Popen(
                as_user(self.command(), self.DEATH), stdout=log, stderr=log, cwd=self.directory
            )
        wait_until(self._is_up, f"{self.command()[0]} does not answer")

    def kill(self) -> None:
        """End it at once, as a lost node does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def remove(self) -> None:
        """Stop it, and delete its data."""
        if self.process is not None:
            self.process.send_signal(self.STOP)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process = None
        shutil.rmtree(self.directory, ignore_errors=True)

    def _is_up(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError((self.directory / "log").read_text(encoding="utf-8", errors="replace")[-2000:])
        return self.answers()


@dataclass
class Postgres(Server):
    """One PostgreSQL cluster (`initdb`), or a standby, once somebody else filled `data`.

    Durability is off: a test survives no power cut. `synchronous_commit` stays on, LSNs are meant to be right.
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

    def drop_database(self, name: str) -> None:
        """Remove it, whoever is connected."""
        with psycopg.connect(self.url("postgres", "postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


@dataclass
class Redis(Server):
    """One redis-server without persistence; a node of a cluster with `clustered`."""

    clustered: bool = False

    def command(self) -> list[str]:
        """`redis-server`, bound to this machine."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
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


def new_postgres(**settings: str) -> Postgres:
    """A running, empty cluster with the stack's roles; `remove` it."""
    server = Postgres(free_port(), new_directory("postgres"), settings=settings)
    try:
        server.initialise()
        server.start()
        server.create_roles()
    except BaseException:
        server.remove()
        raise
    return server


def new_redis() -> Redis:
    """A running Redis; `remove` it."""
    server = Redis(free_port(), new_directory("redis"))
    try:
        server.start()
    except BaseException:
        server.remove()
        raise
    return server


def new_redis_cluster(nodes: int = 3) -> list[Redis]:
    """Primaries that share the slots, without replicas; `remove` each."""
    servers = [Redis(free_cluster_port(), new_directory("redis"), clustered=True) for _ in range(nodes)]
    try:
        for server in servers:
            server.start()
        addresses = [f"127.0.0.1:{server.port}" for server in servers]
        command = [binary("redis-cli"), "--cluster", "create", *addresses, "--cluster-yes"]
        subprocess.run(command, check=True, capture_output=True)
        for server in servers:
            wait_until(partial(_knows_all, server.port, nodes), "the cluster does not form")
    except BaseException:
        for server in servers:
            server.remove()
        raise
    return servers


def _knows_all(port: int, nodes: int) -> bool:
    with redis.Redis(port=port, decode_responses=True) as client:
        state = client.execute_command("CLUSTER INFO")
        known = client.execute_command("CLUSTER NODES")
    text = str(state)
    return ("cluster_state:ok" in text or "'ok'" in text) and len(known) >= nodes
