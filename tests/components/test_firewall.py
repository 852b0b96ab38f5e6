import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from components.alarms import AlarmTopics
from components.component import Site
from components.firewall import Firewall, FirewallArgs
from tests.components.conftest import ACCOUNT, Recorded

Record = Callable[[Callable[[], object]], Recorded]
CAPACITY_UNITS = {
    "cloudflare-only": 2,
    "flood": 2,
    "body-size": 13,
    "common": 700,
    "known-bad-inputs": 200,
    "ip-reputation": 25,
    "anonymous-ip": 50,
}
"""As AWS documents them; the regular expression at its dearest, should NONE count as a transformation."""


def args(topics: AlarmTopics) -> FirewallArgs:
    return FirewallArgs(
        cloudflare_ipv4=["173.245.48.0/20"],
        cloudflare_ipv6=["2400:cb00::/32"],
        key_arn=f"arn:aws:kms:us-east-1:{ACCOUNT}:key/operations",
        topics=topics,
    )


@pytest.fixture
def firewall(recorded: Record, site: Site, topics: AlarmTopics) -> Recorded:
    return recorded(lambda: Firewall("firewall", site, args(topics)))


def rule(firewall: Recorded, name: str) -> dict[str, Any]:
    (found,) = [each for each in firewall.one("WebAcl").inputs["rules"] if each["name"] == name]
    return dict(found)


def test_the_web_acl_is_one_for_cloudfront(firewall: Recorded) -> None:
    for each in (firewall.one("WebAcl"), *firewall.of("IpSet")):
        assert each.inputs["scope"] == "CLOUDFRONT"
        assert each.inputs["region"] == "us-east-1"


def test_who_does_not_come_through_cloudflare_is_blocked_before_anything_else(firewall: Recorded) -> None:
    first = min(firewall.one("WebAcl").inputs["rules"], key=lambda each: int(each["priority"]))
    inner = first["statement"]["notStatement"]["statement"]["orStatement"]["statements"]

    assert first["action"] == {"block": {}}
    assert [list(each) for each in inner] == [["ipSetReferenceStatement"], ["ipSetReferenceStatement"]]
    assert {each.inputs["ipAddressVersion"]: each.inputs["addresses"] for each in firewall.of("IpSet")} == {
        "IPV4": ["173.245.48.0/20"],
        "IPV6": ["2400:cb00::/32"],
    }


def test_a_visitor_may_make_ten_thousand_requests_a_minute(firewall: Recorded) -> None:
    flood = rule(firewall, "flood")["statement"]["rateBasedStatement"]

    assert (flood["limit"], flood["evaluationWindowSec"]) == (10_000, 60)


def test_visitors_are_told_apart_by_the_address_that_cloudflare_saw(firewall: Recorded) -> None:
    flood = rule(firewall, "flood")["statement"]["rateBasedStatement"]

    assert flood["aggregateKeyType"] == "FORWARDED_IP"
    assert flood["forwardedIpConfig"] == {"headerName": "CF-Connecting-IP", "fallbackBehavior": "MATCH"}


@pytest.mark.parametrize(
    ("length", "blocked"), [("0", False), ("16384", False), ("999999", False), ("1000000", True), ("26214400", True)]
)
def test_bodies_of_a_megabyte_and_more_are_blocked(firewall: Recorded, length: str, *, blocked: bool) -> None:
    size = rule(firewall, "body-size")
    statement = size["statement"]["regexMatchStatement"]

    assert size["action"] == {"block": {}}
    assert statement["fieldToMatch"] == {"singleHeader": {"name": "content-length"}}
    assert bool(re.search(statement["regexString"], length)) is blocked


def test_long_json_is_not_mistaken_for_an_attack(firewall: Recorded) -> None:
    group = rule(firewall, "common")["statement"]["managedRuleGroupStatement"]

    assert group["ruleActionOverrides"] == [{"name": "SizeRestrictions_BODY", "actionToUse": {"count": {}}}]


@pytest.mark.parametrize("name", ["common", "known-bad-inputs"])
def test_known_attacks_are_blocked(firewall: Recorded, name: str) -> None:
    assert rule(firewall, name)["overrideAction"] == {"none": {}}


@pytest.mark.parametrize("name", ["ip-reputation", "anonymous-ip"])
def test_lists_that_would_judge_cloudflares_own_addresses_only_count(firewall: Recorded, name: str) -> None:
    assert rule(firewall, name)["overrideAction"] == {"count": {}}


def test_every_rule_has_an_action_a_metric_and_a_place_of_its_own(firewall: Recorded) -> None:
    rules = firewall.one("WebAcl").inputs["rules"]

    assert len({each["priority"] for each in rules}) == len(rules)
    for each in rules:
        assert ("action" in each) != ("overrideAction" in each)
        assert each["visibilityConfig"]["cloudwatchMetricsEnabled"] is True


def test_the_rules_fit_into_the_price_of_a_web_acl(firewall: Recorded) -> None:
    names = [each["name"] for each in firewall.one("WebAcl").inputs["rules"]]

    assert sum(CAPACITY_UNITS[name] for name in names) <= 1_500


def test_requests_are_logged_without_what_logs_people_in(firewall: Recorded) -> None:
    log = firewall.one("WebAclLoggingConfiguration").inputs
    group = firewall.one("LogGroup").inputs

    assert log["redactedFields"] == [{"singleHeader": {"name": "authorization"}}, {"singleHeader": {"name": "cookie"}}]
    assert group["name"].startswith("aws-waf-logs-")
    assert group["retentionInDays"] == 30
    assert group["kmsKeyId"].startswith("arn:aws:kms:")


def test_a_spike_of_blocked_requests_opens_a_ticket(firewall: Recorded, topics: AlarmTopics) -> None:
    alarm = firewall.one("MetricAlarm").inputs
    acl = firewall.one("WebAcl").inputs

    assert alarm["dimensions"] == {"WebACL": acl["visibilityConfig"]["metricName"], "Rule": "ALL"}
    assert alarm["alarmActions"] == [topics.ticket_arn]


def test_a_firewall_elsewhere_is_refused(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    elsewhere = replace(site, region="eu-west-1")

    with pytest.raises(ValueError, match="must stand in us-east-1, not in eu-west-1"):
        recorded(lambda: Firewall("firewall", elsewhere, args(topics)))
