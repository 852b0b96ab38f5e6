from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import pulumi
import pytest

from components.alarms import AlarmTopics
from components.cdn import Cdn, CdnArgs
from components.component import Site
from components.edge import Hosts
from components.load_balancer import IDLE_TIMEOUT_SECONDS, ORIGIN_HEADER
from tests.components.conftest import ACCOUNT, Recorded

Record = Callable[[Callable[[], object]], Recorded]
YEAR = 31_536_000


def args(topics: AlarmTopics) -> CdnArgs:
    return CdnArgs(
        hosts=Hosts("example.com"),
        anonymous_api_paths=["/api/v1/public/*"],
        assets_domain_name="assets.s3.us-east-1.amazonaws.com",
        certificate_arn=f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/1",
        web_acl_arn=f"arn:aws:wafv2:us-east-1:{ACCOUNT}:global/webacl/edge/1",
        origin_secret=pulumi.Output.secret("known-to-two"),
        logs_bucket_arn="arn:aws:s3:::logs",
        topics=topics,
    )


@pytest.fixture
def cdn(recorded: Record, site: Site, topics: AlarmTopics) -> Recorded:
    return recorded(lambda: Cdn("cdn", site, args(topics)))


def behavior(cdn: Recorded, path: str) -> dict[str, Any]:
    """The cache behaviour that CloudFront takes for `path`: the first whose pattern matches."""
    distribution = cdn.one("Distribution").inputs
    for each in distribution["orderedCacheBehaviors"]:
        if fnmatchcase(path, each["pathPattern"]):
            return dict(each)
    return dict(distribution["defaultCacheBehavior"])


def test_every_public_name_is_served_with_modern_tls(cdn: Recorded) -> None:
    distribution = cdn.one("Distribution").inputs

    assert distribution["aliases"] == ["example.com", "www.example.com", "api.example.com", "cdn.example.com"]
    assert distribution["viewerCertificate"] == {
        "acmCertificateArn": f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/1",
        "minimumProtocolVersion": "TLSv1.2_2021",
        "sslSupportMethod": "sni-only",
    }


def test_the_distribution_stands_everywhere_with_http3_ipv6_and_a_firewall(cdn: Recorded) -> None:
    distribution = cdn.one("Distribution").inputs

    assert distribution["priceClass"] == "PriceClass_All"
    assert distribution["httpVersion"] == "http2and3"
    assert distribution["isIpv6Enabled"] is True
    assert distribution["webAclId"].endswith("webacl/edge/1")


def test_every_behaviour_redirects_to_https_and_compresses(cdn: Recorded) -> None:
    distribution = cdn.one("Distribution").inputs
    behaviors = [distribution["defaultCacheBehavior"], *distribution["orderedCacheBehaviors"]]

    assert {each["viewerProtocolPolicy"] for each in behaviors} == {"redirect-to-https"}
    assert {each["compress"] for each in behaviors} == {True}
    # CloudFront's default quota.
    assert len(behaviors) <= 25


def origin(cdn: Recorded, origin_id: str) -> dict[str, Any]:
    (found,) = [each for each in cdn.one("Distribution").inputs["origins"] if each["originId"] == origin_id]
    return dict(found)


def test_the_api_is_reached_over_tls_with_the_secret_header(cdn: Recorded) -> None:
    api = origin(cdn, "api")
    connection = api["customOriginConfig"]

    assert api["domainName"] == "origin.example.com"
    assert connection["originProtocolPolicy"] == "https-only"
    assert connection["originSslProtocols"] == ["TLSv1.2"]
    assert api["customHeaders"] == [{"name": ORIGIN_HEADER, "value": "[secret]"}]


def test_cloudfront_closes_idle_connections_before_the_load_balancer_does(cdn: Recorded) -> None:
    assert origin(cdn, "api")["customOriginConfig"]["originKeepaliveTimeout"] < IDLE_TIMEOUT_SECONDS


def test_the_bucket_is_read_with_signed_requests_only(cdn: Recorded) -> None:
    control = cdn.one("OriginAccessControl").inputs

    assert origin(cdn, "assets")["domainName"] == "assets.s3.us-east-1.amazonaws.com"
    assert origin(cdn, "assets")["originAccessControlId"] == "[unknown]"
    assert (control["signingBehavior"], control["signingProtocol"]) == ("always", "sigv4")


