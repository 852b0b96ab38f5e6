import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from components.cdn_policies import ANONYMOUS_SECONDS, DAY_SECONDS
from components.component import Site
from components.edge import Hosts
from components.edge_workers import MODULE, EdgeWorkers, EdgeWorkersArgs, can_route
from tests.components.conftest import Recorded

Record = Callable[[Callable[[], object]], Recorded]
ACCOUNT, ZONE = "a" * 32, "0" * 32


@pytest.fixture
def workers(recorded: Record, site: Site) -> Recorded:
    args = EdgeWorkersArgs(
        hosts=Hosts("example.com"),
        zone_id=ZONE,
        account_id=ACCOUNT,
        anonymous_api_paths=["/api/v1/posts/*", "/api/*/plans", "/api/v1/plans"],
    )
    return recorded(lambda: EdgeWorkers("edge-cache", site, args))


def test_only_allow_listed_paths_of_hosts_with_an_api_run_the_script(workers: Recorded) -> None:
    assert {route.inputs["pattern"] for route in workers.of("WorkersRoute")} == {
        f"{host}{path}"
        for host in ("example.com", "www.example.com", "api.example.com")
        for path in ("/api/v1/posts/*", "/api/v1/plans")
    }


def test_a_route_waits_for_its_script_and_names_it(workers: Recorded) -> None:
    script = workers.one("WorkersScript")

    for route in workers.of("WorkersRoute"):
        assert route.inputs["script"] == script.inputs["scriptName"] == "headroom-10k-edge-cache"
        assert script.urn in route.dependencies


def test_the_script_is_a_module_that_is_sent_whole(workers: Recorded) -> None:
    inputs = workers.one("WorkersScript").inputs

    assert inputs["accountId"] == ACCOUNT
    assert inputs["mainModule"] == "edge_cache.mjs"
    assert inputs["content"] == MODULE.read_text(encoding="utf-8")


def test_the_script_keeps_answers_as_long_as_cloudfront() -> None:
    code = MODULE.read_text(encoding="utf-8")

    assert f"FRESH_SECONDS = {ANONYMOUS_SECONDS};" in code
    assert f"STALE_SECONDS = {DAY_SECONDS};" in code


@pytest.mark.parametrize(
    ("path", "possible"), [("/api/a", True), ("/api/a/*", True), ("/api/*/a", False), ("/api/*/*", False)]
)
def test_a_route_has_its_wildcard_at_the_end(path: str, *, possible: bool) -> None:
    assert can_route(path) is possible


def test_the_script_does_what_it_says() -> None:
    tests = Path(__file__).with_name("edge_cache.test.mjs")
    result = subprocess.run(["node", "--test", str(tests)], capture_output=True, text=True, timeout=60, check=False)  # noqa: S607
    assert result.returncode == 0, result.stdout
