"""What is still in the local cloud, asked of moto service by service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3


def leftovers(endpoint: str) -> list[str]:
    """Names of everything that a program could have made and that is there; moto's own defaults are left out."""

    def client(service: str, region: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    return [
        f"{service} in {region}: {name}"
        for region in ("us-east-1", "us-west-2", "eu-west-1")
        for service, look in LOOKS.items()
        for name in look(client(service, region))
    ]


def _ec2(client: Any) -> Iterator[str]:
    yield from (vpc["VpcId"] for vpc in client.describe_vpcs()["Vpcs"] if not vpc["IsDefault"])
    yield from (one["SubnetId"] for one in client.describe_subnets()["Subnets"] if not one["DefaultForAz"])
    yield from (one["AllocationId"] for one in client.describe_addresses()["Addresses"])
    yield from (
        one["NatGatewayId"] for one in client.describe_nat_gateways()["NatGateways"] if one["State"] != "deleted"
    )
    yield from (
        one["GroupId"] for one in client.describe_security_groups()["SecurityGroups"] if one["GroupName"] != "default"
    )
    yield from (one["FlowLogId"] for one in client.describe_flow_logs()["FlowLogs"])
    yield from (
        one["VpcPeeringConnectionId"]
        for one in client.describe_vpc_peering_connections()["VpcPeeringConnections"]
        if one["Status"]["Code"] != "deleted"
    )


def _iam(client: Any) -> Iterator[str]:
    yield from (role["RoleName"] for role in client.list_roles()["Roles"])


def _kms(client: Any) -> Iterator[str]:
    for key in client.list_keys()["Keys"]:
        described = client.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        if described["KeyManager"] == "CUSTOMER" and described["KeyState"] != "PendingDeletion":
            yield key["KeyId"]


def _listed(operation: str, key: str, name: str) -> Callable[[Any], Iterator[str]]:
    """Everything that one call lists."""

    def look(client: Any) -> Iterator[str]:
        for item in getattr(client, operation)().get(key, []):
            yield item if isinstance(item, str) else item[name]

    return look


def _backup(client: Any) -> Iterator[str]:
    yield from (one["BackupVaultName"] for one in client.list_backup_vaults()["BackupVaultList"])
    yield from (one["BackupPlanId"] for one in client.list_backup_plans()["BackupPlansList"])


def _cloudfront(client: Any) -> Iterator[str]:
    yield from (one["Id"] for one in client.list_distributions()["DistributionList"].get("Items", []))


def _wafv2(client: Any) -> Iterator[str]:
    yield from (one["Name"] for one in client.list_web_acls(Scope="CLOUDFRONT")["WebACLs"])
    yield from (one["Name"] for one in client.list_ip_sets(Scope="CLOUDFRONT")["IPSets"])


def _athena(client: Any) -> Iterator[str]:
    yield from (one["Name"] for one in client.list_work_groups()["WorkGroups"] if one["Name"] != "primary")


def _sesv2(client: Any) -> Iterator[str]:
    yield from (one["IdentityName"] for one in client.list_email_identities().get("EmailIdentities", []))
    yield from client.list_configuration_sets().get("ConfigurationSets", [])
    yield from client.list_dedicated_ip_pools().get("DedicatedIpPools", [])


def _budgets(client: Any) -> Iterator[str]:
    yield from (one["BudgetName"] for one in client.describe_budgets(AccountId="123456789012").get("Budgets", []))


def _apigatewayv2(client: Any) -> Iterator[str]:
    yield from (one["ApiId"] for one in client.get_apis()["Items"])
    yield from (one["VpcLinkId"] for one in client.get_vpc_links()["Items"])
    yield from (one["DomainName"] for one in client.get_domain_names()["Items"])


def _scaling(client: Any) -> Iterator[str]:
    targets = client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    yield from (one["ResourceId"] for one in targets)


LOOKS: dict[str, Callable[[Any], Iterator[str]]] = {
    "amp": _listed("list_workspaces", "workspaces", "workspaceId"),
    "apigatewayv2": _apigatewayv2,
    "application-autoscaling": _scaling,
    "acm": _listed("list_certificates", "CertificateSummaryList", "CertificateArn"),
    "athena": _athena,
    "backup": _backup,
    "budgets": _budgets,
    "cloudfront": _cloudfront,
    "cloudwatch": _listed("describe_alarms", "MetricAlarms", "AlarmName"),
    "cloudtrail": _listed("list_trails", "Trails", "Name"),
    "ec2": _ec2,
    "ecr": _listed("describe_repositories", "repositories", "repositoryName"),
    "eks": _listed("list_clusters", "clusters", ""),
    "elasticache": _listed("describe_replication_groups", "ReplicationGroups", "ReplicationGroupId"),
    "elbv2": _listed("describe_load_balancers", "LoadBalancers", "LoadBalancerName"),
    "events": _listed("list_rules", "Rules", "Name"),
    "fis": _listed("list_experiment_templates", "experimentTemplates", "id"),
    "firehose": _listed("list_delivery_streams", "DeliveryStreamNames", ""),
    "glue": _listed("get_databases", "DatabaseList", "Name"),
    "guardduty": _listed("list_detectors", "DetectorIds", ""),
    "iam": _iam,
    "kinesis": _listed("list_streams", "StreamNames", ""),
    "kms": _kms,
    "lambda": _listed("list_functions", "Functions", "FunctionName"),
    "logs": _listed("describe_log_groups", "logGroups", "logGroupName"),
    "opensearch": _listed("list_domain_names", "DomainNames", "DomainName"),
    "rds": _listed("describe_db_instances", "DBInstances", "DBInstanceIdentifier"),
    "route53": _listed("list_hosted_zones", "HostedZones", "Name"),
    "s3": _listed("list_buckets", "Buckets", "Name"),
    "secretsmanager": _listed("list_secrets", "SecretList", "Name"),
    "sesv2": _sesv2,
    "sns": _listed("list_topics", "Topics", "TopicArn"),
    "sqs": _listed("list_queues", "QueueUrls", ""),
    "wafv2": _wafv2,
}
