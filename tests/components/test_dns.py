from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

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
from components.load_balancer import Colour
from infra.plan import PlannedResource
from tests.components.conftest import ACCOUNT, Recorded
from tests.components.growth import changes

Record = Callable[[Callable[[], object]], Recorded]
HOSTS = Hosts("example.com")
ZONE = "0" * 32


@pytest.fixture
def zone(recorded: Record, site: Site) -> Recorded:
    args = OriginZoneArgs(hosts=HOSTS, cloudflare_zone_id=ZONE, regions=["us-east-1", "eu-west-1"])
    return recorded(lambda: OriginZone("origin", site, args))


@pytest.fixture
def certificate(recorded: Record, site: Site) -> Recorded:
    args = EdgeCertificateArgs(names=HOSTS.public, purpose="CloudFront", cloudflare_zone_id=ZONE)
    return recorded(lambda: EdgeCertificate("edge", replace(site, region="eu-west-1"), args))


def origin(
    site: Site, topics: AlarmTopics, weights: Mapping[Colour, int] | None = None, region: str = "eu-west-1"
) -> OriginRecord:
    weights = weights or {"blue": 100}
    groups = f"arn:aws:elasticloadbalancing:{region}:{ACCOUNT}:targetgroup"
    args = OriginRecordArgs(
        host=HOSTS.origin,
        zone_id="Z1",
        load_balancer_dns_name=f"alb.{region}.elb.amazonaws.com",
        load_balancer_zone_id="Z32O12XQLNTSW2",
        load_balancer_arn_suffix="app/api/1",
        target_group_arns={colour: f"{groups}/{colour}/2" for colour in weights},
        weights=weights,
        topics=topics,
    )
    return OriginRecord(f"{region}-origin", replace(site, region=region), args)


@pytest.fixture
def record(recorded: Record, site: Site, topics: AlarmTopics) -> Recorded:
    return recorded(lambda: origin(site, topics))


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


def followed(found: Recorded, record: PlannedResource) -> str:
    """The target group whose pods decide about a record."""
    (check,) = [one for one in found.of("HealthCheck") if one.urn in record.dependencies]
    (alarm,) = [one for one in found.of("MetricAlarm") if one.inputs["name"] == check.inputs["cloudwatchAlarmName"]]
    assert alarm.inputs["region"] == check.inputs["cloudwatchAlarmRegion"]
    return str(alarm.inputs["dimensions"]["TargetGroup"])


@pytest.mark.parametrize(
    ("weights", "main"),
    [
        ({"blue": 100, "green": 0}, "blue"),
        ({"blue": 90, "green": 10}, "blue"),
        ({"blue": 10, "green": 90}, "green"),
        ({"blue": 0, "green": 100}, "green"),
    ],
)
def test_the_colour_with_most_of_the_requests_decides_about_its_region(
    recorded: Record, site: Site, topics: AlarmTopics, weights: Mapping[Colour, int], main: str
) -> None:
    found = recorded(lambda: origin(site, topics, weights))

    assert followed(found, found.one("route53/record:Record")) == f"targetgroup/{main}/2"
    told = {one.inputs["dimensions"]["TargetGroup"]: one.inputs["alarmActions"] for one in found.of("MetricAlarm")}
    assert [group for group, actions in told.items() if actions == [topics.page_arn]] == [f"targetgroup/{main}/2"]


def test_blue_and_green_leave_the_record_and_its_first_check_where_they_are(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    before = recorded(lambda: origin(site, topics))
    shares: list[Mapping[Colour, int]] = [{"blue": 100, "green": 0}, {"blue": 0, "green": 100}]
    for weights in shares:
        after = recorded(partial(origin, site, topics, weights))

        assert {one.urn for one in before.resources} < {one.urn for one in after.resources}
        assert not [urn for urn, difference in changes(before, after).items() if difference.replaces]


def test_visitors_of_a_lost_region_go_to_the_nearest_one_that_is_left(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    """As Route 53 answers: the healthy record with the least latency; with none healthy, as if all were."""
    regions = ("us-east-1", "us-west-2", "eu-west-1")
    latencies = {"us-east-1": 80, "us-west-2": 140, "eu-west-1": 10}

    def world() -> None:
        for region in regions:
            origin(site, topics, {"blue": 95, "green": 5}, region)

    found = recorded(world)
    records = {one.inputs["setIdentifier"]: one for one in found.of("route53/record:Record")}
    checked = {
        region: [one.name for one in found.of("HealthCheck") if one.urn in record.dependencies]
        for region, record in records.items()
    }

    def answer(*dead: str) -> str:
        healthy = [region for region, checks in checked.items() if not set(checks) & set(dead)]
        nearest = min(healthy or regions, key=latencies.__getitem__)
        return str(records[nearest].inputs["aliases"][0]["name"])

    assert len({(one.inputs["name"], one.inputs["type"]) for one in records.values()}) == 1
    assert answer() == "alb.eu-west-1.elb.amazonaws.com"
    assert answer("eu-west-1-origin") == "alb.us-east-1.elb.amazonaws.com"
    assert answer("eu-west-1-origin", "us-east-1-origin") == "alb.us-west-2.elb.amazonaws.com"
    assert answer(*(f"{region}-origin" for region in regions)) == "alb.eu-west-1.elb.amazonaws.com"
    assert answer("eu-west-1-origin-green") == "alb.eu-west-1.elb.amazonaws.com"


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
