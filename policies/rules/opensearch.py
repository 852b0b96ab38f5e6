"""Search: encrypted, private, over three zones, and logged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.related import watched
from policies.rule import Level, Rules, Severity
from policies.view import Resource, Stack

RULES = Rules()
DOMAIN = "aws:opensearch/domain:Domain"

TLS_POLICY: Final = "Policy-Min-TLS-1-2-PFS-2023-10"
ZONES: Final = 3
LOGS: Final = ("AUDIT_LOGS", "ES_APPLICATION_LOGS", "INDEX_SLOW_LOGS", "SEARCH_SLOW_LOGS")
METRICS: Final = ("ClusterStatus.red", "FreeStorageSpace", "JVMMemoryPressure")
"""Data is missing, or soon will be."""


@RULES.on(
    DOMAIN,
    id="opensearch-encrypted-at-rest",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every search domain is encrypted at rest.",
    remedy="set encryptAtRest.enabled to true and encryptAtRest.kmsKeyId to a key",
    frameworks=("FSBP OpenSearch.1", "Checkov CKV_AWS_5", "cdk-nag AwsSolutions-OS8"),
)
def encrypted_at_rest(one: Resource) -> Iterator[str]:
    """An index holds what its documents hold."""
    if one.get("encryptAtRest.enabled") is not True:
        yield "it is not encrypted at rest"
    elif not one.has("encryptAtRest.kmsKeyId"):
        yield "it is encrypted with the service's key"


@RULES.on(
    DOMAIN,
    id="opensearch-nodes-encrypted",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="The nodes of every search domain talk to each other encrypted.",
    remedy="set nodeToNodeEncryption.enabled to true",
    frameworks=("FSBP OpenSearch.3", "Checkov CKV_AWS_6", "cdk-nag AwsSolutions-OS2"),
)
def nodes_encrypted(one: Resource) -> Iterator[str]:
    """Fine-grained access control wants it too."""
    if one.get("nodeToNodeEncryption.enabled") is not True:
        yield "its nodes talk to each other in the clear"


@RULES.on(
    DOMAIN,
    id="opensearch-tls",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every search domain takes TLS 1.2 or newer only, with forward secrecy.",
    remedy=f"set domainEndpointOptions.enforceHttps to true and tlsSecurityPolicy to {TLS_POLICY}",
    frameworks=("FSBP OpenSearch.8", "Checkov CKV_AWS_83", "Checkov CKV_AWS_228"),
)
def tls(one: Resource) -> Iterator[str]:
    """Without the second input AWS chooses, and may take older versions."""
    if one.get("domainEndpointOptions.enforceHttps") is not True:
        yield "it takes plain HTTP"
    elif one.get("domainEndpointOptions.tlsSecurityPolicy") != TLS_POLICY:
        yield "it takes old versions of TLS"


@RULES.on(
    DOMAIN,
    id="opensearch-private",
    severity=Severity.CRITICAL,
    level=Level.MANDATORY,
    demands="Every search domain stands in a VPC.",
    remedy="set vpcOptions.subnetIds; it is fixed at creation",
    frameworks=("FSBP OpenSearch.2", "Checkov CKV_AWS_137", "cdk-nag AwsSolutions-OS1"),
)
def private(one: Resource) -> Iterator[str]:
    """Without subnets it has a public address."""
    if not one.has("vpcOptions.subnetIds"):
        yield "it has a public address"


@RULES.on(
    DOMAIN,
    id="opensearch-access-control",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every search domain asks each request whose it is.",
    remedy="set advancedSecurityOptions.enabled to true, with a role as masterUserArn",
    frameworks=("FSBP OpenSearch.7", "Checkov CKV2_AWS_52"),
)
def access_control(one: Resource) -> Iterator[str]:
    """It cannot be switched off once it is on."""
    if one.get("advancedSecurityOptions.enabled") is not True:
        yield "whoever reaches it may read any index"


@RULES.on(
    DOMAIN,
    id="opensearch-three-zones",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands=f"Every search domain has {ZONES} nodes or more, over {ZONES} zones.",
    remedy=f"set clusterConfig.instanceCount and zoneAwarenessConfig.availabilityZoneCount to {ZONES}",
    frameworks=("FSBP OpenSearch.6", "cdk-nag AwsSolutions-OS7"),
)
def three_zones(one: Resource) -> Iterator[str]:
    """Dedicated masters are not asked for: three nodes in three zones elect one among them."""
    config = "clusterConfig"
    if one.number(f"{config}.instanceCount") < ZONES:
        yield f"it has fewer than {ZONES} nodes"
    elif one.get(f"{config}.zoneAwarenessEnabled") is not True:
        yield "its nodes may all stand in one zone"
    elif one.number(f"{config}.zoneAwarenessConfig.availabilityZoneCount") < ZONES:
        yield f"its nodes stand in fewer than {ZONES} zones"


@RULES.on(
    DOMAIN,
    id="opensearch-logged",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    demands="Every search domain logs errors, slow requests and who did what.",
    remedy=f"publish {', '.join(LOGS)} in logPublishingOptions",
    frameworks=("FSBP OpenSearch.4", "FSBP OpenSearch.5", "Checkov CKV_AWS_84", "Checkov CKV_AWS_317"),
)
def logged(one: Resource) -> Iterator[str]:
    """Published unless `enabled` says otherwise."""
    options = one.items("logPublishingOptions")
    published = {str(it.get("logType")) for it in options if it.get("enabled", default=True) is True}
    if missing := [log for log in LOGS if log not in published]:
        yield f"logs that are not published: {', '.join(missing)}"


@RULES.between(
    DOMAIN,
    id="opensearch-alarms",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Alarms watch health, storage and memory of every search domain.",
    remedy="create a MetricAlarm in the domain's region for each metric with the dimension DomainName",
)
def alarms(one: Resource, stack: Stack) -> Iterator[str]:
    """An alarm that is on another domain's metric, or in another region, is silent for ever."""
    found = {metric for metric, _ in watched(one, "domainName", stack, "DomainName")}
    if missing := [metric for metric in METRICS if metric not in found]:
        yield f"no alarm watches {', '.join(missing)}"
