"""OpenSearch."""

from __future__ import annotations

from collections.abc import Mapping

from infra.local.aws.calls import call, change
from infra.local.aws.kind import Context, Kind, KindError, Values
from infra.local.aws.table import ApiKind


def _domain(_: Context, values: Values) -> Values:
    """Logs are a map by type; a domain in a VPC has a subnet in each of its zones, which moto does not count."""
    network, cluster = values.get("vpcOptions"), values.get("clusterConfig") or {}
    zones = (cluster.get("zoneAwarenessConfig") or {}).get("availabilityZoneCount", 2)
    wanted = zones if cluster.get("zoneAwarenessEnabled") else 1
    if network and len(network["subnetIds"]) != wanted:
        message = (
            f"domain {values['domainName']}: specify {wanted} subnet(s), one a zone, not {len(network['subnetIds'])}"
        )
        raise KindError(message)
    logs = values.get("logPublishingOptions")
    return {**values, "logPublishingOptions": logs and {each["logType"]: each for each in logs}}


KINDS: Mapping[str, Kind] = {
    "aws:opensearch/domain:Domain": ApiKind(
        service="opensearch",
        make=call("create_domain"),
        prepare=_domain,
        rename={
            "cloudwatchLogGroupArn": "CloudWatchLogsLogGroupArn",
            "encryptAtRest": "EncryptionAtRestOptions",
            "nodeToNodeEncryption": "NodeToNodeEncryptionOptions",
        },
        documents=("accessPolicies",),
        id="DomainStatus.ARN",
        find=call("describe_domain", DomainName="{domainName}"),
        at="DomainStatus",
        outputs={
            "arn": "ARN",
            "dashboardEndpoint": "join('', [Endpoints.vpc || Endpoint, '/_dashboards'])",
            "domainId": "DomainId",
            "endpoint": "Endpoints.vpc || Endpoint",
        },
        watched={
            "accessPolicies": "AccessPolicies",
            "clusterConfig": "ClusterConfig.{instanceCount: InstanceCount, instanceType: InstanceType}",
            "ebsOptions": "EBSOptions.{volumeSize: VolumeSize, volumeType: VolumeType}",
            "engineVersion": "EngineVersion",
        },
        # AWS answers with a blue/green deployment, moto at once; the domain stays the same.
        changes=(change("update_domain_config", DomainName="{domainName}"),),
        drop=call("delete_domain", DomainName="{domainName}"),
        named=("domainName", 28),
        tags="opensearch",
    ),
}