@pytest.mark.parametrize("path", ["/api/v1/leads", "/api/v1/files/a.png", "/ws", "/ws/rooms", "/health"])
def test_what_must_never_be_cached_goes_to_the_api_whole(cdn: Recorded, path: str) -> None:
    found = behavior(cdn, path)

    assert found["targetOriginId"] == "api"
    assert found["cachePolicyId"] == managed(cdn, "uncached")
    assert found["originRequestPolicyId"] == managed(cdn, "everything")
    assert "POST" in found["allowedMethods"]


def managed(cdn: Recorded, which: str) -> str:
    """The id that looking up AWS's own policy gave: the same wherever it is used."""
    probes = {"uncached": ("/api/x", "cachePolicyId"), "everything": ("/api/x", "originRequestPolicyId")}
    path, property_ = probes[which]
    found: str = behavior(cdn, path)[property_]
    assert found != "[unknown]"
    return found


def test_an_allow_listed_path_is_read_only_and_anonymous(cdn: Recorded) -> None:
    found = behavior(cdn, "/api/v1/public/prices")

    assert found["targetOriginId"] == "api"
    assert found["allowedMethods"] == ["GET", "HEAD", "OPTIONS"]
    assert found["cachePolicyId"] == "[unknown]"


def test_anonymous_answers_are_kept_five_minutes_and_no_cookie_or_token_reaches_their_origin(cdn: Recorded) -> None:
    cache = cdn.inputs("cdn-anonymous", "CachePolicy")
    key = cache["parametersInCacheKeyAndForwardedToOrigin"]
    request = cdn.inputs("cdn-anonymous", "OriginRequestPolicy")
    forwarded = {*key["headersConfig"]["headers"]["items"], *request["headersConfig"]["headers"]["items"]}

    assert (cache["minTtl"], cache["defaultTtl"]) == (0, 300)
    assert cache["maxTtl"] >= 300 + 86_400
    assert key["cookiesConfig"]["cookieBehavior"] == request["cookiesConfig"]["cookieBehavior"] == "none"
    assert not {"authorization", "cookie"} & {header.lower() for header in forwarded}


def test_pages_are_kept_an_hour_and_no_visitor_gets_the_page_of_another(cdn: Recorded) -> None:
    cache = cdn.inputs("cdn-pages", "CachePolicy")
    key = cache["parametersInCacheKeyAndForwardedToOrigin"]

    assert behavior(cdn, "/pricing")["targetOriginId"] == "api"
    assert (cache["minTtl"], cache["defaultTtl"]) == (0, 3_600)
    assert key["cookiesConfig"]["cookieBehavior"] == "all"
    assert key["queryStringsConfig"]["queryStringBehavior"] == "all"


def test_hosts_do_not_share_cached_answers(cdn: Recorded) -> None:
    for name in ("cdn-pages", "cdn-anonymous"):
        key = cdn.inputs(name, "CachePolicy")["parametersInCacheKeyAndForwardedToOrigin"]
        assert "X-Forwarded-Host" in key["headersConfig"]["headers"]["items"]


ASSETS = [
    "/assets/app.1be87a.js",
    "/static/fonts/a.woff2",
    "/favicon.ico",
    *[f"/deep/file.{extension}" for extension in ("js", "css", "png", "jpg", "jpeg", "gif", "svg", "woff2")],
]


@pytest.mark.parametrize("path", ASSETS)
def test_assets_come_from_the_bucket_and_may_be_kept(cdn: Recorded, path: str) -> None:
    found = behavior(cdn, path)

    assert found["targetOriginId"] == "assets"
    assert [each["eventType"] for each in found["functionAssociations"]] == ["viewer-response"]


def test_cloudfront_keeps_an_asset_for_a_year_whatever_its_query(cdn: Recorded) -> None:
    cache = cdn.inputs("cdn-immutable", "CachePolicy")
    key = cache["parametersInCacheKeyAndForwardedToOrigin"]

    assert cache["minTtl"] == cache["defaultTtl"] == cache["maxTtl"] == YEAR
    assert key["queryStringsConfig"]["queryStringBehavior"] == "none"
    assert key["enableAcceptEncodingBrotli"] is key["enableAcceptEncodingGzip"] is True


def test_browsers_keep_an_asset_for_a_year_but_not_its_absence(cdn: Recorded) -> None:
    # CloudFront calls no viewer-response function for answers of 400 and more; a headers policy it applies to all.
    assert f"public, max-age={YEAR}, immutable" in cdn.inputs("cdn-immutable", "Function")["code"]
    for policy in cdn.of("ResponseHeadersPolicy"):
        headers = {each["header"].lower() for each in policy.inputs["customHeadersConfig"]["items"]}
        assert "cache-control" not in headers


