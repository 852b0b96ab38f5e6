"""CloudFront: TLS on both sides, signed requests to buckets, a firewall, logs, and alarms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.rule import Level, Rules, Severity
from policies.rules.logs import watched
from policies.view import Resource, Stack, each

RULES = Rules()
DISTRIBUTION = "aws:cloudfront/distribution:Distribution"
ACCESS_CONTROL = "aws:cloudfront/originAccessControl:OriginAccessControl"
RESPONSE_HEADERS = "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy"
DELIVERY_SOURCE = "aws:cloudwatch/logDeliverySource:LogDeliverySource"
DELIVERY = "aws:cloudwatch/logDelivery:LogDelivery"

MODERN: Final = ("TLSv1.2_2021", "TLSv1.2_2025", "TLSv1.3_2025")
"""Security policies without weak ciphers, as the CDK lists them.

https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.aws_cloudfront.SecurityPolicyProtocol.html
"""
YEAR_SECONDS: Final = 31_536_000


def _behaviours(one: Resource) -> list[Resource]:
    return [*one.items("defaultCacheBehavior"), *one.items("orderedCacheBehaviors")]


def _buckets(one: Resource) -> list[Resource]:
    """Origins that are buckets: neither somebody's server nor something inside a VPC."""
    return [
        origin
        for origin in one.items("origins")
        if not origin.has("customOriginConfig") and not origin.has("vpcOriginConfig")
    ]


@RULES.on(
    DISTRIBUTION,
    id="cloudfront-viewer-https",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every behaviour of a distribution speaks HTTPS only, or redirects to it.",
    remedy="set viewerProtocolPolicy to redirect-to-https or https-only in all behaviours",
    frameworks=("FSBP CloudFront.3", "Checkov CKV_AWS_34"),
)
def viewer_https(one: Resource) -> Iterator[str]:
    """The default behaviour and each path's."""
    allowed = ("https-only", "redirect-to-https")
    if any(behaviour.get("viewerProtocolPolicy") not in allowed for behaviour in _behaviours(one)):
        yield "a behaviour answers without TLS"


@RULES.on(
    DISTRIBUTION,
    id="cloudfront-tls-policy",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Viewers need TLS 1.2 or later, without weak ciphers.",
    remedy="set viewerCertificate.minimumProtocolVersion to TLSv1.2_2021 or later",
    frameworks=("Checkov CKV_AWS_174", "cdk-nag AwsSolutions-CFR4"),
)
def tls_policy(one: Resource) -> Iterator[str]:
    """With CloudFront's own certificate the policy is TLSv1, whatever is asked for."""
    if one.get("viewerCertificate.minimumProtocolVersion") not in MODERN:
        yield "it takes TLS before 1.2, or weak ciphers"


@RULES.on(
    DISTRIBUTION,
    id="cloudfront-own-certificate",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="A distribution has a certificate of its own names, told apart by SNI.",
    remedy="set viewerCertificate.acmCertificateArn, and sslSupportMethod to sni-only",
    frameworks=("FSBP CloudFront.7", "FSBP CloudFront.8", "Checkov CKV2_AWS_42"),
)
def own_certificate(one: Resource) -> Iterator[str]:
    """Addresses of its own, the other method, cost 600 USD a month (https://aws.amazon.com/cloudfront/pricing/)."""
    if not one.has("viewerCertificate.acmCertificateArn"):
        yield "it has CloudFront's certificate"
    elif one.get("viewerCertificate.sslSupportMethod") != "sni-only":
        yield "it does not tell names apart by SNI"


@RULES.on(
    DISTRIBUTION,
    id="cloudfront-origin-https",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="CloudFront asks servers over HTTPS only, with TLS 1.2 or later.",
    remedy="set originProtocolPolicy to https-only and originSslProtocols to TLSv1.2",
    frameworks=(
        "FSBP CloudFront.9",
        "FSBP CloudFront.10",
        "Checkov CKV2_AWS_54",
        "Checkov CKV2_AWS_72",
        "cdk-nag AwsSolutions-CFR5",
    ),
)
def origin_https(one: Resource) -> Iterator[str]:
    """Buckets have no such setting: CloudFront asks them as it was asked."""
    servers = [server for origin in one.items("origins") for server in origin.items("customOriginConfig")]
    if any(server.get("originProtocolPolicy") != "https-only" for server in servers):
        yield "a server is asked without TLS"
    elif any(
        protocol not in ("TLSv1.2", "TLSv1.3") for server in servers for protocol in each(server, "originSslProtocols")
    ):
        yield "a server is asked with TLS before 1.2"


