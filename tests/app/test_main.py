"""The container's process itself: started as the pods start it, asked over the network, and told to stop."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from app.main import server_config
from app.realtime.frames import SUBPROTOCOL, CloseCode
from app.settings import Role
from tests.app.environment import environment, settings
from tests.app.servers import APPLICATION, OWNER, Postgres, free_port, new_postgres, wait_until
from tests.app.wired import at

ROOT = Path(__file__).parents[2]
START_SECONDS = 60


@dataclass
class Running:
    """A server's process, and what it wrote."""

    process: subprocess.Popen[bytes]
    port: int
    output: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(self.url + path, headers=headers, timeout=20)

    def post(self, path: str, body: dict[str, str]) -> httpx.Response:
        return httpx.post(self.url + path, json=body, timeout=20)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.read_text().splitlines()]

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()[-2000:]
        try:
            return self.get("/health").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def running(directory: Path, command: list[str], **changes: str) -> Iterator[Running]:
    port, output = free_port(), directory / "output"
    given = environment(directory, PORT=str(port), **changes)
    temporary = directory / "tmp"
    temporary.mkdir()
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**given, "PATH": os.environ["PATH"], "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)},
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    found = Running(process, port, output)
    try:
        wait_until(found.is_up, "the server does not start", START_SECONDS)
        yield found
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("role", ["api", "worker", "images"])
def test_every_role_answers_probes_and_scrapes(
    tmp_path: Path, postgres: Postgres, database: str, redis_url: str, role: Role
) -> None:
    with running(tmp_path, ["-m", "app"], SERVICE_ROLE=role, **at(postgres, database, redis_url)) as server:
        assert server.get("/health").json() == {"status": "ok"}
        wait_until(lambda: server.get("/ready").status_code == 200, "it does not get ready", 20)
        checks = {} if role == "images" else {"database": "available", "redis": "available"}
        assert server.get("/ready").json() == {"status": "ready", "checks": checks}
        assert "http_requests_in_flight 1" in server.get("/metrics").text
        assert server.get("/metrics").headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "server" not in server.get("/health").headers
        for path in ("/ready", "/metrics"):
            assert server.get(path, **{"x-forwarded-for": "203.0.113.9"}).status_code == 404
        assert server.get("/health", **{"x-forwarded-for": "203.0.113.9"}).status_code == 200
        assert server.get("/docs").status_code == server.get("/openapi.json").status_code == 404
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    lines = server.lines()
    assert {line["role"] for line in lines} == {role}
    # Probes and scrapes are quiet, whatever they are answered. A worker warms a new cache whenever it gets to it.
    events = [line["event"] for line in lines if line["event"] != "cache_warmed"]
    drained = ["sockets_draining"] if role == "api" else []
    assert events == ["started", *["dependency_available"] * len(checks), *["request"] * 2, *drained, "stopping"]


def test_without_its_schema_a_process_lives_but_is_not_ready(
    tmp_path: Path, postgres: Postgres, empty_database_url: str, redis_url: str
) -> None:
    name = empty_database_url.rpartition("/")[2]
    with running(tmp_path, ["-m", "app"], **at(postgres, name, redis_url)) as server:
        wait_until(lambda: "unavailable" in server.get("/ready").text, "it does not notice", 20)
        assert server.get("/ready").status_code == 503
        assert server.get("/ready").json() == {
            "status": "starting",
            "checks": {"database": "unavailable", "redis": "available"},
        }
        assert server.get("/health").status_code == 200
        metrics = server.get("/metrics").text
        assert 'dependency_available{dependency="database"} 0' in metrics


def test_the_migration_and_the_upkeep_run_and_end_in_the_same_image(tmp_path: Path) -> None:
    server = new_postgres()
    try:
        for name in ("database_password", "application_password"):
            (tmp_path / name).write_text("planted")
        given = {
            "SERVICE_ROLE": "migrate",
            "SECRETS_DIR": str(tmp_path),
            "DATABASE_WRITER_HOST": "127.0.0.1",
            "DATABASE_PORT": str(server.port),
            "DATABASE_NAMES": "headroom,headroom_1",
            "DATABASE_USER": OWNER,
            "DATABASE_TLS": "disable",
            "APPLICATION_USER": APPLICATION,
            "PATH": os.environ["PATH"],
        }
        command = [sys.executable, "-m", "app"]

        def migrate(**changes: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                command, cwd=ROOT, env={**given, **changes}, capture_output=True, text=True, check=False
            )

        first, second = migrate(), migrate()
        night = [migrate(SERVICE_ROLE="upkeep") for _ in range(2)]
        late = migrate(SERVICE_ROLE="upkeep", DATABASE_NAMES="nowhere")
        failed = migrate(DATABASE_PORT=str(free_port()))
        refused = migrate(APPLICATION_USER="somebody")
    finally:
        server.remove()
    for result in (first, second):
        assert result.returncode == 0, result.stdout + result.stderr
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        assert [line["reason"] for line in lines if line["event"] == "migrated"] == ["indexes_ok", "indexes_ok"]
        assert "planted" not in result.stdout + result.stderr
    for result in night:
        assert result.returncode == 0, result.stdout + result.stderr
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        assert lines[0].items() >= {"event": "upkeep_done", "database": "headroom"}.items()
        assert [line["event"] for line in lines[1:]] == ["partitions_kept", "rows_expired", "indexes_checked"] * 2
        assert "planted" not in result.stdout + result.stderr
    assert late.returncode == 1
    assert json.loads(late.stdout.splitlines()[-1])["event"] == "upkeep_failed"
    assert failed.returncode == 1
    assert json.loads(failed.stdout.splitlines()[-1])["event"] == "migration_failed"
    assert "planted" not in failed.stdout + failed.stderr
    assert refused.returncode == 2
    assert "APPLICATION_USER" in refused.stderr


