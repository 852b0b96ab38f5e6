"""Which of the book's prices AWS's price list has, and where in it.

One row a kind of key. Usage types are matched whole, after the region's prefix: beside `InstanceUsage:db.r6g.large`
stands `InstanceUsageIOOptimized:db.r6g.large`, beside `NodeUsage:...` stand `ExtendedSupportYr3-NodeUsage:...` and
`SyncDurability-NodeUsage:...`, and each is another price.

Usage types of RDS, EC2, ELB, CloudWatch and ElastiCache were read in AWS's list of eu-west-1
(cycloidio/terracost, mysql/testdata/2023-02-23-pricing.sql.gz). Those of the other services are as quoted from bills
and lists in public repositories, and no live list has confirmed them here. A wrong row finds nothing and says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

PREFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    # Most of the oldest region's usage types have no prefix; some have.
    "us-east-1": ("", "USE1-"),
    "us-west-2": ("USW2-",),
    # Ireland is `EU`; there is no `EUW1`.
    "eu-west-1": ("EU-",),
    "ap-southeast-1": ("APS1-",),
}
"""What a usage type of a region begins with."""

UNITS: Final[Mapping[str, Mapping[str, Decimal]]] = {
    "hour": {"Hrs": Decimal(1), "Hours": Decimal(1), "hours": Decimal(1)},
    "LCU-hour": {"LCU-Hrs": Decimal(1)},
    "vCPU-hour": {"vCPU-Hours": Decimal(1)},
    "GB": {"GB": Decimal(1), "GigaBytes": Decimal(1)},
    "GB-month": {"GB-Mo": Decimal(1), "GB-month": Decimal(1)},
    "IOPS-month": {"IOPS-Mo": Decimal(1)},
    "MBps-month": {"MBPS-Mo": Decimal(1), "MiBps-Mo": Decimal(1)},
    "metric-month": {"Metrics": Decimal(1), "Alarms": Decimal(1)},
    "month": {"Alarms": Decimal(1)},
    "1000 requests": {"Requests": Decimal(1000)},
}
"""Units of the book, in AWS's spellings, with how many of AWS's units make one of ours."""


@dataclass(frozen=True, slots=True)
class Sku:
    """A kind of key.

    Attributes:
        key: of the book, as a pattern; its groups can be named in `usage` and `has`.
        service: AWS's code of the service.
        usage: the usage type after the region's prefix, as a pattern.
        has: what the attributes must be; several allowed values are separated by `|`.
        search: what the API is asked for; by the usage type where it is empty.
    """

    key: str
    service: str
    usage: str
    has: Mapping[str, str] = field(default_factory=dict)
    search: Mapping[str, str] = field(default_factory=dict)

    def place(self, key: str, region: str) -> Place | None:
        """Where a key of this kind is in the list."""
        match = re.fullmatch(self.key, key)
        if match is None or region not in PREFIXES:
            return None
        parts = {name: re.escape(text) for name, text in match.groupdict().items()}
        prefixes = "|".join(map(re.escape, PREFIXES[region]))
        usage = re.compile(f"(?:{prefixes})(?:{self.usage.format(**parts)})")
        has = {name: frozenset(value.format(**match.groupdict()).split("|")) for name, value in self.has.items()}
        exact = [{"usagetype": f"{prefix}{self.usage}"} for prefix in PREFIXES[region]]
        questions = tuple({"regionCode": region, **filters} for filters in ([self.search] if self.search else exact))
        return Place(self.service, questions, usage, has)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a price is in the list.

    Attributes:
        service: AWS's code of the service.
        questions: filters for the API, each a question of its own.
        usage: its usage type.
        has: the values that each attribute may have.
    """

    service: str
    questions: tuple[Mapping[str, str], ...]
    usage: re.Pattern[str]
    has: Mapping[str, frozenset[str]]


