"""The VPC of one region, sized for 1m at 10k: no CIDR, subnet or zone can change once something stands in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import pulumi
import pulumi_aws as aws

from components.component import Component, Site
from components.documents import document, trust
from components.telemetry import log_group_arn

Tier = Literal["public", "private", "data"]


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkArgs:
    """One region's address plan.

    Attributes:
        vpc_cidr: the VPC's /16.
        availability_zones: three zone letters, such as `("a", "b", "c")`.
        public_cidrs: one subnet a zone for load balancers and NAT gateways.
        private_cidrs: one a zone for nodes and pods.
        data_cidrs: one a zone for databases and caches; no route leaves it but to a peered region.
        nat_gateways: 1 shared, or one a zone; 0 where nothing asks for the internet.
        interface_endpoints: AWS services reached inside the VPC, such as `ecr.api`.
        log_key_arn: KMS key of the flow log.
        account_id: of this stack.
    """

    vpc_cidr: str
    availability_zones: Sequence[str]
    public_cidrs: Sequence[str]
    private_cidrs: Sequence[str]
    data_cidrs: Sequence[str]
    nat_gateways: int
    interface_endpoints: Sequence[str]
    log_key_arn: pulumi.Input[str]
    account_id: str


class Network(Component):
    """VPC, nine subnets in three zones, NAT, gateway endpoints, flow log; the default security group emptied.

    Each zone has its own private route table in every phase, so that going from one NAT gateway to three
    changes one route a zone and nothing else.
    """

    KIND: ClassVar[str] = "network:Network"

    vpc_id: pulumi.Output[str]
    public_subnet_ids: Sequence[pulumi.Output[str]]
    private_subnet_ids: Sequence[pulumi.Output[str]]
    data_subnet_ids: Sequence[pulumi.Output[str]]
    route_table_ids: Mapping[str, pulumi.Output[str]]
    """Tables of the private subnets, `private-a` and so on, and `data`: where a way to another region begins."""

    def __init__(self, name: str, site: Site, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the network."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        self._vpc = self._create_vpc()
        self._gateway = aws.ec2.InternetGateway(name, vpc_id=self._vpc.id, opts=self.child())
        public = self._create_subnets("public", args.public_cidrs)
        private = self._create_subnets("private", args.private_cidrs)
        data = self._create_subnets("data", args.data_cidrs)
        self._route_public(public)
        nats = self._create_nat_gateways(public)
        tables = {**self._route_private(private, nats), "data": self._create_route_table("data", data)}
        self._create_gateway_endpoints([*tables.values()])
        self._create_interface_endpoints(private)
        self._create_flow_log()

        self.vpc_id = self._vpc.id
        self.public_subnet_ids = [subnet.id for subnet in public]
        self.private_subnet_ids = [subnet.id for subnet in private]
        self.data_subnet_ids = [subnet.id for subnet in data]
        self.route_table_ids = {key: table.id for key, table in tables.items()}
        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "public_subnet_ids": self.public_subnet_ids,
                "private_subnet_ids": self.private_subnet_ids,
                "data_subnet_ids": self.data_subnet_ids,
                "route_table_ids": self.route_table_ids,
            }
        )

    def _create_vpc(self) -> aws.ec2.Vpc:
        vpc = aws.ec2.Vpc(
            self._name,
            cidr_block=self._args.vpc_cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags={"Name": self.site.names.of("tag", self._name)},
            opts=self.stateful(),
        )
        aws.ec2.DefaultSecurityGroup(self._name, vpc_id=vpc.id, ingress=[], egress=[], opts=self.child())
        return vpc

    def _create_subnets(self, tier: Tier, cidrs: Sequence[str]) -> list[aws.ec2.Subnet]:
        return [
            aws.ec2.Subnet(
                f"{self._name}-{tier}-{zone}",
                vpc_id=self._vpc.id,
                cidr_block=cidr,
                availability_zone=f"{self.site.region}{zone}",
                map_public_ip_on_launch=False,
                tags={"Name": self.site.names.of("tag", f"{self._name}-{tier}-{zone}"), "Tier": tier},
                opts=self.stateful(),
            )
            for zone, cidr in zip(self._args.availability_zones, cidrs, strict=True)
        ]

    def _create_route_table(self, suffix: str, subnets: Sequence[aws.ec2.Subnet]) -> aws.ec2.RouteTable:
        table = aws.ec2.RouteTable(f"{self._name}-{suffix}", vpc_id=self._vpc.id, opts=self.child())
        for index, subnet in enumerate(subnets):
            aws.ec2.RouteTableAssociation(
                f"{self._name}-{suffix}-{index}", route_table_id=table.id, subnet_id=subnet.id, opts=self.child()
            )
        return table

    def _route_public(self, subnets: Sequence[aws.ec2.Subnet]) -> None:
        table = self._create_route_table("public", subnets)
        aws.ec2.Route(
            f"{self._name}-public",
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=self._gateway.id,
            opts=self.child(),
        )

    def _create_nat_gateways(self, subnets: Sequence[aws.ec2.Subnet]) -> list[aws.ec2.NatGateway]:
        zones = self._args.availability_zones[: self._args.nat_gateways]
        gateways = []
        for zone, subnet in zip(zones, subnets, strict=False):
            name = f"{self._name}-nat-{zone}"
            address = aws.ec2.Eip(name, domain="vpc", opts=self.child(depends_on=[self._gateway]))
            gateways.append(
                aws.ec2.NatGateway(
                    name,
                    allocation_id=address.allocation_id,
                    subnet_id=subnet.id,
                    tags={"Name": self.site.names.of("tag", name)},
                    opts=self.child(depends_on=[self._gateway]),
                )
            )
        return gateways

    def _route_private(
        self, subnets: Sequence[aws.ec2.Subnet], nats: Sequence[aws.ec2.NatGateway]
    ) -> dict[str, aws.ec2.RouteTable]:
        tables = {}
        for index, zone in enumerate(self._args.availability_zones):
            table = self._create_route_table(f"private-{zone}", [subnets[index]])
            if nats:
                aws.ec2.Route(
                    f"{self._name}-private-{zone}",
                    route_table_id=table.id,
                    destination_cidr_block="0.0.0.0/0",
                    nat_gateway_id=nats[index % len(nats)].id,
                    opts=self.child(),
                )
            tables[f"private-{zone}"] = table
        return tables

    def _create_gateway_endpoints(self, tables: Sequence[aws.ec2.RouteTable]) -> None:
        """Free, and they keep S3 and DynamoDB bytes off the NAT gateways."""
        for service in ("s3", "dynamodb"):
            aws.ec2.VpcEndpoint(
                f"{self._name}-{service}",
                vpc_id=self._vpc.id,
                service_name=f"com.amazonaws.{self.site.region}.{service}",
                vpc_endpoint_type="Gateway",
                route_table_ids=[table.id for table in tables],
                opts=self.child(),
            )

    def _create_interface_endpoints(self, subnets: Sequence[aws.ec2.Subnet]) -> None:
        if not self._args.interface_endpoints:
            return
        name = f"{self._name}-endpoints"
        group = aws.ec2.SecurityGroup(
            name,
            name=self.site.names.of("security_group", name),
            description="HTTPS to AWS services, from inside the VPC.",
            vpc_id=self._vpc.id,
            opts=self.child(),
        )
        aws.vpc.SecurityGroupIngressRule(
            name,
            description="HTTPS from the VPC.",
            security_group_id=group.id,
            cidr_ipv4=self._args.vpc_cidr,
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            opts=self.child(),
        )
        for service in self._args.interface_endpoints:
            aws.ec2.VpcEndpoint(
                f"{self._name}-{service.replace('.', '-')}",
                vpc_id=self._vpc.id,
                service_name=f"com.amazonaws.{self.site.region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=[subnet.id for subnet in subnets],
                security_group_ids=[group.id],
                opts=self.child(),
            )

    def _create_flow_log(self) -> None:
        """Rejected connections only: accepted ones are most of the bytes and of the bill, and the WAF logs them."""
        name = f"{self._name}-flow"
        logs = aws.cloudwatch.LogGroup(
            name,
            name=f"/headroom/{self.site.names.stack}/{name}",
            retention_in_days=30,
            kms_key_id=self._args.log_key_arn,
            opts=self.child(),
        )
        role = aws.iam.Role(
            name,
            name=self.site.names.of("role", name),
            assume_role_policy=trust("vpc-flow-logs.amazonaws.com"),
            opts=self.child(),
        )
        aws.iam.RolePolicy(
            name,
            name=name,
            role=role.name,
            policy=log_group_arn(self.site, logs, self._args.account_id).apply(
                lambda arn: document(
                    {
                        "Effect": "Allow",
                        "Action": [
                            "logs:CreateLogStream",
                            "logs:DescribeLogGroups",
                            "logs:DescribeLogStreams",
                            "logs:PutLogEvents",
                        ],
                        "Resource": [arn, f"{arn}:*"],
                    }
                )
            ),
            opts=self.child(),
        )
        aws.ec2.FlowLog(
            name,
            vpc_id=self._vpc.id,
            traffic_type="REJECT",
            log_destination_type="cloud-watch-logs",
            log_destination=logs.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=600,
            opts=self.child(),
        )
