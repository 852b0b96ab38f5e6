"""Asking Cloudflare for what exists, from answers such as its API's pages show."""

from __future__ import annotations

from typing import Any

import pytest

from infra.errors import UserError
from infra.recovery import cloudflare
from infra.recovery.cloudflare import TOKEN, ask

TOKENS = {TOKEN: "planted"}
RECORD = ("cloudflare:index/dnsRecord:DnsRecord", {"zoneId": "z", "name": "www.example.com", "type": "CNAME"})
RULESET = ("cloudflare:index/ruleset:Ruleset", {"zoneId": "z", "phase": "http_ratelimit"})
ROUTE = ("cloudflare:index/workersRoute:WorkersRoute", {"zoneId": "z", "pattern": "c"})
RECORDS = "/zones/z/dns_records?name.exact=www.example.com&type=CNAME"


@pytest.mark.parametrize(
    ("what", "path", "result", "expected"),
    [
        (RECORD, RECORDS, [{"id": "one"}], "one"),
        (RECORD, RECORDS, [], ""),
        (RULESET, "/zones/z/rulesets/phases/http_ratelimit/entrypoint", {"id": "two"}, "two"),
        (RULESET, "/zones/z/rulesets/phases/http_ratelimit/entrypoint", None, ""),
        (
            ROUTE,
            "/zones/z/workers/routes",
            [{"id": "x", "pattern": "b"}, {"id": "y", "pattern": "c"}],
            "y",
        ),
        (ROUTE, "/zones/z/workers/routes", [{"id": "x", "pattern": "b"}], ""),
    ],
)
def test_the_id_is_asked_for_by_what_exists_only_once(
    what: tuple[str, dict[str, Any]], path: str, result: Any, expected: str
) -> None:
    asked = []

    def get(path: str, token: str) -> Any:
        asked.append((path, token))
        return result

    assert ask(*what, environ=TOKENS, get=get) == expected
    assert asked == [(path, "planted")]


def test_without_a_token_nothing_is_asked() -> None:
    assert ask(*RECORD, environ={}) == ""


def test_other_types_have_no_question() -> None:
    assert ask("aws:ec2/vpc:Vpc", {}, environ=TOKENS) == ""


def test_what_cannot_be_asked_is_said_without_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudflare, "API", "https://127.0.0.1:1")
    with pytest.raises(UserError, match="cannot be asked") as told:
        ask(*RECORD, environ=TOKENS)
    assert "planted" not in str(told.value)
