"""One region of the account: everything that `verify` looks at there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from infra.naming import PROJECT, Names
from stacks.shards import primaries
from tests.verify.account_buckets import build_buckets
from tests.verify.account_edge import ACCOUNT_ID
from tests.verify.account_network import build_network

if TYPE_CHECKING:
    from tests.verify.account import Account


class AccountRegion:
    """`outputs` is what the stack would export about the region."""

    READ_OUTPUTS = (
        "vpcId",
        "keyArns",
        "pageTopicArn",
        "ticketTopicArn",
        "uploadsBucket",
        "logsBucket",
        "replicas",
    )
    """What verification starts from in every region."""
    FULL_OUTPUTS = (
        *READ_OUTPUTS,
        "databaseIdentifiers",
        "databaseParameterGroup",
        "cacheGroupId",
        "stateGroupId",
        "clusterName",
        "loadBalancerArn",
        "repositoryUrl",
        "assetsBucket",
        "exportsBucket",
        "queueUrls",
        "deadLetterUrls",
        "secretArns",
        "logGroups",
        "backupVault",
        "backupPlanId",
    )
    """And in a full one."""

    def __init__(self, account: Account, region: str) -> None:
        """Make everything but what needs the other regions."""
        self.account, self.region, self.phase = account, region, account.phase
        self.full = region in account.phase.regions
        self.prefix = f"{account.prefix}" if region == account.phase.home_region else f"{account.prefix}-{region}"
        self.nat = ""
        self.subnets: dict[str, list[str]] = {}
        self.route_tables: dict[str, str] = {}
        self.outputs: dict[str, Any] = {"role": "full" if self.full else "read"}
        self._keys()
        self._topics()
        build_network(self)
        build_buckets(self)
        self._database_groups()
        self._alarms()
        if self.full:
            self._databases()
            self._caches()
            self._cluster()
            self._balancer()
            self._registry()
            self._queues()
            self._secrets()
            self._mail()
            self._logs()
            self._vault()
            self.back_up(None)

    def client(self, service: str) -> Any:
        """The region's client."""
        return self.account.clients.get(service, self.region)

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
            arn = sns.create_topic(Name=f"{self.prefix}-{severity}", Attributes={"KmsMasterKeyId": self.key})[
                "TopicArn"
            ]
            sns.subscribe(TopicArn=arn, Protocol="email", Endpoint="oncall@example.com")
            self.outputs[f"{severity}TopicArn"] = arn

    def role(self, service: str) -> str:
        """A role that a service may take on; its ARN."""
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        name = f"{self.prefix}-{service.partition('.')[0]}"
        role = self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]
        return str(role["Arn"])

    def copy_bucket(self, kind: str, others: Sequence[AccountRegion]) -> None:
        """Have S3 copy what arrives."""
        rules = [
            {
                "ID": other.region,
                "Priority": priority,
                "Status": "Enabled",
                "Filter": {"Prefix": ""},
                "DeleteMarkerReplication": {"Status": "Enabled"},
                "Destination": {"Bucket": f"arn:aws:s3:::{other.outputs[f'{kind}Bucket']}"},
            }
            for priority, other in enumerate(others)
        ]
        self.client("s3").put_bucket_replication(
            Bucket=self.outputs[f"{kind}Bucket"],
            ReplicationConfiguration={"Role": f"arn:aws:iam::{ACCOUNT_ID}:role/copy", "Rules": rules},
        )

    def _database_groups(self) -> None:
        rds = self.client("rds")
        self.parameter_group = f"{self.prefix}-postgres17"
        rds.create_db_parameter_group(
            DBParameterGroupName=self.parameter_group, DBParameterGroupFamily="postgres17", Description="ours"
        )
        self.set_parameters({"rds.force_ssl": "1", "shared_preload_libraries": "pg_stat_statements,pg_cron"})
        # One name in all regions: moto looks for the source's group where the replica is.
        rds.create_db_subnet_group(
            DBSubnetGroupName=self.account.prefix, DBSubnetGroupDescription="data", SubnetIds=self.subnets["data"]
        )

    def _databases(self) -> None:
        rds, size = self.client("rds"), self.phase.database
        identifiers = [self.account.identifier(one.name) for one in primaries(self.phase, self.region)]
        performance = {} if size.iops is None else {"Iops": size.iops, "StorageThroughput": size.throughput_mibps}
        for identifier in identifiers:
            rds.create_db_instance(
                DBInstanceIdentifier=identifier,
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
                DBParameterGroupName=self.parameter_group,
                DBSubnetGroupName=self.account.prefix,
                **performance,
            )
        self.outputs |= {"databaseIdentifiers": identifiers, "databaseParameterGroup": self.parameter_group}

    def add_replica(self, identifier: str, primary: str, source_region: str) -> None:
        """Follow a primary, of this region or of another one."""
        rds, source = self.client("rds"), self.account.identifier(primary)
        away = source_region != self.region
        rds.create_db_instance_read_replica(
            DBInstanceIdentifier=identifier,
            SourceDBInstanceIdentifier=f"arn:aws:rds:{source_region}:{ACCOUNT_ID}:db:{source}" if away else source,
            DBInstanceClass=self.phase.database.replica_class,
            DBParameterGroupName=self.parameter_group,
            PubliclyAccessible=False,
            **(
                {"KmsKeyId": self.key, "DBSubnetGroupName": self.account.prefix, "SourceRegion": source_region}
                if away
                else {}
            ),
        )
        self.put_lag_alarm(identifier)
        if away:
            rds.modify_db_instance(DBInstanceIdentifier=identifier, DeletionProtection=True, ApplyImmediately=True)
            self.outputs["replicas"].append({"identifier": identifier, "of": primary})

    def put_lag_alarm(self, identifier: str) -> None:
        """The alarm on a replica's lag."""
        name = f"{identifier}-lag"
        dimensions = [{"Name": "DBInstanceIdentifier", "Value": identifier}]
        self.put_alarm(
            name, [self.outputs["ticketTopicArn"]], MetricName="ReplicaLag", Namespace="AWS/RDS", Dimensions=dimensions
        )
        self.account.outputs["alarmNames"][self.region].append(name)

    def set_parameters(self, values: dict[str, str]) -> None:
        self.client("rds").modify_db_parameter_group(
            DBParameterGroupName=self.parameter_group,
            Parameters=[
                {"ParameterName": name, "ParameterValue": value, "ApplyMethod": "pending-reboot"}
                for name, value in values.items()
            ],
        )

    def _caches(self) -> None:
        client = self.client("elasticache")
        for kind, size in (("cache", self.phase.cache), ("state", self.phase.state)):
            client.create_replication_group(
                ReplicationGroupId=f"{self.prefix}-{kind}",
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
            self.outputs[f"{kind}GroupId"] = f"{self.prefix}-{kind}"

    def _cluster(self) -> None:
        self.client("eks").create_cluster(
            name=self.prefix,
            roleArn=self.role("eks.amazonaws.com"),
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
        self.outputs["clusterName"] = self.prefix

    def _balancer(self) -> None:
        elb = self.client("elbv2")
        balancer = elb.create_load_balancer(Name=self.prefix, Subnets=self.subnets["public"], Type="application")
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
        certificate = self.client("acm").request_certificate(DomainName=f"origin.{self.account.domain}")[
            "CertificateArn"
        ]
        elb.create_listener(
            LoadBalancerArn=arn,
            Protocol="HTTPS",
            Port=443,
            Certificates=[{"CertificateArn": certificate}],
            DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "403"}}],
        )
        self.outputs["loadBalancerArn"] = arn

    def _registry(self) -> None:
        repository = self.client("ecr").create_repository(
            repositoryName=self.prefix,
            imageTagMutability="IMMUTABLE",
            imageScanningConfiguration={"scanOnPush": True},
            encryptionConfiguration={"encryptionType": "KMS", "kmsKey": self.key},
        )["repository"]
        self.outputs["repositoryUrl"] = repository["repositoryUri"]

    def _queues(self) -> None:
        sqs = self.client("sqs")
        urls, dead_urls = {}, {}
        for name in self.phase.messaging.queues:
            dead_urls[name] = sqs.create_queue(
                QueueName=f"{self.prefix}-{name}-dead", Attributes={"KmsMasterKeyId": self.key}
            )["QueueUrl"]
            redrive = {
                "deadLetterTargetArn": f"arn:aws:sqs:{self.region}:{ACCOUNT_ID}:{self.prefix}-{name}-dead",
                "maxReceiveCount": 5,
            }
            urls[name] = sqs.create_queue(
                QueueName=f"{self.prefix}-{name}",
                Attributes={"KmsMasterKeyId": self.key, "RedrivePolicy": json.dumps(redrive)},
            )["QueueUrl"]
        self.outputs |= {"queueUrls": urls, "deadLetterUrls": dead_urls}

    def _secrets(self) -> None:
        client = self.client("secretsmanager")
        self.outputs["secretArns"] = {
            name: client.create_secret(Name=f"{self.prefix}-{name}", SecretString="planted-secret", KmsKeyId=self.key)[
                "ARN"
            ]
            for name in ("database", "signing")
        }

    def _mail(self) -> None:
        sesv2 = self.client("sesv2")
        name = Names(PROJECT, self.account.stack).of("configuration_set", f"{self.region}-email")
        sesv2.create_configuration_set(
            ConfigurationSetName=name,
            DeliveryOptions={"TlsPolicy": "REQUIRE"},
            SuppressionOptions={"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
        )
        sesv2.create_email_identity(EmailIdentity=self.account.domain, ConfigurationSetName=name)

    def _logs(self) -> None:
        logs, groups = self.client("logs"), {}
        for kind, days in (("error", 90), ("access", 30), ("debug", 7)):
            groups[kind] = f"/{self.prefix}/{kind}"
            logs.create_log_group(logGroupName=groups[kind], kmsKeyId=self.key)
            logs.put_retention_policy(logGroupName=groups[kind], retentionInDays=days)
        self.outputs["logGroups"] = groups

    def _vault(self) -> None:
        self.client("backup").create_backup_vault(BackupVaultName=self.prefix, EncryptionKeyArn=self.key)
        self.outputs["backupVault"] = self.prefix

    def keep_copies(self) -> str:
        """A vault for what other regions back up; its ARN."""
        name = f"{self.prefix}-copies"
        if "backupCopiesVault" not in self.outputs:
            self.client("backup").create_backup_vault(BackupVaultName=name, EncryptionKeyArn=self.key)
            self.outputs["backupCopiesVault"] = name
        return f"arn:aws:backup:{self.region}:{ACCOUNT_ID}:backup-vault:{name}"

    def back_up(self, copies: AccountRegion | None) -> None:
        """Each day, with a copy in another region."""
        daily: dict[str, Any] = {
            "RuleName": "daily",
            "TargetBackupVaultName": self.prefix,
            "ScheduleExpression": "cron(0 5 * * ? *)",
            "Lifecycle": {"DeleteAfterDays": 35},
        }
        if copies is not None:
            daily["CopyActions"] = [
                {"DestinationBackupVaultArn": copies.keep_copies(), "Lifecycle": {"DeleteAfterDays": 35}}
            ]
        # moto has no update of a plan, and refuses a second one of the same name.
        name = self.prefix if copies is None else f"{self.prefix}-copied"
        plan = self.client("backup").create_backup_plan(BackupPlan={"BackupPlanName": name, "Rules": [daily]})
        self.outputs["backupPlanId"] = plan["BackupPlanId"]

    def _alarms(self) -> None:
        names = [f"{self.prefix}-{metric}" for metric in ("cpu", "storage", "latency")]
        for name in names:
            self.put_alarm(name, [self.outputs["pageTopicArn"]])
        self.account.outputs["alarmNames"][self.region] = names

    def put_alarm(self, name: str, actions: list[str], **metric: Any) -> None:
        """An alarm on some metric."""
        self.client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            Statistic="Average",
            ComparisonOperator="GreaterThanThreshold",
            AlarmActions=actions,
            **{"MetricName": "m", "Namespace": "n", **metric},
        )
