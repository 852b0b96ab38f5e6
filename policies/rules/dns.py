"""Names: records that lead somewhere, failover that notices, certificates that renew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.rule import Level, Rules, Severity
from policies.view import Resource, Stack, each

RULES = Rules()
RECORD = "aws:route53/record:Record"
CERTIFICATE = "aws:acm/certificate:Certificate"

ROUTING: Final = (
    "failoverRoutingPolicies",
    "geolocationRoutingPolicies",
    "geoproximityRoutingPolicy",
    "latencyRoutingPolicies",
    "weightedRoutingPolicies",
)
"""Ways to choose between records of one name."""
WEAK_KEYS: Final = ("RSA_1024",)


@RULES.between(
    RECORD,
    id="route53-alias-target",
    severity=Severity.HIGH,
    level=Level.ADVISORY,
    demands="What an alias leads to is the stack's own.",
    remedy="take the alias's name from the resource that it leads to, or take the record away",
    frameworks=("Checkov CKV2_AWS_23",),
)
def alias_target(one: Resource, stack: Stack) -> Iterator[str]:
    """Whoever gets the name of something that is gone gets our visitors."""
    if one.has("aliases") and not stack.behind(one, "aliases"):
        yield "it leads to nothing that the stack has"


@RULES.on(
    RECORD,
    id="route53-failover-checked",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="Records between which DNS chooses are left out when what they lead to fails.",
    remedy="set healthCheckId, or evaluateTargetHealth of the alias",
)
def failover_checked(one: Resource) -> Iterator[str]:
    """Without a check a region that fails keeps its share of the visitors."""
    if not any(one.has(policy) for policy in ROUTING) or one.has("healthCheckId"):
        return
    aliases = one.items("aliases")
    if not aliases or any(alias.get("evaluateTargetHealth") is not True for alias in aliases):
        yield "DNS answers with it even when it fails"


@RULES.on(
    CERTIFICATE,
    id="acm-dns-validation",
    severity=Severity.MEDIUM,
    level=Level.ADVISORY,
    demands="Certificates are proved by DNS, so that ACM renews them by itself.",
    remedy="set validationMethod to DNS and add the records that ACM asks for",
)
def dns_validation(one: Resource) -> Iterator[str]:
    """Mail has to be answered by hand each year. What is imported or of a private authority is not proved at all."""
    if one.has("certificateBody") or one.has("certificateAuthorityArn"):
        return
    if one.get("validationMethod") != "DNS":
        yield "it is not renewed by itself"


@RULES.on(
    CERTIFICATE,
    id="acm-no-wildcard",
    severity=Severity.MEDIUM,
    level=Level.ADVISORY,
    demands="A certificate names its hosts.",
    remedy="list the hosts in subjectAlternativeNames in place of a wildcard",
    frameworks=("Checkov CKV2_AWS_71",),
)
def no_wildcard(one: Resource) -> Iterator[str]:
    """Whoever has its key is every host there could be."""
    names = [*each(one, "domainName"), *each(one, "subjectAlternativeNames")]
    if any(str(name).startswith("*") for name in names):
        yield "it is good for any host of the domain"


@RULES.on(
    CERTIFICATE,
    id="acm-strong-key",
    severity=Severity.HIGH,
    level=Level.ADVISORY,
    demands="Keys of certificates are RSA of 2048 bits or more, or of an elliptic curve.",
    remedy="set keyAlgorithm to RSA_2048 or EC_prime256v1",
    frameworks=("FSBP ACM.2",),
)
def strong_key(one: Resource) -> Iterator[str]:
    """ACM's default is RSA of 2048 bits."""
    if one.get("keyAlgorithm") in WEAK_KEYS:
        yield "its key is weak"
