"""A visitor of our own: what it fetches, and who hears of it."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from components.alarms import AlarmTopics
from components.canaries import Canaries, CanariesArgs
from components.component import Site
from components.functions.canary import handler
from tests.components.conftest import ACCOUNT, Recorded

NAME = "us-east-1-canary"


@pytest.fixture
def parts(recorded: Callable[[Callable[[], object]], Recorded], site: Site, topics: AlarmTopics) -> Recorded:
    args = CanariesArgs(
        account_id=ACCOUNT,
        urls=["https://api.example.com/health", "https://example.com/"],
        key_arn=f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1",
        topics=topics,
    )
    return recorded(lambda: Canaries(NAME, site, args))


def test_it_visits_every_address_each_five_minutes(parts: Recorded) -> None:
    canary = parts.one("Canary").inputs
    assert canary["schedule"]["expression"] == "rate(5 minutes)"
    assert canary["runConfig"]["environmentVariables"]["URLS"] == "https://api.example.com/health https://example.com/"
    assert (canary["startCanary"], canary["deleteLambda"]) == (True, True)


def test_its_code_lies_where_the_runtime_looks_and_other_code_has_another_key(parts: Recorded) -> None:
    code, canary = parts.one("BucketObjectv2").inputs, parts.one("Canary").inputs
    assert canary["handler"] == "canary.handler"
    assert canary["s3Key"] == code["key"]
    assert code["key"].startswith("code/")
    assert not canary["artifactS3Location"].startswith(f"s3://{code['bucket']}/code")


def test_runs_are_deleted_and_code_is_not(parts: Recorded) -> None:
    (rule,) = parts.one("BucketLifecycleConfiguration").inputs["rules"]
    assert rule["filter"] == {"prefix": "runs/"}
    assert rule["expiration"] == {"days": 31}


def test_two_failed_runs_page_and_so_does_silence(parts: Recorded, topics: AlarmTopics) -> None:
    inputs = parts.inputs(f"{NAME}-failing")
    assert (inputs["threshold"], inputs["evaluationPeriods"], inputs["period"]) == (90, 2, 300)
    assert inputs["treatMissingData"] == "breaching"
    assert inputs["alarmActions"] == [topics.page_arn]


def test_a_day_below_the_promise_is_a_ticket(parts: Recorded, topics: AlarmTopics) -> None:
    inputs = parts.inputs(f"{NAME}-day")
    assert (inputs["threshold"], inputs["period"]) == (99.9, 86_400)
    assert inputs["alarmActions"] == [topics.ticket_arn]


def test_it_writes_logs_of_canaries_and_metrics_of_canaries_only(parts: Recorded) -> None:
    statements = json.loads(parts.inputs(NAME, "RolePolicy")["policy"])["Statement"]
    (logs,) = [one for one in statements if "logs:PutLogEvents" in one["Action"]]
    (metrics,) = [one for one in statements if one["Action"] == "cloudwatch:PutMetricData"]
    assert logs["Resource"].endswith(":log-group:/aws/lambda/cwsyn-*")
    assert metrics["Condition"] == {"StringEquals": {"cloudwatch:namespace": "CloudWatchSynthetics"}}


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path.removeprefix("/")))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its parent's word
        """Keep the test's output clean."""


@pytest.fixture
def server() -> Iterator[str]:
    """Answers with the status that its path names."""
    http = HTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    thread.join()
    http.server_close()


def test_the_code_passes_when_all_answer(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URLS", f"{server}/200 {server}/200")
    assert handler({}, None) == "all answered"


def test_the_code_names_everything_that_failed(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URLS", f"{server}/500 {server}/200 {server}/204 http://127.0.0.1:1/")
    with pytest.raises(RuntimeError) as failed:
        handler({}, None)
    assert f"{server}/500" in str(failed.value)
    assert f"{server}/204: status 204" in str(failed.value)
    assert "http://127.0.0.1:1/" in str(failed.value)
    assert f"{server}/200" not in str(failed.value)
