"""`make app`: everything starts, the README's calls work as they stand there, and nothing is left."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from tests.app.servers import free_port, new_directory, wait_until
from tools.app.__main__ import CALLS

ROOT = Path(__file__).parents[2]
START_SECONDS = 180
BASH = shutil.which("bash") or "bash"


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """Of the runner's own, which the servers' user may enter."""
    path = new_directory("app")
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextmanager
def started(directory: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """The runner, until it has said where the application listens; ended by Ctrl-C."""
    command = [sys.executable, "-m", "tools.app", "--directory", str(directory), "--port", str(port)]
    output = directory / "output"
    with output.open("w") as stream:
        process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT, text=True)

    def is_up() -> bool:
        said = output.read_text()
        assert process.poll() is None, said
        return f"export APP=http://127.0.0.1:{port}\n" in said

    try:
        wait_until(is_up, "the application does not start", START_SECONDS)
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert process.returncode == 0, f"{process.returncode}: {output.read_text()}"


def in_readme() -> list[str]:
    """The calls of the section on the application, without the address, which is another one here."""
    readme = (ROOT / "README.md").read_text()
    section = readme.partition("## The application\n")[2].partition("\n## ")[0]
    block = re.search(r"```\n(export APP=\S+\n.*?)```", section, re.DOTALL)
    assert block is not None
    return block[1].splitlines()[1:]


def answers(port: int, lines: list[str]) -> list[dict[str, object]]:
    """What a shell prints for them, one object a line."""
    newline = 'curl() { command curl "$@"; echo; }'
    script = "\n".join(["set -euo pipefail", newline, f"export APP=http://127.0.0.1:{port}", *lines])
    found = subprocess.run([BASH, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == 0, found.stdout + found.stderr
    return [json.loads(line) for line in found.stdout.splitlines() if line]


def processes_in(directory: Path) -> list[str]:
    """Command lines of those whose working directory is there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(directory):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def test_the_readme_shows_the_calls_that_the_command_prints() -> None:
    assert "\n".join(in_readme()) == "\n".join(CALLS)


def test_the_readmes_calls_work_and_ctrl_c_leaves_nothing(directory: Path) -> None:
    port = free_port()
    with started(directory, port):
        found = answers(port, in_readme())
        assert len(found) == 2
        assert not any("error" in answer for answer in found), found
        assert len(processes_in(directory)) >= 6
        assert exported(port).status_code == HTTPStatus.OK
        # While it runs, a second one is told what to do.
        assert "it runs already" in refused(directory, free_port())
        assert f"--port {port}: Address already in use" in refused(directory, port)
    assert processes_in(directory) == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def exported(port: int) -> httpx.Response:
    """The copy of the user's data, which the API leaves to the outbox, and the worker makes."""
    credentials = {"email": "ada@example.com", "password": "a long sentence of mine", "delivery": "body"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=30) as client:
        token = client.post("/auth/login", json=credentials).json()["access_token"]
        client.headers["authorization"] = f"Bearer {token}"
        asked = client.post("/privacy/exports").raise_for_status().json()["data"]
        url = None

        def is_done() -> bool:
            nonlocal url
            url = client.get(f"/privacy/exports/{asked['id']}").raise_for_status().json()["data"]["url"]
            return url is not None

        wait_until(is_done, "nobody makes the export")
    return httpx.get(str(url))


def do(directory: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command of an operator's."""
    start = [sys.executable, "-m", "tools.app.do", "--directory", str(directory)]
    return subprocess.run([*start, *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_a_command_where_nothing_ran_says_what_to_do(tmp_path: Path) -> None:
    done = do(tmp_path, "administrator", "add", "ada@example.com")
    assert done.returncode == 2
    assert "make app" in done.stderr
    assert "Traceback" not in done.stderr


def refused(directory: Path, port: int) -> str:
    """What the runner says when it does not start."""
    command = [sys.executable, "-m", "tools.app", "--directory", str(directory), "--port", str(port)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == 2, found.stderr
    return found.stderr


def test_data_is_there_again_and_even_a_killed_runner_leaves_nothing(directory: Path) -> None:
    """Goes on where the test before it stopped."""

    def run() -> None:
        port = free_port()
        with started(directory, port) as process:
            assert "==> rows" not in (directory / "output").read_text()
            # Without registering once more the account of the first test logs in.
            _, *rest = CALLS
            found = answers(port, rest)
            assert len(found) == 1
            assert "error" not in found[0], found
            # Last, as an administrator may not go on without a second factor.
            done = do(directory, "administrator", "add", "ada@example.com")
            assert (done.returncode, done.stderr) == (0, "")
            assert " is an administrator\n" in done.stdout
            process.kill()
            wait_until(lambda: not processes_in(directory), "a server outlives the runner", 60)

    with pytest.raises(AssertionError, match="-9"):
        run()
