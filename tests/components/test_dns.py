from collections.abc import Callable
from dataclasses import replace

import pytest

from components.alarms import AlarmTopics
from components.component import Site
from components.dns import (
    EdgeCertificate,
    EdgeCertificateArgs,
    OriginRecord,
    OriginRecordArgs,
    OriginZone,
    OriginZoneArgs,
    Uptime,
    UptimeArgs,
)
from components.edge import Hosts
from tests.components.conftest import ACCOUNT, Recorded

Record = Callable[[Callable[[], object]], Recorded]
HOSTS = Hosts("example.com")
ZONE = "0" * 32


@pytest.fixture
def zone(recorded: Record, site: Site) -> Recorded:
    args = OriginZoneArgs(hosts=HOSTS, cloudflare_zone_id=ZONE, regions=["us-east-1", "eu-west-1"])
    return recorded(lambda: OriginZone("origin", site, args))


@pytest.fixture
def certificate(recorded: Record, site: Site) -> Recorded:
    args = EdgeCertificateArgs(hosts=HOSTS, cloudflare_zone_id=ZONE)
    return recorded(lambda: EdgeCertificate("edge", replace(site, region="eu-west-1"), args))


@pytest.fixture
def record(recorded: Record, site: Site, topics: AlarmTopics) -> Recorded:
    args = OriginRecordArgs(
        host=HOSTS.origin,
        zone_id="Z1",
        load_balancer_dns_name="alb.eu-west-1.elb.amazonaws.com",
        load_balancer_zone_id="Z32O12XQLNTSW2",
        load_balancer_arn_suffix="app/api/1",
        target_group_arn=f"arn:aws:elasticloadbalancing:eu-west-1:{ACCOUNT}:targetgroup/blue/2",
        topics=topics,
    )
    return recorded(lambda: OriginRecord("eu-west-1-origin", replace(site, region="eu-west-1"), args))


@pytest.fixture
def uptime(recorded: Record, site: Site, topics: AlarmTopics) -> Recorded:
    return recorded(lambda: Uptime("uptime", site, UptimeArgs(host=HOSTS.api, topics=topics)))


def test_cloudflare_hands_the_origins_names_to_all_four_servers_of_its_zone(zone: Recorded) -> None:
    delegation = zone.of("DnsRecord")

    assert zone.one("Zone").inputs["name"] == "origin.example.com"
    assert len(delegation) == 4
    for each in delegation:
        assert (each.inputs["type"], each.inputs["name"]) == ("NS", "origin.example.com")
        assert each.inputs["proxied"] is False
        assert zone.one("Zone").urn in each.dependencies


def test_the_zone_is_protected_since_a_new_one_has_other_servers(zone: Recorded) -> None:
    assert zone.one("Zone").options == {"protect": True, "retainOnDelete": True}


def test_each_region_has_a_certificate_for_the_origin_alone(zone: Recorded) -> None:
    certificates = {each.inputs["region"]: each.inputs for each in zone.of("Certificate")}

    assert certificates.keys() == {"us-east-1", "eu-west-1"}
    for certificate in certificates.values():
        assert certificate["domainName"] == "origin.example.com"
        assert certificate["validationMethod"] == "DNS"
        assert "subjectAlternativeNames" not in certificate


def test_one_record_proves_the_certificates_of_all_regions(zone: Recorded) -> None:
    assert zone.one("route53/record:Record").inputs["type"] == "CNAME"
    assert {each.inputs["region"] for each in zone.of("CertificateValidation")} == {"us-east-1", "eu-west-1"}


def test_certificates_are_waited_for_only_once_the_world_finds_the_zone(zone: Recorded) -> None:
    for validation in zone.of("CertificateValidation"):
        assert {each.urn for each in zone.of("DnsRecord")} <= set(validation.dependencies)


def test_cloudfronts_certificate_is_in_us_east_1_wherever_home_is(certificate: Recorded) -> None:
    inputs = certificate.one("Certificate").inputs

    assert inputs["region"] == "us-east-1"
    assert certificate.one("CertificateValidation").inputs["region"] == "us-east-1"
    assert [inputs["domainName"], *inputs["subjectAlternativeNames"]] == [
        "example.com",
        "www.example.com",
        "api.example.com",
        "cdn.example.com",
    ]


def test_each_public_name_is_proved_at_cloudflare_in_the_open(certificate: Recorded) -> None:
    records = certificate.of("DnsRecord")

    assert [each.name for each in records] == [f"edge-proof-{label}" for label in ("apex", "www", "api", "cdn")]
    for each in records:
        assert (each.inputs["type"], each.inputs["proxied"]) == ("CNAME", False)
        assert each.urn in certificate.one("CertificateValidation").dependencies


def test_a_region_answers_for_the_visitors_who_are_near_it(record: Recorded) -> None:
    inputs = record.one("route53/record:Record").inputs

    assert (inputs["type"], inputs["name"]) == ("A", "origin.example.com")
    assert inputs["setIdentifier"] == "eu-west-1"
    assert inputs["latencyRoutingPolicies"] == [{"region": "eu-west-1"}]
    assert inputs["aliases"][0]["name"] == "alb.eu-west-1.elb.amazonaws.com"


def test_a_region_without_a_healthy_pod_is_left_out_and_pages(record: Recorded, topics: AlarmTopics) -> None:
    check = record.one("HealthCheck").inputs
    alarm = record.one("MetricAlarm").inputs

    assert check["type"] == "CLOUDWATCH_METRIC"
    assert check["cloudwatchAlarmName"] == alarm["name"]
    assert check["cloudwatchAlarmRegion"] == alarm["region"] == "eu-west-1"
    assert (alarm["threshold"], alarm["comparisonOperator"]) == (1, "LessThanThreshold")
    assert alarm["alarmActions"] == [topics.page_arn]
    assert record.one("HealthCheck").urn in record.one("route53/record:Record").dependencies


def test_the_alarm_behind_a_health_check_is_of_the_kind_that_route_53_follows(record: Recorded) -> None:
    alarm = record.one("MetricAlarm").inputs

    assert "metricQueries" not in alarm
    assert "extendedStatistic" not in alarm
    assert alarm["dimensions"] == {"LoadBalancer": "app/api/1", "TargetGroup": "targetgroup/blue/2"}


def test_an_empty_target_group_does_not_take_a_region_out(record: Recorded) -> None:
    assert record.one("route53/record:Record").inputs["aliases"][0]["evaluateTargetHealth"] is False


def test_the_world_asks_for_the_products_health_and_pages_when_it_is_down(
    uptime: Recorded, topics: AlarmTopics
) -> None:
    check = uptime.one("HealthCheck").inputs
    alarm = uptime.one("MetricAlarm").inputs

    assert (check["type"], check["fqdn"], check["resourcePath"]) == ("HTTPS", "api.example.com", "/health")
    assert check["enableSni"] is True
    assert alarm["region"] == "us-east-1"
    assert (alarm["metricName"], alarm["treatMissingData"]) == ("HealthCheckStatus", "breaching")
    assert alarm["alarmActions"] == [topics.page_arn]


def test_an_uptime_alarm_elsewhere_is_refused(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    elsewhere = replace(site, region="eu-west-1")

    with pytest.raises(ValueError, match="must stand in us-east-1, not in eu-west-1"):
        recorded(lambda: Uptime("uptime", elsewhere, UptimeArgs(host=HOSTS.api, topics=topics)))
