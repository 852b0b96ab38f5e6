"""The client of AWS's Price List API: pages, throttling, refusals."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from infra.cost import price_list as listing
from infra.cost.price_list import PriceList, Tier
from infra.errors import UserError
from tests.cost.listed import product


def stubbed() -> tuple[Any, Stubber]:
    api = boto3.client("pricing", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    return api, Stubber(api)


def test_all_pages_are_read_and_a_question_is_asked_once() -> None:
    api, stub = stubbed()
    question = {
        "ServiceCode": "AWSELB",
        "Filters": [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"}],
        "FormatVersion": "aws_v1",
        "MaxResults": 100,
    }
    stub.add_response(
        "get_products", {"PriceList": [product("LCUUsage", "0.008", "LCU-Hrs")], "NextToken": "more"}, question
    )
    stub.add_response(
        "get_products",
        {"PriceList": [product("LoadBalancerUsage", "0.0225")], "NextToken": ""},
        {**question, "NextToken": "more"},
    )
    with stub:
        listed = PriceList(api)
        assert listed.offers("AWSELB", {"regionCode": "us-east-1"}) == listed.offers(
            "AWSELB", {"regionCode": "us-east-1"}
        )
        assert [offer.attributes["usagetype"] for offer in listed.offers("AWSELB", {"regionCode": "us-east-1"})] == [
            "LCUUsage",
            "LoadBalancerUsage",
        ]
        stub.assert_no_pending_responses()


def test_only_on_demand_prices_are_read() -> None:
    (offer,) = listing.read(product("LCUUsage", "0.008", "LCU-Hrs"))
    assert (offer.unit, offer.tiers) == ("LCU-Hrs", (Tier(Decimal(0), Decimal("0.008")),))


def test_what_is_only_reserved_has_no_offer() -> None:
    whole = json.loads(product("HeavyUsage:db.r6g.xl", "0"))
    del whole["terms"]["OnDemand"]
    assert listing.read(json.dumps(whole)) == []


@pytest.mark.parametrize("text", ["[]", "{}", "no json", '{"product": {"attributes": {}}, "terms": {"OnDemand": 1}}'])
def test_an_answer_of_another_form_is_one_message(text: str) -> None:
    with pytest.raises(UserError, match="answers in a form that is not known"):
        listing.read(text)


@pytest.mark.parametrize(
    ("code", "mend"),
    [
        ("AccessDeniedException", "pricing:GetProducts"),
        ("ThrottlingException", "wait a few minutes"),
        ("ExpiredTokenException", "log in again"),
        ("InternalErrorException", "run the command again"),
    ],
)
def test_a_refusal_says_what_mends_it(code: str, mend: str) -> None:
    api, stub = stubbed()
    stub.add_client_error("get_products", code, "no")
    with stub, pytest.raises(UserError) as caught:
        PriceList(api).offers("AWSELB", {})
    assert code in caught.value.message
    assert mend in caught.value.problems[0]


def test_without_credentials_there_is_one_clear_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(UserError, match="wants AWS credentials, and there are none"):
        PriceList(listing.client()).offers("AWSELB", {})


class Throttling(BaseHTTPRequestHandler):
    """Throttles the first request, and answers the second."""

    requests: ClassVar[int] = 0

    def do_POST(self) -> None:
        type(self).requests += 1
        throttled = type(self).requests == 1
        answer: dict[str, Any] = (
            {"__type": "ThrottlingException", "message": "Rate exceeded"}
            if throttled
            else {"PriceList": [product("LCUUsage", "0.008", "LCU-Hrs")]}
        )
        body = json.dumps(answer).encode()
        self.send_response(400 if throttled else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def throttling() -> Iterator[str]:
    Throttling.requests = 0
    server = HTTPServer(("127.0.0.1", 0), Throttling)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_throttled_request_is_sent_again(throttling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = boto3.client

    def local(service: str, config: Config, **arguments: Any) -> Any:
        arguments |= {"endpoint_url": throttling, "aws_access_key_id": "a", "aws_secret_access_key": "b"}
        return real(service, config=config, **arguments)

    monkeypatch.setattr(boto3, "client", local)
    (offer,) = PriceList(listing.client()).offers("AWSELB", {})
    assert offer.unit == "LCU-Hrs"
    assert Throttling.requests == 2
