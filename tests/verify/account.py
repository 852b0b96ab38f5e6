"""An account that holds what phase 10k promises, made with boto3 alone, without the program that is verified."""

from __future__ import annotations

import json
from typing import Any

from infra.verify.facts import Clients
from stacks.phase import Phase
from tests.verify.account_edge import DOMAIN, REGION, build_edge


class Account:
    """Makes every object that `verify` looks at; `outputs` is what the stack would export."""

    OUTPUTS = (
        "vpcId",
        "databaseIdentifier",
        "databaseParameterGroup",
        "cacheGroupId",
        "stateGroupId",
        "clusterName",
        "loadBalancerArn",
        "repositoryUrl",
        "assetsBucket",
        "uploadsBucket",
        "exportsBucket",
        "logsBucket",
        "distributionId",
        "webAclArn",
        "zoneId",
        "queueUrls",
        "deadLetterUrls",
        "pageTopicArn",
        "ticketTopicArn",
        "keyArns",
        "secretArns",
        "logGroups",
        "alarmNames",
        "dashboardName",
        "backupVault",
        "backupPlanId",
        "budgetName",
    )
    """What verification starts from."""

    def __init__(self, endpoint: str, phase: Phase) -> None:
        """Make everything."""
        self.endpoint = endpoint
        self.clients = Clients(endpoint)
        self.phase = phase
        self.web_acl: dict[str, Any] = {}
        self.distribution_config: dict[str, Any] = {}
        self.outputs: dict[str, Any] = {"stack": "10k", "phase": "10k", "homeRegion": REGION, "domain": DOMAIN}
        self._keys()
        self._topics()
        self._network()
        self._buckets()
        self._database()
        self._caches()
        self._cluster()
        build_edge(self)
        self._zone()
        self._queues()
        self._secrets()
        self._operations()

    def client(self, service: str) -> Any:
        return self.clients.get(service, REGION)

    def _keys(self) -> None:
        kms = self.client("kms")
        arns = {}
        for name in ("data", "operations"):
            key = kms.create_key(MultiRegion=True)["KeyMetadata"]
            kms.enable_key_rotation(KeyId=key["KeyId"])
            arns[name] = key["Arn"]
        self.outputs["keyArns"] = arns

    @property
    def key(self) -> str:
        return str(self.outputs["keyArns"]["data"])

    def _topics(self) -> None:
        sns = self.client("sns")
        for severity in ("page", "ticket"):
            arn = sns.create_topic(Name=f"headroom-10k-{severity}", Attributes={"KmsMasterKeyId": self.key})["TopicArn"]
            sns.subscribe(TopicArn=arn, Protocol="email", Endpoint="oncall@example.com")
            self.outputs[f"{severity}TopicArn"] = arn

    def _network(self) -> None:
        ec2, logs = self.client("ec2"), self.client("logs")
        vpc = ec2.create_vpc(CidrBlock="10.64.0.0/16")["Vpc"]["VpcId"]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        self.subnets: dict[str, list[str]] = {}
        self.route_tables: dict[str, str] = {}
        for tier_index, tier in enumerate(("public", "private", "data")):
            table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
            self.route_tables[tier] = table
            self.subnets[tier] = []
            for zone_index, zone in enumerate("abc"):
                subnet = ec2.create_subnet(
                    VpcId=vpc,
                    CidrBlock=f"10.64.{16 * (3 * tier_index + zone_index)}.0/20",
                    AvailabilityZone=f"{REGION}{zone}",
                )["Subnet"]["SubnetId"]
                ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
                self.subnets[tier].append(subnet)
        address = ec2.allocate_address(Domain="vpc")["AllocationId"]
        nat = ec2.create_nat_gateway(SubnetId=self.subnets["public"][0], AllocationId=address)["NatGateway"]
        routes = {"public": {"GatewayId": gateway}, "private": {"NatGatewayId": nat["NatGatewayId"]}}
        for tier, target in routes.items():
            ec2.create_route(RouteTableId=self.route_tables[tier], DestinationCidrBlock="0.0.0.0/0", **target)
        for service in ("s3", "dynamodb"):
            ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.{service}")
        logs.create_log_group(logGroupName="/flow")
        role = self._role("vpc-flow-logs.amazonaws.com")
        ec2.create_flow_logs(
            ResourceIds=[vpc],
            ResourceType="VPC",
            TrafficType="REJECT",
            LogGroupName="/flow",
            DeliverLogsPermissionArn=role,
        )
        self.outputs |= {"vpcId": vpc, "subnetIds": self.subnets}
        self.nat = nat["NatGatewayId"]

    def _role(self, service: str) -> str:
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        name = service.partition(".")[0]
        role = self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]
        return str(role["Arn"])

    def _buckets(self) -> None:
        s3 = self.client("s3")
        for kind in ("assets", "uploads", "exports", "logs"):
            name = f"headroom-10k-{kind}"
            s3.create_bucket(Bucket=name)
            s3.put_public_access_block(
                Bucket=name,
                PublicAccessBlockConfiguration={
                    "BlockPublicAcls": True,
                    "BlockPublicPolicy": True,
                    "IgnorePublicAcls": True,
                    "RestrictPublicBuckets": True,
                },
            )
            encryption = (
                {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": self.key}
                if kind in {"exports", "uploads"}
                else {"SSEAlgorithm": "AES256"}
            )
            s3.put_bucket_encryption(
                Bucket=name,
                ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": encryption}]},
            )
            if kind != "logs":
                s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
            s3.put_bucket_policy(Bucket=name, Policy=tls_policy(name))
            self.outputs[f"{kind}Bucket"] = name

    def _database(self) -> None:
        rds, size = self.client("rds"), self.phase.database
        rds.create_db_parameter_group(
            DBParameterGroupName="headroom-postgres17", DBParameterGroupFamily="postgres17", Description="ours"
        )
        self.set_parameters({"rds.force_ssl": "1", "shared_preload_libraries": "pg_stat_statements,pg_cron"})
        rds.create_db_subnet_group(
            DBSubnetGroupName="headroom", DBSubnetGroupDescription="data", SubnetIds=self.subnets["data"]
        )
        rds.create_db_instance(
            DBInstanceIdentifier="headroom-10k-db-0",
            Engine="postgres",
            DBInstanceClass=size.instance_class,
            MultiAZ=size.multi_az,
            AllocatedStorage=size.storage_gib,
            MaxAllocatedStorage=size.max_storage_gib,
            StorageType="gp3",
            StorageEncrypted=True,
            KmsKeyId=self.key,
            MasterUsername="headroom_owner",
            MasterUserPassword="not-a-real-password",
            BackupRetentionPeriod=size.backup_retention_days,
            DeletionProtection=True,
            PubliclyAccessible=False,
            DBParameterGroupName="headroom-postgres17",
            DBSubnetGroupName="headroom",
        )
        self.outputs |= {"databaseIdentifier": "headroom-10k-db-0", "databaseParameterGroup": "headroom-postgres17"}

    def set_parameters(self, values: dict[str, str]) -> None:
        self.client("rds").modify_db_parameter_group(
            DBParameterGroupName="headroom-postgres17",
            Parameters=[
                {"ParameterName": name, "ParameterValue": value, "ApplyMethod": "pending-reboot"}
                for name, value in values.items()
            ],
        )

    def _caches(self) -> None:
        client = self.client("elasticache")
        for kind, size in (("cache", self.phase.cache), ("state", self.phase.state)):
            client.create_replication_group(
                ReplicationGroupId=f"headroom-{kind}",
                ReplicationGroupDescription=kind,
                Engine="valkey",
                CacheNodeType=size.node_type,
                NumNodeGroups=size.shards,
                ReplicasPerNodeGroup=size.replicas_per_shard,
                ClusterMode="enabled",
                AutomaticFailoverEnabled=True,
                MultiAZEnabled=True,
                TransitEncryptionEnabled=True,
                AtRestEncryptionEnabled=True,
                KmsKeyId=self.key,
                SnapshotRetentionLimit=size.snapshot_retention_days,
            )
            self.outputs[f"{kind}GroupId"] = f"headroom-{kind}"

    def _cluster(self) -> None:
        self.client("eks").create_cluster(
            name="headroom-10k",
            roleArn=self._role("eks.amazonaws.com"),
            resourcesVpcConfig={
                "subnetIds": self.subnets["private"],
                "endpointPrivateAccess": True,
                "endpointPublicAccess": False,
            },
            logging={
                "clusterLogging": [
                    {"types": ["api", "audit", "authenticator", "controllerManager", "scheduler"], "enabled": True}
                ]
            },
            encryptionConfig=[{"resources": ["secrets"], "provider": {"keyArn": self.key}}],
        )
        elb = self.client("elbv2")
        balancer = elb.create_load_balancer(Name="headroom-10k", Subnets=self.subnets["public"], Type="application")
        arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
        elb.modify_load_balancer_attributes(
            LoadBalancerArn=arn,
            Attributes=[
                {"Key": "deletion_protection.enabled", "Value": "true"},
                {"Key": "access_logs.s3.enabled", "Value": "true"},
                {"Key": "access_logs.s3.bucket", "Value": self.outputs["logsBucket"]},
                {"Key": "routing.http.drop_invalid_header_fields.enabled", "Value": "true"},
            ],
        )
        certificate = self.client("acm").request_certificate(DomainName=f"origin.{DOMAIN}")["CertificateArn"]
        elb.create_listener(
            LoadBalancerArn=arn,
            Protocol="HTTPS",
            Port=443,
            Certificates=[{"CertificateArn": certificate}],
            DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "403"}}],
        )
        repository = self.client("ecr").create_repository(
            repositoryName="headroom-10k",
            imageTagMutability="IMMUTABLE",
            imageScanningConfiguration={"scanOnPush": True},
            encryptionConfiguration={"encryptionType": "KMS", "kmsKey": self.key},
        )["repository"]
        self.outputs |= {
            "clusterName": "headroom-10k",
            "loadBalancerArn": arn,
            "repositoryUrl": repository["repositoryUri"],
        }

    def _zone(self) -> None:
        route53 = self.client("route53")
        zone = route53.create_hosted_zone(Name=f"origin.{DOMAIN}", CallerReference="1")["HostedZone"]["Id"]
        self.health_check = route53.create_health_check(
            CallerReference="1",
            HealthCheckConfig={"Type": "HTTPS", "FullyQualifiedDomainName": f"origin.{DOMAIN}", "Port": 443},
        )["HealthCheck"]["Id"]
        self.outputs["zoneId"] = zone.rpartition("/")[2]
        self.change_record("UPSERT", HealthCheckId=self.health_check)

    def change_record(self, action: str, **extra: str) -> None:
        record = {
            "Name": f"origin.{DOMAIN}",
            "Type": "A",
            "SetIdentifier": REGION,
            "Region": REGION,
            "AliasTarget": {"HostedZoneId": "Z35SXDOTRQ7X7K", "DNSName": "alb.test.", "EvaluateTargetHealth": True},
            **extra,
        }
        self.client("route53").change_resource_record_sets(
            HostedZoneId=self.outputs["zoneId"],
            ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record}]},
        )

    def _queues(self) -> None:
        sqs = self.client("sqs")
        urls, dead_urls = {}, {}
        for name in self.phase.messaging.queues:
            dead_urls[name] = sqs.create_queue(
                QueueName=f"headroom-{name}-dead", Attributes={"KmsMasterKeyId": self.key}
            )["QueueUrl"]
            redrive = {
                "deadLetterTargetArn": f"arn:aws:sqs:{REGION}:123456789012:headroom-{name}-dead",
                "maxReceiveCount": 5,
            }
            urls[name] = sqs.create_queue(
                QueueName=f"headroom-{name}",
                Attributes={"KmsMasterKeyId": self.key, "RedrivePolicy": json.dumps(redrive)},
            )["QueueUrl"]
        self.outputs |= {"queueUrls": urls, "deadLetterUrls": dead_urls}

    def _secrets(self) -> None:
        client = self.client("secretsmanager")
        self.outputs["secretArns"] = {
            name: client.create_secret(Name=f"headroom-{name}", SecretString="planted-secret", KmsKeyId=self.key)["ARN"]
            for name in ("database", "signing")
        }

    def _operations(self) -> None:
        logs, cloudwatch = self.client("logs"), self.client("cloudwatch")
        groups = {}
        for kind, days in (("error", 90), ("access", 30), ("debug", 7)):
            groups[kind] = f"/headroom/{kind}"
            logs.create_log_group(logGroupName=groups[kind], kmsKeyId=self.key)
            logs.put_retention_policy(logGroupName=groups[kind], retentionInDays=days)
        names = [f"headroom-{metric}" for metric in ("cpu", "storage", "latency")]
        for name in names:
            self.put_alarm(name, [self.outputs["pageTopicArn"]])
        cloudwatch.put_dashboard(DashboardName="headroom-10k", DashboardBody=json.dumps({"widgets": []}))
        backup = self.client("backup")
        backup.create_backup_vault(BackupVaultName="headroom", EncryptionKeyArn=self.key)
        daily = {
            "RuleName": "daily",
            "TargetBackupVaultName": "headroom",
            "ScheduleExpression": "cron(0 5 * * ? *)",
            "Lifecycle": {"DeleteAfterDays": 35},
        }
        plan = backup.create_backup_plan(BackupPlan={"BackupPlanName": "headroom", "Rules": [daily]})
        self._budget()
        self.outputs |= {
            "logGroups": groups,
            "alarmNames": names,
            "dashboardName": "headroom-10k",
            "backupVault": "headroom",
            "backupPlanId": plan["BackupPlanId"],
            "budgetName": "headroom-10k",
        }

    def put_alarm(self, name: str, actions: list[str]) -> None:
        self.client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            MetricName="m",
            Namespace="n",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            Statistic="Average",
            ComparisonOperator="GreaterThanThreshold",
            AlarmActions=actions,
        )

    def _budget(self) -> None:
        band = self.phase.targets.monthly_usd
        self.client("budgets").create_budget(
            AccountId="123456789012",
            Budget={
                "BudgetName": "headroom-10k",
                "BudgetLimit": {"Amount": str(band.high), "Unit": "USD"},
                "TimeUnit": "MONTHLY",
                "BudgetType": "COST",
            },
            NotificationsWithSubscribers=[
                {
                    "Notification": {
                        "NotificationType": "ACTUAL",
                        "ComparisonOperator": "GREATER_THAN",
                        "Threshold": band.low,
                        "ThresholdType": "ABSOLUTE_VALUE",
                    },
                    "Subscribers": [{"SubscriptionType": "EMAIL", "Address": "oncall@example.com"}],
                }
            ],
        )


def tls_policy(bucket: str, effect: str = "Deny") -> str:
    """A bucket policy with one statement about requests without TLS."""
    statement = {
        "Effect": effect,
        "Principal": "*",
        "Action": "s3:*",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