def test_several_processes_serve_one_page_of_metrics_and_end_together(
    tmp_path: Path, postgres: Postgres, database: str, redis_url: str
) -> None:
    with running(tmp_path, ["-m", "app"], WEB_CONCURRENCY="2", **at(postgres, database, redis_url)) as server:

        def counted() -> int:
            page = server.get("/metrics").text
            prefix = 'http_request_duration_seconds_count{route="unmatched",method="GET",status="404"} '
            return sum(int(line.removeprefix(prefix)) for line in page.splitlines() if line.startswith(prefix))

        for _ in range(40):
            assert server.get("/nowhere").status_code == 404
        seen: list[int] = []

        def all_are_seen() -> bool:
            seen.append(counted())
            return seen[-1] == 40

        wait_until(all_are_seen, "a process's requests are missing", 20)
        assert seen == sorted(seen)
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        assert len(children) >= 2
        wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), "a process is left", 5)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_at_sigterm_sockets_are_sent_to_another_pod_before_the_server_stops(
    tmp_path: Path, postgres: Postgres, database: str, redis_url: str
) -> None:
    account = {"email": "ada@example.com", "password": "correct horse battery"}
    with running(tmp_path, ["-m", "app"], **at(postgres, database, redis_url)) as server:

        def logged_in() -> httpx.Response:
            wait_until(lambda: server.post("/api/v1/auth/register", account).status_code == 202, "no account", 30)
            return server.post("/api/v1/auth/login", {**account, "delivery": "body"})

        token = logged_in().json()["access_token"]
        url = f"ws://127.0.0.1:{server.port}/api/v1/ws"
        headers = {"Authorization": f"Bearer {token}"}
        with connect(url, additional_headers=headers, subprotocols=[Subprotocol(SUBPROTOCOL)]) as sock:
            assert json.loads(sock.recv(10))["type"] == "ready"
            server.process.send_signal(signal.SIGTERM)
            assert json.loads(sock.recv(10))["type"] == "reconnect"
            with pytest.raises(ConnectionClosed) as closed:
                sock.recv(10)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == CloseCode.RESTART
        assert server.process.wait(20) == 0


SLOW = """
import asyncio, os
from functools import partial
from pathlib import Path
import uvicorn
from app import main
from app.settings import read

def build(settings, directory):
    app = main.build(settings, directory)
    @app.get("/slow/{milliseconds}")
    async def slow(milliseconds: int) -> str:
        await asyncio.sleep(milliseconds / 1000)
        return "done"
    return app

settings = read(os.environ)
config = main.server_config(settings, Path(os.environ["TMPDIR"]))
config.app = partial(build, settings, Path(os.environ["TMPDIR"]))
uvicorn.Server(config).run()
"""


def test_what_is_running_at_sigterm_is_answered_and_nothing_new_is_taken(
    tmp_path: Path, postgres: Postgres, database: str, redis_url: str
) -> None:
    answers: list[httpx.Response] = []
    with running(tmp_path, ["-c", SLOW], **at(postgres, database, redis_url)) as server:
        slow = threading.Thread(target=lambda: answers.append(server.get("/slow/4000")))
        slow.start()
        time.sleep(0.5)
        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)

        def refuses() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", server.port)) != 0

        wait_until(refuses, "it still listens", 3)
        slow.join()
        server.process.wait(20)
        assert time.monotonic() - begin < 10
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, "done")]


def test_what_takes_longer_than_the_grace_period_is_cancelled(
    tmp_path: Path, postgres: Postgres, database: str, redis_url: str
) -> None:
    times = {"GRACEFUL_SHUTDOWN_SECONDS": "1", "REQUEST_TIMEOUT_SECONDS": "60"}
    with running(tmp_path, ["-c", SLOW], **times, **at(postgres, database, redis_url)) as server:
        slow = threading.Thread(target=_ignore, args=(server, "/slow/60000"))
        slow.start()
        time.sleep(0.5)
        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(20)
        assert 0.5 < time.monotonic() - begin < 10
        slow.join()


def _ignore(server: Running, path: str) -> None:
    try:
        server.get(path)
    except httpx.TransportError:
        return


def test_the_server_is_told_what_the_stack_decided(tmp_path: Path) -> None:
    config = server_config(settings(tmp_path, WEB_CONCURRENCY="4"), tmp_path)
    assert config.workers == 4
    assert config.port == 8080
    assert config.timeout_keep_alive == 75
    assert config.timeout_graceful_shutdown == 40
    assert config.ws_per_message_deflate is False
    config.load()
    assert "sansio" in config.ws_protocol_class.__module__
    assert "httptools" in config.http_protocol_class.__module__
