"""The stacks and the application agree: about variables, secrets, probes, ports, times and metrics."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from app.main import WITHOUT_USERS, create_app
from app.ops import metrics
from app.ops.requests import duration
from app.roles import ROLES
from app.settings import OWNERS, WITHOUT_SECRETS, MigrationSettings, Service, Settings, UpkeepSettings, is_secret, read
from components.api_gateway import VIEWER_HEADER
from components.load_balancer import DEREGISTRATION_SECONDS, IDLE_TIMEOUT_SECONDS
from components.pods import PRE_STOP_SECONDS
from components.prometheus import rules
from components.workload_access import NEEDS, SERVICE_NEEDS
from stacks.phase import SERVICES
from stacks.phases import PHASES
from tests.app.planned import Container, by_role, containers

KNOWN_GAPS = {
    "signing_keys": "in AWS they rotate, and the application reads them from there",
}
"""What the application reads and no stack sets."""
SHUTDOWN_SECONDS = 5
"""For what follows the last request: closing pools, storing metrics."""


@pytest.fixture(scope="module")
def planned() -> list[Container]:
    return containers()


def settings_of(container: Container, directory: Path) -> Settings | MigrationSettings | UpkeepSettings:
    for name in container.secrets:
        (directory / name).write_text("https://key@sentry.example/1" if name == "sentry_dsn" else "secret" * 6)
    return read({**container.environ, "SECRETS_DIR": str(directory)})


def serving(planned: list[Container]) -> list[Container]:
    return [one for one in planned if one.role not in OWNERS]


def test_every_container_of_every_phase_starts_with_what_it_is_given(planned: list[Container], tmp_path: Path) -> None:
    for number, container in enumerate(planned):
        directory = tmp_path / str(number)
        directory.mkdir()
        assert settings_of(container, directory).service_role == container.role, str(container)
    assert len(planned) > 60


def test_every_variable_that_is_set_is_read(planned: list[Container]) -> None:
    for container in planned:
        kind = OWNERS.get(container.role, Settings)
        known = {name.upper() for name, field in kind.model_fields.items() if not is_secret(field)}
        unread = {key for key in container.environ if key not in known and not key.startswith("QUEUE_URL_")}
        assert unread == set(), str(container)


def test_every_secret_file_is_read(planned: list[Container]) -> None:
    for container in planned:
        kind = OWNERS.get(container.role, Settings)
        known = {name for name, field in kind.model_fields.items() if is_secret(field)}
        assert container.secrets <= known, str(container)


@pytest.mark.parametrize("kind", [Settings, *OWNERS.values()])
def test_everything_that_is_read_is_set_somewhere(
    planned: list[Container], kind: type[Settings | MigrationSettings | UpkeepSettings]
) -> None:
    given: set[str] = set()
    for container in planned:
        if OWNERS.get(container.role, Settings) is kind:
            given |= {key.lower() for key in container.environ} | container.secrets
            given |= {"queue_urls" for key in container.environ if key.startswith("QUEUE_URL_")}
    assert set(kind.model_fields) - given == (set(KNOWN_GAPS) if kind is Settings else set())


def test_nothing_may_be_missing_that_every_stack_sets(planned: list[Container]) -> None:
    always = set.intersection(*({key.lower() for key in one.environ} for one in serving(planned)))
    optional = {name for name, field in Settings.model_fields.items() if not field.is_required()}
    assert always & optional == set()


def test_the_roles_are_those_of_the_phases(planned: list[Container]) -> None:
    services = set(get_args(Service))
    assert services == set(SERVICES)
    roles = {role for sizes in PHASES.values() for phase in sizes.values() for role in phase.compute.pods}
    assert {one.role for one in planned} == roles | OWNERS.keys()
    assert roles == set(ROLES)


def test_a_clients_address_is_in_the_header_that_every_way_in_writes(planned: list[Container]) -> None:
    assert {one.environ["CLIENT_ADDRESS_HEADER"] for one in serving(planned)} == {VIEWER_HEADER}


def test_only_roles_that_nobody_logs_in_to_may_not_read_the_keys_that_sign(planned: list[Container]) -> None:
    roles = {one.role for one in serving(planned)}
    unsigned = {role for role in roles if "signing" not in NEEDS.get(role, SERVICE_NEEDS)}
    assert unsigned == WITHOUT_USERS


def test_who_resizes_images_gets_no_secret_and_needs_none(planned: list[Container]) -> None:
    images = by_role(planned, WITHOUT_SECRETS)
    assert images
    assert all(one.secrets == frozenset() for one in images)


def test_a_role_reads_only_queues_that_it_has_the_address_of(planned: list[Container], tmp_path: Path) -> None:
    workers = by_role(planned, "worker")
    assert workers
    for number, container in enumerate(workers):
        (tmp_path / str(number)).mkdir()
        settings = settings_of(container, tmp_path / str(number))
        assert isinstance(settings, Settings)
        assert settings.job_types
        assert set(settings.job_types) <= set(settings.queue_urls)


def test_the_image_alone_decides_what_runs(planned: list[Container]) -> None:
    for container in planned:
        assert {"command", "args", "workingDir"} & set(container.spec) == set(), str(container)


def test_probes_ask_paths_and_ports_that_the_application_serves(
    planned: list[Container], tmp_path: Path, run: Callable[[Coroutine[Any, Any, Any]], Any]
) -> None:
    settings = settings_of(by_role(planned, "api")[0], tmp_path)
    assert isinstance(settings, Settings)

    async def ask(paths: set[str]) -> dict[str, int]:
        transport = httpx.ASGITransport(create_app(settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://pod") as client:
            return {path: (await client.get(path)).status_code for path in paths}

    paths = set()
    for container in serving(planned):
        ports = {port["name"]: port["containerPort"] for port in container.spec["ports"]}
        assert ports["main"] == int(container.environ["PORT"]), str(container)
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            get = container.spec[kind]["httpGet"]
            assert get["port"] == "main", str(container)
            paths.add(get["path"])
        assert container.spec["readinessProbe"]["httpGet"]["path"] == "/ready", str(container)
        assert container.spec["livenessProbe"]["httpGet"]["path"] == "/health", str(container)
        if (port := container.annotations.get("prometheus.io/port")) is not None:
            assert port == container.environ["PORT"], str(container)
            paths.add(container.annotations["prometheus.io/path"])
    # Nobody has checked the database, so not ready is the right answer.
    assert run(ask(paths)) == {"/health": 200, "/metrics": 200, "/ready": 503}


def test_a_busy_loop_is_not_killed_by_its_liveness_probe(planned: list[Container]) -> None:
    for container in serving(planned):
        probe = container.spec["livenessProbe"]
        assert probe["failureThreshold"] * probe["periodSeconds"] >= 30, str(container)
        assert probe["timeoutSeconds"] >= 5, str(container)


def test_a_pod_has_the_time_to_drain(planned: list[Container]) -> None:
    for container in serving(planned):
        grace = container.pod["terminationGracePeriodSeconds"]
        sleep = container.spec["lifecycle"]["preStop"]["sleep"]["seconds"]
        drains = int(container.environ["GRACEFUL_SHUTDOWN_SECONDS"])
        assert sleep == PRE_STOP_SECONDS
        assert sleep + drains + SHUTDOWN_SECONDS <= grace, str(container)
        assert drains >= int(container.environ["REQUEST_TIMEOUT_SECONDS"]), str(container)
    assert DEREGISTRATION_SECONDS <= 60 - SHUTDOWN_SECONDS


def test_connections_outlive_the_load_balancers_idle_timeout(planned: list[Container]) -> None:
    assert {int(one.environ["KEEP_ALIVE_SECONDS"]) > IDLE_TIMEOUT_SECONDS for one in serving(planned)} == {True}


def test_pods_may_write_nowhere_but_to_tmp(planned: list[Container]) -> None:
    for container in planned:
        assert container.spec["securityContext"]["readOnlyRootFilesystem"] is True
        writable = [mount["mountPath"] for mount in container.spec["volumeMounts"] if not mount.get("readOnly")]
        assert writable == ["/tmp"], str(container)


def test_recording_rules_ask_for_metrics_and_labels_that_the_application_has() -> None:
    text = repr(rules("headroom", 300))
    asked = set(re.findall(r"\b(http_[a-z_]+?)(?:_count|_bucket|_sum)\b", text))
    assert asked == {duration.name}
    labels = {label for group in re.findall(r"sum by \(([a-z, ]+)\) \(rate\(http", text) for label in group.split(", ")}
    assert labels | {"status"} <= {*duration.labels, "le"}


def test_every_promised_p95_is_the_edge_of_a_bucket() -> None:
    promised = {phase.targets.p95_ms / 1_000 for sizes in PHASES.values() for phase in sizes.values()}
    assert promised <= set(metrics.LATENCY_SECONDS)