def test_media_come_from_the_bucket(cdn: Recorded) -> None:
    assert behavior(cdn, "/media/intro.mp4")["targetOriginId"] == "assets"


@pytest.mark.parametrize("path", ["/", "/api/v1/leads", "/api/v1/public/prices", "/ws", "/health"])
def test_the_application_learns_which_host_was_asked(cdn: Recorded, path: str) -> None:
    code = cdn.inputs("cdn-host", "Function")["code"]

    assert [each["eventType"] for each in behavior(cdn, path)["functionAssociations"]] == ["viewer-request"]
    assert "request.headers['x-forwarded-host'] = { value: host }" in code


def test_the_files_host_serves_no_pages(cdn: Recorded) -> None:
    code = cdn.inputs("cdn-host", "Function")["code"]

    assert 'var hosts = ["example.com", "www.example.com", "api.example.com"];' in code
    assert "statusCode: 404" in code


@pytest.mark.parametrize("name", ["cdn-secure", "cdn-public"])
def test_every_answer_carries_the_security_headers(cdn: Recorded, name: str) -> None:
    policy = cdn.inputs(name, "ResponseHeadersPolicy")
    custom = {each["header"]: each["value"] for each in policy["customHeadersConfig"]["items"]}

    assert policy["securityHeadersConfig"] == {
        "contentTypeOptions": {"override": True},
        "frameOptions": {"frameOption": "DENY", "override": True},
        "referrerPolicy": {"referrerPolicy": "strict-origin-when-cross-origin", "override": True},
        "strictTransportSecurity": {
            "accessControlMaxAgeSec": YEAR,
            "includeSubdomains": True,
            "preload": True,
            "override": True,
        },
    }
    assert custom["Permissions-Policy"] == "geolocation=(), microphone=(), camera=()"


def test_the_content_security_policy_only_reports_for_now(cdn: Recorded) -> None:
    policy = cdn.inputs("cdn-secure", "ResponseHeadersPolicy")
    custom = {each["header"]: each["value"] for each in policy["customHeadersConfig"]["items"]}

    assert "default-src 'self'" in custom["Content-Security-Policy-Report-Only"]
    assert "contentSecurityPolicy" not in policy["securityHeadersConfig"]


def test_any_site_may_use_public_files_but_not_the_api(cdn: Recorded) -> None:
    assert cdn.inputs("cdn-public", "ResponseHeadersPolicy")["corsConfig"]["accessControlAllowOrigins"] == {
        "items": ["*"]
    }
    assert "corsConfig" not in cdn.inputs("cdn-secure", "ResponseHeadersPolicy")


def test_requests_are_logged_without_what_carries_tokens(cdn: Recorded) -> None:
    fields = cdn.one("LogDelivery").inputs["recordFields"]

    assert {"cs-uri-stem", "sc-status", "x-forwarded-for", "x-edge-result-type"} <= set(fields)
    assert not {"cs(Cookie)", "cs-uri-query", "cs(Referer)"} & set(fields)


def test_logs_go_to_the_logs_bucket_by_the_prefix_that_its_policy_names(cdn: Recorded) -> None:
    destination = cdn.one("LogDeliveryDestination").inputs

    assert destination["deliveryDestinationConfiguration"] == {"destinationResourceArn": "arn:aws:s3:::logs"}
    assert cdn.one("LogDeliverySource").inputs["logType"] == "ACCESS_LOGS"
    # A path of our own would be put behind AWSLogs/ by CloudFront, and differ for ever.
    assert "s3DeliveryConfigurations" not in cdn.one("LogDelivery").inputs


def test_failures_open_a_ticket_above_one_percent_and_page_above_five(cdn: Recorded, topics: AlarmTopics) -> None:
    found = {
        each.inputs["threshold"]: each.inputs
        for each in cdn.of("MetricAlarm")
        if each.inputs.get("metricName") == "5xxErrorRate"
    }

    assert found.keys() == {1, 5}
    assert found[1]["alarmActions"] == [topics.ticket_arn]
    assert found[5]["alarmActions"] == [topics.page_arn]
    for alarm in found.values():
        assert alarm["dimensions"] == {"DistributionId": "[unknown]", "Region": "Global"}
        assert alarm["region"] == "us-east-1"


