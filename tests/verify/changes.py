"""One wrong thing at a time: each change gives the way back, and says what has to be found."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from stacks.phase_10k import EFFICIENT
from tests.verify.account import Account
from tests.verify.account_buckets import tls_policy
from tests.verify.account_edge import REGION, change_record

Undo = Callable[[], object]
DATABASE = "headroom-10k-us-east-1-db-0"
LIBRARIES = "pg_stat_statements,pg_cron"


def _database(**changes: Any) -> Callable[[Account], Undo]:
    def change(account: Account) -> Undo:
        rds = account.client("rds")
        before = rds.describe_db_instances(DBInstanceIdentifier=DATABASE)["DBInstances"][0]

        def modify(values: Mapping[str, Any]) -> None:
            rds.modify_db_instance(DBInstanceIdentifier=DATABASE, ApplyImmediately=True, **values)

        modify(changes)
        return lambda: modify({key: before[key] for key in changes})

    return change


def _parameter(name: str, wrong: str, right: str) -> Callable[[Account], Undo]:
    def change(account: Account) -> Undo:
        account.home.set_parameters({name: wrong})
        return lambda: account.home.set_parameters({name: right})

    return change


def _cache(**changes: Any) -> Callable[[Account], Undo]:
    def change(account: Account) -> Undo:
        client = account.client("elasticache")
        group = account.home.outputs["stateGroupId"]
        right = {"CacheNodeType": EFFICIENT.state.node_type, "AutomaticFailoverEnabled": True, "MultiAZEnabled": True}
        client.modify_replication_group(ReplicationGroupId=group, ApplyImmediately=True, **changes)
        return lambda: client.modify_replication_group(
            ReplicationGroupId=group, ApplyImmediately=True, **{key: right[key] for key in changes}
        )

    return change


def _public_subnet(account: Account) -> Undo:
    ec2, subnet = account.client("ec2"), account.home.subnets["data"][0]
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    return lambda: ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": False})


def _data_with_internet(account: Account) -> Undo:
    ec2, table = account.client("ec2"), account.home.route_tables["data"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=account.home.nat)
    return lambda: ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")


def _second_nat_gateway(account: Account) -> Undo:
    ec2 = account.client("ec2")
    created = ec2.create_nat_gateway(SubnetId=account.home.subnets["public"][1], ConnectivityType="private")
    return lambda: ec2.delete_nat_gateway(NatGatewayId=created["NatGateway"]["NatGatewayId"])


def _load_balancer_unprotected(account: Account) -> Undo:
    def set_to(value: str) -> None:
        account.client("elbv2").modify_load_balancer_attributes(
            LoadBalancerArn=account.home.outputs["loadBalancerArn"],
            Attributes=[{"Key": "deletion_protection.enabled", "Value": value}],
        )

    set_to("false")
    return lambda: set_to("true")


def _plain_listener(account: Account) -> Undo:
    elb = account.client("elbv2")
    listener = elb.create_listener(
        LoadBalancerArn=account.home.outputs["loadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "403"}}],
    )["Listeners"][0]["ListenerArn"]
    return lambda: elb.delete_listener(ListenerArn=listener)


def _mutable_tags(account: Account) -> Undo:
    ecr = account.client("ecr")
    ecr.put_image_tag_mutability(repositoryName="headroom-10k", imageTagMutability="MUTABLE")
    return lambda: ecr.put_image_tag_mutability(repositoryName="headroom-10k", imageTagMutability="IMMUTABLE")


def _bucket_opened(account: Account) -> Undo:
    s3, name = account.client("s3"), account.home.outputs["uploadsBucket"]
    blocks = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration={**blocks, "BlockPublicPolicy": False})
    return lambda: s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=blocks)


def _bucket_without_block(account: Account) -> Undo:
    s3, name = account.client("s3"), account.home.outputs["logsBucket"]
    blocks = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    s3.delete_public_access_block(Bucket=name)
    return lambda: s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=blocks)


def _uploads_without_our_key(account: Account) -> Undo:
    s3, name = account.client("s3"), account.home.outputs["uploadsBucket"]

    def set_to(encryption: dict[str, str]) -> None:
        rules = [{"ApplyServerSideEncryptionByDefault": encryption}]
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})

    set_to({"SSEAlgorithm": "AES256"})
    return lambda: set_to({"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": account.home.key})


def _versions_suspended(account: Account) -> Undo:
    s3, name = account.client("s3"), account.home.outputs["assetsBucket"]
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})
    return lambda: s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


def _plain_http_allowed(account: Account) -> Undo:
    s3, name = account.client("s3"), account.home.outputs["uploadsBucket"]
    s3.put_bucket_policy(Bucket=name, Policy=tls_policy(name, effect="Allow"))
    return lambda: s3.put_bucket_policy(Bucket=name, Policy=tls_policy(name))


def _distribution(path: tuple[str, ...], value: object) -> Callable[[Account], Undo]:
    def change(account: Account) -> Undo:
        cloudfront, distribution = account.client("cloudfront"), account.outputs["distributionId"]

        def update(config: dict[str, Any]) -> None:
            tag = cloudfront.get_distribution(Id=distribution)["ETag"]
            cloudfront.update_distribution(Id=distribution, IfMatch=tag, DistributionConfig=config)

        config = copy.deepcopy(account.distribution_config)
        inner = config
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        update(config)
        return lambda: update(account.distribution_config)

    return change


def _web_acl_without(kind: str) -> Callable[[Account], Undo]:
    def change(account: Account) -> Undo:
        waf, summary = account.client("wafv2"), account.web_acl
        target = {"Name": summary["Name"], "Id": summary["Id"], "Scope": "CLOUDFRONT"}
        before = waf.get_web_acl(**target)["WebACL"]

        def update(rules: list[Any]) -> None:
            waf.update_web_acl(
                **target,
                LockToken=waf.get_web_acl(**target)["LockToken"],
                DefaultAction=before["DefaultAction"],
                Rules=rules,
                VisibilityConfig=before["VisibilityConfig"],
            )

        update([rule for rule in before["Rules"] if kind not in rule["Statement"]])
        return lambda: update(before["Rules"])

    return change


def _record_without_health_check(account: Account) -> Undo:
    change_record(account, REGION)
    return lambda: change_record(account, REGION, HealthCheckId=account.health_checks[REGION])


def _health_check_off(account: Account) -> Undo:
    route53 = account.client("route53")
    route53.update_health_check(HealthCheckId=account.health_checks[REGION], Disabled=True)
    return lambda: route53.update_health_check(HealthCheckId=account.health_checks[REGION], Disabled=False)


def _queue(attribute: str, wrong: str) -> Callable[[Account], Undo]:
    def change(account: Account) -> Undo:
        sqs, url = account.client("sqs"), account.home.outputs["queueUrls"]["email"]
        right = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[attribute])["Attributes"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={attribute: wrong})
        return lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes=right)

    return change


def _nobody_paged(account: Account) -> Undo:
    sns, topic = account.client("sns"), account.home.outputs["pageTopicArn"]
    for subscription in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    return lambda: sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="oncall@example.com")


def _rotation_off(account: Account) -> Undo:
    kms = account.client("kms")
    kms.disable_key_rotation(KeyId=account.home.key)
    return lambda: kms.enable_key_rotation(KeyId=account.home.key)


def _key_disabled(account: Account) -> Undo:
    kms, key_id = account.client("kms"), account.home.key.rpartition("/")[2]
    kms.disable_key(KeyId=key_id)
    return lambda: kms.enable_key(KeyId=key_id)


def _secret_deleted(account: Account) -> Undo:
    client, arn = account.client("secretsmanager"), account.home.outputs["secretArns"]["signing"]
    client.delete_secret(SecretId=arn, RecoveryWindowInDays=7)
    return lambda: client.restore_secret(SecretId=arn)


def _logs_kept_for_ever(account: Account) -> Undo:
    logs = account.client("logs")
    logs.delete_retention_policy(logGroupName="/headroom-10k/debug")
    return lambda: logs.put_retention_policy(logGroupName="/headroom-10k/debug", retentionInDays=7)


def _alarm_deleted(account: Account) -> Undo:
    account.client("cloudwatch").delete_alarms(AlarmNames=["headroom-10k-cpu"])
    return lambda: account.home.put_alarm("headroom-10k-cpu", [account.home.outputs["pageTopicArn"]])


def _alarm_silent(account: Account) -> Undo:
    account.home.put_alarm("headroom-10k-storage", [])
    return lambda: account.home.put_alarm("headroom-10k-storage", [account.home.outputs["pageTopicArn"]])


def _dashboard_deleted(account: Account) -> Undo:
    cloudwatch = account.client("cloudwatch")
    cloudwatch.delete_dashboards(DashboardNames=["headroom-10k"])
    body = json.dumps({"widgets": []})
    return lambda: cloudwatch.put_dashboard(DashboardName="headroom-10k", DashboardBody=body)


CHANGES: tuple[tuple[Callable[[Account], Undo], str, str, str], ...] = (
    (_database(DBInstanceClass="db.t4g.small"), DATABASE, "class", "db.t4g.small"),
    (_database(MultiAZ=False), DATABASE, "standby in another zone", "no"),
    (_database(BackupRetentionPeriod=7), DATABASE, "backups kept", "7 days"),
    (_database(DeletionProtection=False), DATABASE, "deletion protection", "no"),
    (_database(PubliclyAccessible=True), DATABASE, "reachable from the internet", "yes"),
    (_database(MaxAllocatedStorage=40), DATABASE, "storage may grow to", "40 GiB"),
    (_parameter("rds.force_ssl", "0", "1"), "headroom-10k-postgres17", "rds.force_ssl", "0"),
    (
        _parameter("shared_preload_libraries", "pg_stat_statements", LIBRARIES),
        "headroom-10k-postgres17",
        "shared_preload_libraries",
        "pg_stat_statements",
    ),
    (_cache(CacheNodeType="cache.t4g.medium"), "headroom-10k-state", "node type", "cache.t4g.medium"),
    (_cache(AutomaticFailoverEnabled=False), "headroom-10k-state", "automatic failover", "disabled"),
    (_cache(MultiAZEnabled=False), "headroom-10k-state", "nodes in several zones", "disabled"),
    (_public_subnet, "vpc-", "subnets that hand out public addresses", "subnet-"),
    (_data_with_internet, "vpc-", "data subnets", "0"),
    (_second_nat_gateway, "vpc-", "NAT gateways", "2"),
    (_load_balancer_unprotected, "headroom-10k", "deletion protection", "false"),
    (_plain_listener, "headroom-10k", "listeners", "HTTP:80"),
    (_mutable_tags, "headroom-10k", "tags", "MUTABLE"),
    (_bucket_opened, "headroom-10k-uploads", "public access blocked", "BlockPublicAcls"),
    (
        _bucket_without_block,
        "headroom-10k-logs",
        "exists (GetPublicAccessBlock)",
        "no: NoSuchPublicAccessBlockConfiguration",
    ),
    (_uploads_without_our_key, "headroom-10k-uploads", "encrypted with the stack's key", "None"),
    (_versions_suspended, "headroom-10k-assets", "versioning", "Suspended"),
    (_plain_http_allowed, "headroom-10k-uploads", "access without TLS refused", "no"),
    (_distribution(("Enabled",), value=False), "", "enabled", "no"),
    (_distribution(("WebACLId",), ""), "", "web ACL", "nothing"),
    (_distribution(("Aliases",), {"Quantity": 0}), "", "answers for", "nothing"),
    (_distribution(("ViewerCertificate", "MinimumProtocolVersion"), "TLSv1"), "", "oldest TLS", "TLSv1"),
    (
        _distribution(("DefaultCacheBehavior", "ViewerProtocolPolicy"), "allow-all"),
        "",
        "paths answered without TLS",
        "*",
    ),
    (_web_acl_without("RateBasedStatement"), "headroom-10k", "rate limits", "nothing"),
    (
        _web_acl_without("NotStatement"),
        "headroom-10k",
        "blocks whoever goes round Cloudflare",
        "nothing",
    ),
    (_web_acl_without("ManagedRuleGroupStatement"), "headroom-10k", "managed rules", "nothing"),
    (_record_without_health_check, "zone ", f"health check of {REGION}", "nothing"),
    (_health_check_off, "zone ", f"health check of {REGION} is", "off"),
    (_queue("RedrivePolicy", ""), "queue email", "failed messages go to", "nothing"),
    (_queue("KmsMasterKeyId", "alias/aws/sqs"), "queue email", "encrypted with the stack's key", "alias/aws/sqs"),
    (_nobody_paged, "topic headroom-10k-page", "subscribers", "0"),
    (_rotation_off, "data", "rotated each year", "no"),
    (_key_disabled, "data", "state", "Disabled"),
    (_secret_deleted, "signing", "marked for deletion", "yes"),
    (_logs_kept_for_ever, "log group /headroom-10k/debug", "kept", "all days"),
    (_alarm_deleted, "alarms in us-east-1", "missing", "headroom-10k-cpu"),
    (_alarm_silent, "alarms in us-east-1", "that tell nobody", "headroom-10k-storage"),
    (_dashboard_deleted, "dashboard headroom-10k", "exists (GetDashboard)", "no: ResourceNotFound"),
)
"""The change; then object, fact and value of the difference."""
