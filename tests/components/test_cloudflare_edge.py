from collections.abc import Callable
from typing import Any

import pytest

from components.cloudflare_edge import CloudflareEdge, CloudflareEdgeArgs
from components.component import Site
from components.edge import Hosts
from tests.components.conftest import Recorded

Record = Callable[[Callable[[], object]], Recorded]
ZONE = "0" * 32


@pytest.fixture
def edge(recorded: Record, site: Site) -> Recorded:
    args = CloudflareEdgeArgs(hosts=Hosts("example.com"), zone_id=ZONE, distribution_domain_name="d1.cloudfront.net")
    return recorded(lambda: CloudflareEdge("cloudflare", site, args))


def rules(edge: Recorded, phase: str) -> list[dict[str, Any]]:
    (found,) = [each for each in edge.of("Ruleset") if each.inputs["phase"] == phase]
    return list(found.inputs["rules"])


def test_every_public_name_goes_through_cloudflare_to_the_distribution(edge: Recorded) -> None:
    names = {each.inputs["name"]: each.inputs for each in edge.of("DnsRecord")}

    assert names.keys() == {"example.com", "www.example.com", "api.example.com", "cdn.example.com"}
    for inputs in names.values():
        assert (inputs["type"], inputs["content"]) == ("CNAME", "d1.cloudfront.net")
        assert inputs["proxied"] is True
        # Cloudflare accepts no other time to live for a proxied name.
        assert inputs["ttl"] == 1


def test_tls_is_strict_and_modern(edge: Recorded) -> None:
    settings = {each.inputs["settingId"]: each.inputs["value"] for each in edge.of("ZoneSetting")}

    assert settings["ssl"] == "strict"
    assert settings["always_use_https"] == settings["automatic_https_rewrites"] == "on"
    assert settings["min_tls_version"] == "1.2"
    assert settings["tls_1_3"] == settings["http3"] == "on"


def test_the_api_is_not_cached_a_second_time(edge: Recorded) -> None:
    # Of the rules that match the last decides, so nothing after this one may let it in again.
    last = rules(edge, "http_request_cache_settings")[-1]

    assert 'starts_with(http.request.uri.path, "/api/")' in last["expression"]
    assert last["actionParameters"] == {"cache": False}


def test_files_are_kept_as_long_as_the_origin_says_but_failures_are_not(edge: Recorded) -> None:
    files = rules(edge, "http_request_cache_settings")[0]
    parameters = files["actionParameters"]

    for path in ("/assets/", "/static/", "/media/"):
        assert f'"{path}"' in files["expression"]
    assert parameters["edgeTtl"]["mode"] == parameters["browserTtl"]["mode"] == "respect_origin"
    (failures,) = parameters["edgeTtl"]["statusCodeTtls"]
    assert failures == {"statusCodeRange": {"from": 400, "to": 599}, "value": -1}


def test_the_rate_limit_is_what_the_free_plan_offers(edge: Recorded) -> None:
    (only,) = rules(edge, "http_ratelimit")
    limit = only["ratelimit"]

    assert limit["period"] == limit["mitigationTimeout"] == 10
    assert limit["characteristics"] == ["cf.colo.id", "ip.src"]
    # The free plan's expressions know the path and nothing else.
    assert only["expression"] == 'starts_with(http.request.uri.path, "/api/")'


def test_the_rate_limit_is_ten_thousand_a_minute_over_ten_seconds(edge: Recorded) -> None:
    (only,) = rules(edge, "http_ratelimit")

    assert only["ratelimit"]["requestsPerPeriod"] == 1_666


def test_data_centres_ask_one_upper_tier(edge: Recorded) -> None:
    assert edge.one("TieredCache").inputs == {"zoneId": ZONE, "value": "on"}


def test_rules_are_recognised_when_another_is_put_before_them(edge: Recorded) -> None:
    for phase in ("http_request_cache_settings", "http_ratelimit"):
        references = [each["ref"] for each in rules(edge, phase)]
        assert len(set(references)) == len(references)


def test_an_image_in_the_format_of_one_browser_is_not_kept_for_all(recorded: Record, site: Site) -> None:
    args = CloudflareEdgeArgs(
        hosts=Hosts("example.com"), zone_id=ZONE, distribution_domain_name="d1.cloudfront.net", image_resizing=True
    )
    with_images = recorded(lambda: CloudflareEdge("cloudflare", site, args))

    (images,) = [rule for rule in rules(with_images, "http_request_cache_settings") if rule["ref"] == "images"]

    assert images["expression"] == 'starts_with(http.request.uri.path, "/img/")'
    assert images["actionParameters"] == {"cache": False}