def test_a_bad_hit_rate_opens_a_ticket_once_there_is_traffic_to_judge_it_by(cdn: Recorded, topics: AlarmTopics) -> None:
    alarm = cdn.inputs("cdn-cache-hit-rate", "MetricAlarm")
    metrics = {each["metric"]["metricName"] for each in alarm["metricQueries"] if "metric" in each}

    assert (alarm["threshold"], alarm["comparisonOperator"]) == (95, "LessThanThreshold")
    assert alarm["alarmActions"] == [topics.ticket_arn]
    assert metrics == {"CacheHitRate", "Requests"}
    # Without the subscription CloudFront publishes no hit rate.
    assert cdn.one("MonitoringSubscription").urn in cdn.named("cdn-cache-hit-rate").dependencies


def test_a_distribution_elsewhere_is_refused(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    elsewhere = replace(site, region="eu-west-1")

    with pytest.raises(ValueError, match="CloudFront must stand in us-east-1, not in eu-west-1"):
        recorded(lambda: Cdn("cdn", elsewhere, args(topics)))


@pytest.fixture
def grown(recorded: Record, site: Site, topics: AlarmTopics) -> Recorded:
    """With the resizer, and a second bucket of public files."""

    def build() -> Cdn:
        failover = "assets.s3.us-west-2.amazonaws.com"
        return Cdn("cdn", site, replace(args(topics), image_resizing=True, failover_assets_domain_name=failover))

    return recorded(build)


def test_a_resized_image_is_kept_by_size_quality_and_format_alone(grown: Recorded) -> None:
    images = behavior(grown, "/img/photo.jpg")
    policy = grown.inputs("cdn-images", "CachePolicy")
    key = policy["parametersInCacheKeyAndForwardedToOrigin"]

    assert images["targetOriginId"] == "api"
    assert images["allowedMethods"] == ["GET", "HEAD", "OPTIONS"]
    assert key["queryStringsConfig"] == {"queryStringBehavior": "whitelist", "queryStrings": {"items": ["w"]}}
    assert key["headersConfig"] == {"headerBehavior": "whitelist", "headers": {"items": ["Accept"]}}
    assert key["cookiesConfig"] == {"cookieBehavior": "none"}
    assert policy["defaultTtl"] == 30 * 86_400


def test_the_resizer_learns_nothing_that_is_not_in_the_key(grown: Recorded) -> None:
    assert "originRequestPolicyId" not in behavior(grown, "/img/photo.jpg")


def test_browsers_share_a_few_formats(grown: Recorded) -> None:
    code = grown.inputs("cdn-images", "Function")["code"]

    for name in ("image/avif", "image/webp"):
        assert name in code
    assert "headers.accept = { value: best }" in code


def test_public_files_come_from_the_other_region_when_s3_fails(grown: Recorded) -> None:
    (group,) = grown.one("Distribution").inputs["originGroups"]

    assert [member["originId"] for member in group["members"]] == ["assets", "assets-failover"]
    assert group["failoverCriteria"] == {"statusCodes": [500, 502, 503, 504]}
    assert origin(grown, "assets-failover")["domainName"] == "assets.s3.us-west-2.amazonaws.com"
    signed = {origin(grown, each).get("originAccessControlId") for each in ("assets", "assets-failover")}
    assert len(signed) == 1
    for path in ("/assets/app.js", "/static/app.css", "/media/film.mp4", "/favicon.ico"):
        assert behavior(grown, path)["targetOriginId"] == group["originId"]


def test_what_is_written_never_goes_to_the_failover_group(grown: Recorded) -> None:
    # CloudFront refuses a group for anything but reading.
    for each in grown.one("Distribution").inputs["orderedCacheBehaviors"]:
        assert each["targetOriginId"] == "api" or each["allowedMethods"] == ["GET", "HEAD", "OPTIONS"]


def test_growth_adds_to_the_edge_and_changes_no_policy_that_is_there(cdn: Recorded, grown: Recorded) -> None:
    before = {each.urn: each.inputs for each in cdn.resources if not each.type.endswith(":Distribution")}
    after = {each.urn: each.inputs for each in grown.resources}

    assert {urn: after[urn] for urn in before} == before
    assert "originGroups" not in cdn.one("Distribution").inputs
    assert behavior(cdn, "/img/photo.jpg")["targetOriginId"] == "assets"
