"""Search: encrypted, reached by one role, in a shape that growth does not replace."""

import json
from collections.abc import Callable

import pytest

from components.alarms import AlarmTopics
from components.component import Site
from components.search import LOGS, Search, SearchArgs, statements
from infra.replacements import Verdict, judge
from stacks import phase_1m, phase_250k
from stacks.phase import Phase
from tests.components.conftest import ACCOUNT, Recorded

Record = Callable[[Callable[[], object]], Recorded]
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
NAME = "us-east-1-search"


def search(site: Site, topics: AlarmTopics, phase: Phase = phase_250k.EFFICIENT) -> Search:
    assert phase.search is not None
    args = SearchArgs(
        size=phase.search,
        account_id=ACCOUNT,
        vpc_id="vpc-1",
        subnet_ids=("subnet-a", "subnet-b", "subnet-c"),
        client_security_group_ids={"pods": "sg-pods"},
        key_arn=KEY,
        log_key_arn=KEY,
        topics=topics,
    )
    return Search(NAME, site, args)


@pytest.fixture
def parts(recorded: Record, site: Site, topics: AlarmTopics) -> Recorded:
    return recorded(lambda: search(site, topics))


def test_the_domain_is_encrypted_everywhere(parts: Recorded) -> None:
    domain = parts.one("Domain").inputs
    assert domain["encryptAtRest"] == {"enabled": True, "kmsKeyId": KEY}
    assert domain["nodeToNodeEncryption"] == {"enabled": True}
    assert domain["domainEndpointOptions"]["enforceHttps"]
    assert domain["domainEndpointOptions"]["tlsSecurityPolicy"].startswith("Policy-Min-TLS-1-2")


def test_the_domain_stands_in_three_zones_without_masters_of_their_own(parts: Recorded) -> None:
    domain = parts.one("Domain").inputs
    assert domain["clusterConfig"]["zoneAwarenessConfig"] == {"availabilityZoneCount": 3}
    assert not domain["clusterConfig"]["dedicatedMasterEnabled"]
    assert len(domain["vpcOptions"]["subnetIds"]) == 3


def test_the_domain_cannot_be_deleted_by_mistake(parts: Recorded) -> None:
    options = parts.one("Domain").options
    assert options["protect"]
    assert options["retainOnDelete"]


def test_the_name_fits_into_what_opensearch_allows(parts: Recorded) -> None:
    assert len(parts.one("Domain").inputs["domainName"]) <= 28


def test_only_the_pods_reach_the_domain(parts: Recorded) -> None:
    rule = parts.one("SecurityGroupIngressRule").inputs
    assert (rule["fromPort"], rule["toPort"], rule["referencedSecurityGroupId"]) == (443, 443, "sg-pods")


def test_there_is_one_master_and_no_password(parts: Recorded) -> None:
    security = parts.one("Domain").inputs["advancedSecurityOptions"]
    assert security["enabled"]
    assert not security["internalUserDatabaseEnabled"]
    assert set(security["masterUserOptions"]) == {"masterUserArn"}


def test_pods_can_become_the_client_with_the_tags_that_their_session_carries(parts: Recorded) -> None:
    role = parts.named(f"{NAME}-client", "Role").inputs
    (trust,) = json.loads(role["assumeRolePolicy"])["Statement"]
    assert trust["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    assert trust["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    (statement,) = statements("arn:role")
    assert statement == {"Effect": "Allow", "Action": trust["Action"], "Resource": "arn:role"}


def test_the_client_does_not_change_who_may_do_what(parts: Recorded) -> None:
    policy = json.loads(parts.one("RolePolicy").inputs["policy"])
    (refused,) = [each for each in policy["Statement"] if each["Effect"] == "Deny"]
    assert {"es:ESHttpPut", "es:ESHttpPatch", "es:ESHttpPost", "es:ESHttpDelete"} == set(refused["Action"])
    assert all("/_security/*" in resource for resource in refused["Resource"])


def test_every_log_is_published_into_an_encrypted_group(parts: Recorded) -> None:
    published = parts.one("Domain").inputs["logPublishingOptions"]
    assert {each["logType"] for each in published} == set(LOGS)
    assert {group.inputs["kmsKeyId"] for group in parts.of("LogGroup")} == {KEY}
    assert len(parts.of("LogGroup")) == len(LOGS)


def test_growth_replaces_nothing(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    phase = phase_250k.EFFICIENT
    assert phase.search is not None
    smaller = phase.model_copy(update={"search": phase.search.model_copy(update={"instance_type": "m6g.large.search"})})
    before = recorded(lambda: search(site, topics, smaller))
    after = recorded(lambda: search(site, topics, phase_1m.EFFICIENT))
    assert [one.name for one in before.resources] == [one.name for one in after.resources]
    olds, news = before.one("Domain").inputs, after.one("Domain").inputs
    changed = {key for key in news if olds.get(key) != news[key]} - {"tags"}
    assert changed == {"clusterConfig", "ebsOptions"}
    for key in changed:
        for field in news[key]:
            verdict = judge(
                "aws:opensearch/domain:Domain",
                f"{key}.{field}",
                olds[key].get(field),
                news[key][field],
                unknown=False,
                olds=olds,
                news=news,
            )
            assert verdict.outcome is Verdict.UPDATE


@pytest.mark.parametrize(
    ("alarm", "severity"),
    [
        ("red", "page"),
        ("yellow", "ticket"),
        ("writes-blocked", "page"),
        ("key-inaccessible", "page"),
        ("cpu", "ticket"),
    ],
)
def test_what_hurts_is_watched(parts: Recorded, alarm: str, severity: str) -> None:
    inputs = parts.inputs(f"{NAME}-{alarm}", "MetricAlarm")
    assert inputs["namespace"] == "AWS/ES"
    assert inputs["dimensions"] == {"DomainName": parts.one("Domain").inputs["domainName"], "ClientId": ACCOUNT}
    assert inputs["alarmActions"][0].endswith(severity)


def test_a_quarter_of_the_storage_stays_free(parts: Recorded) -> None:
    assert parts.inputs(f"{NAME}-storage", "MetricAlarm")["threshold"] == 100 * 1024 // 4
