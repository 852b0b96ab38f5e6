"""The background process: start, stop, status, reset, and what remains when it dies."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pulumi.automation import PulumiCommand

from infra.errors import UserError
from infra.local import cloud as local_cloud
from infra.local.cloud import Paths
from infra.local.stack import LocalStack
from tests.local.conftest import namespace


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A project whose cloud, if any, is stopped in the end."""
    (tmp_path / "Pulumi.yaml").write_text("name: lab\nruntime: python\n", encoding="utf-8")
    yield tmp_path
    local_cloud.stop(tmp_path)


def kill(root: Path) -> None:
    """End the cloud as a power cut does."""
    found = local_cloud.find(root)
    assert found is not None
    os.kill(found.pid, signal.SIGKILL)
    while local_cloud.find(root):
        time.sleep(0.02)


def test_a_cloud_starts_once_answers_and_stops(root: Path) -> None:
    first, started = local_cloud.start(root)
    assert started
    assert local_cloud.start(root) == (first, False)
    assert local_cloud.find(root) == first
    assert local_cloud.endpoint(root) == first.endpoint
    assert sorted(first.ports) == ["aws", "cloudflare", "kubernetes", "random"]
    with urllib.request.urlopen(f"{first.endpoint}/moto-api/") as answer:  # noqa: S310 - http on this machine
        assert answer.status == 200
    assert local_cloud.stop(root) == first
    assert local_cloud.find(root) is None
    assert local_cloud.stop(root) is None
    with pytest.raises(UserError, match="headroom local start"):
        local_cloud.endpoint(root)


def test_the_aws_port_stays_the_same_from_life_to_life_and_the_id_does_not(root: Path) -> None:
    first, _ = local_cloud.start(root)
    local_cloud.stop(root)
    second, _ = local_cloud.start(root)
    assert second.endpoint == first.endpoint
    assert second.id != first.id


def test_a_port_that_somebody_took_is_given_up(root: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        Paths(root).home.mkdir()
        Paths(root).port.write_text(str(port), encoding="utf-8")
        found, _ = local_cloud.start(root)
        assert not found.endpoint.endswith(f":{port}")


def test_two_starts_at_once_make_one_cloud(root: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(local_cloud.start, [root, root]))
    assert results[0][0] == results[1][0]
    assert [started for _, started in results].count(True) == 1


def test_a_file_left_by_a_dead_cloud_is_not_believed(root: Path) -> None:
    first, _ = local_cloud.start(root)
    kill(root)
    assert Paths(root).info.exists()
    assert local_cloud.find(root) is None
    info = json.loads(Paths(root).info.read_text(encoding="utf-8"))
    Paths(root).info.write_text(
        json.dumps({**info, "pid": os.getpid()}), encoding="utf-8"
    )  # The pid lives, as another.
    assert local_cloud.find(root) is None
    assert local_cloud.stop(root) is None
    assert local_cloud.start(root)[0].id != first.id


def test_a_cloud_that_cannot_start_shows_the_end_of_its_log(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_cloud, "_environment", lambda: {"PATH": os.environ["PATH"], "PYTHONHOME": "/nowhere"})
    with pytest.raises(UserError, match=r"the local cloud did not start .ended with exit code 1.[^$]*encodings"):
        local_cloud.start(root)


def test_the_environment_of_the_cloud_has_no_account_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy")
    environment = local_cloud._environment()
    assert "AWS_PROFILE" not in environment
    assert "127.0.0.1" in environment["NO_PROXY"]


def test_every_command_says_how_to_go_on_when_the_cloud_died_and_the_state_did_not(
    root: Path, engine: PulumiCommand
) -> None:
    async def program() -> None:
        namespace("home")

    (root / "Pulumi.dev.yaml").write_text("config: {}\n", encoding="utf-8")
    stack = LocalStack("dev", root=root, program=program, engine=lambda: engine)
    stack.up()
    kill(root)
    said = r"the local cloud that held stack dev is gone[^$]*headroom local reset[^$]*headroom up dev --local"
    for operation in (stack.up, stack.preview, stack.refresh, stack.destroy, stack.outputs):
        with pytest.raises(UserError, match=said):
            operation()
    local_cloud.start(root)  # Another cloud does not have the objects either.
    assert local_cloud.lost(root, local_cloud.find(root)) == ["dev"]
    with pytest.raises(UserError, match=said):
        stack.up()

    found, forgotten = local_cloud.reset(root)
    assert forgotten == ["dev"]
    assert found == local_cloud.find(root)
    assert stack.up().progress.totals() == {"created": 1}
    assert local_cloud.lost(root, found) == []


def test_a_reset_empties_the_cloud(root: Path, engine: PulumiCommand) -> None:
    async def program() -> None:
        namespace("home")

    (root / "Pulumi.dev.yaml").write_text("config: {}\n", encoding="utf-8")
    stack = LocalStack("dev", root=root, program=program, engine=lambda: engine)
    stack.up()
    local_cloud.reset(root)
    assert local_cloud.stacks(root) == {}
    assert stack.up().progress.totals() == {"created": 1}


def test_a_reset_without_a_cloud_starts_none(root: Path) -> None:
    assert local_cloud.reset(root) == (None, [])
    assert local_cloud.find(root) is None
