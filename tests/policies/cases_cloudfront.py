"""Rules about CloudFront."""

from __future__ import annotations

from policies.rules import cloudfront
from policies.rules.logs import ALARM
from tests.policies.cases import GONE, PREFIX, Case, made

NOBODYS = f"{PREFIX}nobodys"
OF_IT = f"{cloudfront.DISTRIBUTION}::cdn"
PROPS = {
    "defaultCacheBehavior": {
        "responseHeadersPolicyId": "headers",
        "targetOriginId": "api",
        "viewerProtocolPolicy": "redirect-to-https",
    },
    "orderedCacheBehaviors": [
        {"pathPattern": "/api/*", "responseHeadersPolicyId": "headers", "viewerProtocolPolicy": "https-only"}
    ],
    "originGroups": [{"originId": "group", "members": [{"originId": "assets"}, {"originId": "copy"}]}],
    "origins": [
        {
            "originId": "api",
            "customOriginConfig": {"originProtocolPolicy": "https-only", "originSslProtocols": ["TLSv1.2"]},
        },
        {"originId": "assets", "originAccessControlId": "control"},
        {"originId": "copy", "originAccessControlId": "control"},
    ],
    "viewerCertificate": {
        "acmCertificateArn": "arn",
        "minimumProtocolVersion": "TLSv1.2_2021",
        "sslSupportMethod": "sni-only",
    },
    "webAclId": "arn",
}
GOOD = [made(cloudfront.DISTRIBUTION, "cdn", PROPS)]
HSTS = {"securityHeadersConfig": {"strictTransportSecurity": {"accessControlMaxAgeSec": 31_536_000}}}

CASES = [
    Case(
        rule="cloudfront-viewer-https",
        good=GOOD,
        path="orderedCacheBehaviors.0.viewerProtocolPolicy",
        broken=["allow-all", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="cloudfront-tls-policy",
        good=GOOD,
        path="viewerCertificate.minimumProtocolVersion",
        broken=["TLSv1.2_2019", "TLSv1", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="cloudfront-own-certificate",
        good=GOOD,
        path="viewerCertificate.acmCertificateArn",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="cloudfront-origin-https",
        good=GOOD,
        path="origins.0.customOriginConfig.originProtocolPolicy",
        broken=["match-viewer", "http-only", GONE],
        absent="broken",
        unknown="undecided",
        shipped_path="origins.2.customOriginConfig.originSslProtocols",
        shipped_value=["TLSv1.1", "TLSv1.2"],
    ),
    Case(
        rule="cloudfront-web-acl",
        good=GOOD,
        path="webAclId",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
        also=frozenset({"alb-behind-web-acl"}),
    ),
    Case(
        rule="cloudfront-origin-access-control",
        good=GOOD,
        path="origins.1.originAccessControlId",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="cloudfront-signs-always",
        good=[made(cloudfront.ACCESS_CONTROL, "assets", {"signingBehavior": "always"})],
        path="signingBehavior",
        broken=["never", "no-override", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="cloudfront-access-logs",
        good=[
            *GOOD,
            made(cloudfront.DELIVERY_SOURCE, "access", sources={"resourceArn": [OF_IT]}),
            made(
                cloudfront.DELIVERY,
                "access",
                sources={"deliverySourceName": [f"{cloudfront.DELIVERY_SOURCE}::access"]},
            ),
        ],
        path="@urn",
        broken=[NOBODYS],
        absent="broken",
        unknown="fine",
        also=frozenset({"cloudfront-alarms"}),
    ),
    Case(
        rule="cloudfront-default-object",
        good=GOOD,
        path="defaultCacheBehavior.targetOriginId",
        broken=["assets", "group"],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="cloudfront-response-headers",
        good=GOOD,
        path="orderedCacheBehaviors.0.responseHeadersPolicyId",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="cloudfront-hsts",
        good=[made(cloudfront.RESPONSE_HEADERS, "secure", HSTS)],
        path="securityHeadersConfig.strictTransportSecurity.accessControlMaxAgeSec",
        broken=[86_400, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="cloudfront-alarms",
        good=[
            *GOOD,
            made(
                ALARM,
                "errors",
                {"alarmActions": ["arn"], "metricName": "5xxErrorRate"},
                sources={"dimensions": [OF_IT]},
            ),
        ],
        path="@urn",
        broken=[NOBODYS],
        absent="broken",
        unknown="fine",
        also=frozenset({"cloudfront-access-logs"}),
    ),
]