@RULES.on(
    DISTRIBUTION,
    id="cloudfront-web-acl",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="A firewall stands in front of every distribution.",
    remedy="set webAclId to a web ACL of scope CLOUDFRONT",
    frameworks=("FSBP CloudFront.6", "Checkov CKV_AWS_68", "cdk-nag AwsSolutions-CFR2"),
)
def web_acl(one: Resource) -> Iterator[str]:
    """What is in the web ACL is judged there."""
    if not one.has("webAclId"):
        yield "no web ACL stands in front of it"


@RULES.on(
    DISTRIBUTION,
    id="cloudfront-origin-access-control",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="CloudFront signs its requests to buckets, so that the buckets need not be public.",
    remedy="set originAccessControlId of every origin that is a bucket",
    frameworks=("FSBP CloudFront.13", "Checkov CKV2_AWS_46", "cdk-nag AwsSolutions-CFR7"),
)
def origin_access_control(one: Resource) -> Iterator[str]:
    """Origin access identities, which came before, know neither KMS nor newer regions."""
    if any(not origin.has("originAccessControlId") for origin in _buckets(one)):
        yield "it does not sign its requests to a bucket"


@RULES.on(
    ACCESS_CONTROL,
    id="cloudfront-signs-always",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="An origin access control signs every request.",
    remedy="set signingBehavior to always and signingProtocol to sigv4",
    frameworks=("FSBP CloudFront.13",),
)
def signs_always(one: Resource) -> Iterator[str]:
    """`no-override` lets a viewer's own header through."""
    if one.get("signingBehavior") != "always":
        yield "it does not sign every request"


@RULES.between(
    DISTRIBUTION,
    id="cloudfront-access-logs",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="A distribution writes down every request.",
    remedy="add a cloudwatch.LogDeliverySource for the distribution and a LogDelivery from it, or loggingConfig",
    frameworks=("FSBP CloudFront.5", "Checkov CKV_AWS_86", "cdk-nag AwsSolutions-CFR3"),
)
def access_logs(one: Resource, stack: Stack) -> Iterator[str]:
    """Standard logging, of either version."""
    sources = stack.users(one, DELIVERY_SOURCE, of=("resourceArn",))
    delivered = any(stack.users(source, DELIVERY, of=("deliverySourceName",)) for source in sources)
    if not delivered and not one.has("loggingConfig.bucket"):
        yield "nobody sees later who asked what"


@RULES.on(
    DISTRIBUTION,
    id="cloudfront-default-object",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Where a bucket answers for the root of a distribution, a page is named for it.",
    remedy="set defaultRootObject, or send the default behaviour to a server",
    frameworks=("FSBP CloudFront.1", "Checkov CKV_AWS_305"),
)
def default_object(one: Resource) -> Iterator[str]:
    """A bucket asked for `/` lists what is in it. Servers, as ours is, have a page of their own there."""
    buckets = [origin.get("originId") for origin in _buckets(one)]
    for group in one.items("originGroups"):
        if any(member.get("originId") in buckets for member in group.items("members")):
            buckets.append(group.get("originId"))
    target = one.get("defaultCacheBehavior.targetOriginId")
    if target is not None and target in buckets and not one.has("defaultRootObject"):
        yield "its root lists a bucket"


@RULES.on(
    DISTRIBUTION,
    id="cloudfront-response-headers",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    demands="Every behaviour of a distribution adds security headers.",
    remedy="set responseHeadersPolicyId in all behaviours",
    frameworks=("Checkov CKV2_AWS_32",),
)
def response_headers(one: Resource) -> Iterator[str]:
    """Which ones, the policy says."""
    if any(not behaviour.has("responseHeadersPolicyId") for behaviour in _behaviours(one)):
        yield "a behaviour adds no security headers"


@RULES.on(
    RESPONSE_HEADERS,
    id="cloudfront-hsts",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    demands="Browsers are told to come by HTTPS only, for at least a year.",
    remedy="set securityHeadersConfig.strictTransportSecurity.accessControlMaxAgeSec to 31536000 or more",
    frameworks=("Checkov CKV_AWS_259",),
)
def hsts(one: Resource) -> Iterator[str]:
    """A year is what browsers' preload lists ask for (https://hstspreload.org)."""
    seconds = one.get("securityHeadersConfig.strictTransportSecurity.accessControlMaxAgeSec")
    if not isinstance(seconds, int | float) or seconds < YEAR_SECONDS:
        yield "browsers may come without TLS again"


@RULES.between(
    DISTRIBUTION,
    id="cloudfront-alarms",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="Somebody hears of a distribution's 5xx.",
    remedy="add an alarm on its 5xxErrorRate",
)
def alarms(one: Resource, stack: Stack) -> Iterator[str]:
    """By way of its monitoring subscription too: an alarm may take the distribution's id from there."""
    subscriptions = stack.users(one, "aws:cloudfront/monitoringSubscription:MonitoringSubscription")
    if not any("5xxErrorRate" in watched(source, stack) for source in (one, *subscriptions)):
        yield "no alarm is on its 5xxErrorRate"