POSTGRES: Final = {"databaseEngine": "PostgreSQL"}
RDS_ANY: Final = {"databaseEngine": "PostgreSQL|Any"}
LINUX: Final = {"operatingSystem": "Linux", "tenancy": "Shared", "capacitystatus": "Used", "preInstalledSw": "NA"}
VALKEY: Final = {"cacheEngine": "Valkey"}
REDIS: Final = {"cacheEngine": "Redis"}
ALB: Final = {"productFamily": "Load Balancer-Application"}

SKUS: Final = (
    # RDS shortens most sizes (`db.r6g.xl`) and some not (`db.t4g.xlarge`), so the attribute tells the class.
    Sku(
        r"rds/instance/(?P<type>db\.[^/]+)/single-az",
        "AmazonRDS",
        r"InstanceUsage:db\..+",
        {**POSTGRES, "instanceType": "{type}", "deploymentOption": "Single-AZ"},
        {**POSTGRES, "deploymentOption": "Single-AZ"},
    ),
    Sku(
        r"rds/instance/(?P<type>db\.[^/]+)/multi-az",
        "AmazonRDS",
        r"Multi-AZUsage:db\..+",
        {**POSTGRES, "instanceType": "{type}", "deploymentOption": "Multi-AZ"},
        {**POSTGRES, "deploymentOption": "Multi-AZ"},
    ),
    # A storage price of RDS stands once for each engine, or once for `Any`.
    Sku(r"rds/storage/gp2/single-az", "AmazonRDS", "RDS:GP2-Storage", RDS_ANY),
    Sku(r"rds/storage/gp2/multi-az", "AmazonRDS", "RDS:Multi-AZ-GP2-Storage", RDS_ANY),
    Sku(r"rds/storage/gp3/single-az", "AmazonRDS", "RDS:GP3-Storage", RDS_ANY),
    Sku(r"rds/storage/gp3/multi-az", "AmazonRDS", "RDS:Multi-AZ-GP3-Storage", RDS_ANY),
    Sku(r"rds/storage/io1/single-az", "AmazonRDS", "RDS:PIOPS-Storage", RDS_ANY),
    Sku(r"rds/storage/io1/multi-az", "AmazonRDS", "RDS:Multi-AZ-PIOPS-Storage", RDS_ANY),
    Sku(r"rds/iops/gp3/single-az", "AmazonRDS", "RDS:GP3-PIOPS", RDS_ANY),
    Sku(r"rds/iops/gp3/multi-az", "AmazonRDS", "RDS:Multi-AZ-GP3-PIOPS", RDS_ANY),
    Sku(r"rds/iops/io1/single-az", "AmazonRDS", "RDS:PIOPS", RDS_ANY),
    Sku(r"rds/iops/io1/multi-az", "AmazonRDS", "RDS:Multi-AZ-PIOPS", RDS_ANY),
    Sku(r"rds/throughput/gp3/single-az", "AmazonRDS", "RDS:GP3-Throughput", RDS_ANY),
    Sku(r"rds/throughput/gp3/multi-az", "AmazonRDS", "RDS:Multi-AZ-GP3-Throughput", RDS_ANY),
    Sku(r"rds/backup", "AmazonRDS", "RDS:ChargedBackupUsage", RDS_ANY),
    Sku(
        r"rds/cpu-credits",
        "AmazonRDS",
        r"CPUCredits:db\.(?:t3|t4g)",
        POSTGRES,
        {**POSTGRES, "productFamily": "CPU Credits"},
    ),
    Sku(
        r"elasticache/node/valkey/(?P<type>cache\.[^/]+)",
        "AmazonElastiCache",
        "NodeUsage:{type}",
        {**VALKEY, "instanceType": "{type}"},
        VALKEY,
    ),
    Sku(
        r"elasticache/node/redis/(?P<type>cache\.[^/]+)",
        "AmazonElastiCache",
        "NodeUsage:{type}",
        {**REDIS, "instanceType": "{type}"},
        REDIS,
    ),
    Sku(r"elasticache/backup", "AmazonElastiCache", "ElastiCache:BackupUsage"),
    Sku(r"elasticache/transfer/global-datastore", "AmazonElastiCache", "ElastiCache-Out-Bytes"),
    # The usage type ends in `.search` in AWS's own documentation, and in the bare size on bills.
    Sku(
        r"opensearch/instance/(?P<type>[^/]+)\.search",
        "AmazonES",
        r"ESInstance:{type}(?:\.search)?",
        {"instanceType": "{type}.search"},
        {"productFamily": "Amazon OpenSearch Service Instance"},
    ),
    Sku(r"opensearch/storage/gp2", "AmazonES", "ES:GP2-Storage"),
    Sku(r"opensearch/storage/gp3", "AmazonES", "ES:GP3-Storage"),
    Sku(r"ec2/instance/(?P<type>[^/]+)", "AmazonEC2", "BoxUsage:{type}", {**LINUX, "instanceType": "{type}"}, LINUX),
    Sku(r"eks/cluster", "AmazonEKS", "AmazonEKS-Hours:perCluster"),
    Sku(
        r"eks/auto/(?P<type>[^/]+)",
        "AmazonEKS",
        "EKS-Auto:{type}-management-hours",
        {},
        # Thousands of types in a few dozen pages; nothing narrower is common to them.
        {"servicecode": "AmazonEKS"},
    ),
    Sku(r"ebs/gp3/storage", "AmazonEC2", r"EBS:VolumeUsage.gp3", {"volumeApiName": "gp3"}),
    # The same prices stand under AmazonEC2 too.
    Sku(r"lb/application/hour", "AWSELB", "LoadBalancerUsage", ALB),
    Sku(r"lb/application/lcu-hour", "AWSELB", "LCUUsage", ALB),
    Sku(r"vpc/nat-gateway/hour", "AmazonEC2", "NatGateway-Hours"),
    Sku(r"vpc/nat-gateway/gb", "AmazonEC2", "NatGateway-Bytes"),
    Sku(r"vpc/public-ipv4/hour", "AmazonVPC", "PublicIPv4:InUseAddress"),
    Sku(r"vpc/endpoint/hour", "AmazonVPC", "VpcEndpoint-Hours"),
    Sku(r"vpc/endpoint/gb", "AmazonVPC", "VpcEndpoint-Bytes"),
    Sku(r"vpc/cross-zone/gb", "AWSDataTransfer", "DataTransfer-Regional-Bytes"),
    Sku(r"vpc/internet/gb", "AWSDataTransfer", "DataTransfer-Out-Bytes"),
    Sku(r"cloudwatch/alarms/standard", "AmazonCloudWatch", "CW:AlarmMonitorUsage"),
    Sku(r"cloudwatch/alarms/high-resolution", "AmazonCloudWatch", "CW:HighResAlarmMonitorUsage"),
    Sku(r"cloudwatch/alarms/composite", "AmazonCloudWatch", "CW:CompositeAlarmMonitorUsage"),
    Sku(r"cloudwatch/alarms/metrics-insights", "AmazonCloudWatch", "CW:MetricInsightAlarmUsage"),
    Sku(r"cloudwatch/metrics/custom", "AmazonCloudWatch", "CW:MetricMonitorUsage"),
    Sku(r"cloudwatch/logs/ingestion/standard", "AmazonCloudWatch", "DataProcessing-Bytes"),
    Sku(r"cloudwatch/logs/ingestion/vended", "AmazonCloudWatch", "VendedLog-Bytes"),
    Sku(r"cloudwatch/logs/storage", "AmazonCloudWatch", "TimedStorage-ByteHrs"),
    Sku(r"s3/storage/standard", "AmazonS3", "TimedStorage-ByteHrs"),
    Sku(r"s3/requests/put", "AmazonS3", "Requests-Tier1"),
    Sku(r"s3/requests/get", "AmazonS3", "Requests-Tier2"),
)


def place(key: str, region: str) -> Place | None:
    """Where the price of a key is in AWS's list; None for what is not looked up there, as other vendors' prices."""
    return next((found for sku in SKUS if (found := sku.place(key, region)) is not None), None)
