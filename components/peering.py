"""The private way between two regions: pods reach the primaries and caches of a region that is not theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.component import Component, Site


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of the two networks.

    Attributes:
        region: where it is.
        vpc_id: its VPC.
        vpc_cidr: the VPC's /16, to which the other side routes; the two never overlap.
        route_table_ids: tables that get a route to the other side, by name: the private ones and the data one.
    """

    region: str
    vpc_id: pulumi.Input[str]
    vpc_cidr: str
    route_table_ids: Mapping[str, pulumi.Input[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class PeeringArgs:
    """The two sides. A pair keeps its requester for ever: the other way round is another connection."""

    requester: Side
    accepter: Side


class Peering(Component):
    """A VPC peering connection, accepted, with DNS resolution and routes both ways.

    It opens nothing by itself: what may connect is up to the security groups.
    """

    KIND: ClassVar[str] = "network:Peering"

    connection_id: pulumi.Output[str]

    def __init__(self, name: str, site: Site, args: PeeringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Connect the networks; `site` is of the requester's region."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        connection = self._create_connection()
        accepted = self._accept(connection)
        for near, far in ((args.requester, args.accepter), (args.accepter, args.requester)):
            self._route(connection, accepted, near, far)

        self.connection_id = connection.id
        self.register_outputs({"connection_id": self.connection_id})

    def _create_connection(self) -> aws.ec2.VpcPeeringConnection:
        requester, accepter = self._args.requester, self._args.accepter
        return aws.ec2.VpcPeeringConnection(
            self._name,
            vpc_id=requester.vpc_id,
            peer_vpc_id=accepter.vpc_id,
            peer_region=accepter.region,
            tags={"Name": self.site.names.of("tag", self._name)},
            opts=self.child(),
        )

    def _accept(self, connection: aws.ec2.VpcPeeringConnection) -> aws.ec2.VpcPeeringConnectionAccepter:
        """Between regions the other side has to accept, in its own region.

        Each side then says for itself that the other may resolve its public host names to private addresses;
        that works on an active connection only, hence resources of their own. RDS and ElastiCache endpoints that are
        not public resolve to private addresses anyway.
        """
        region = self._args.accepter.region
        accepted = aws.ec2.VpcPeeringConnectionAccepter(
            self._name,
            region=region,
            vpc_peering_connection_id=connection.id,
            auto_accept=True,
            tags={"Name": self.site.names.of("tag", self._name)},
            opts=self.child(),
        )
        aws.ec2.PeeringConnectionOptions(
            f"{self._name}-requester",
            vpc_peering_connection_id=connection.id,
            requester=aws.ec2.PeeringConnectionOptionsRequesterArgs(allow_remote_vpc_dns_resolution=True),
            opts=self.child(depends_on=[accepted]),
        )
        aws.ec2.PeeringConnectionOptions(
            f"{self._name}-accepter",
            region=region,
            vpc_peering_connection_id=connection.id,
            accepter=aws.ec2.PeeringConnectionOptionsAccepterArgs(allow_remote_vpc_dns_resolution=True),
            opts=self.child(depends_on=[accepted]),
        )
        return accepted

    def _route(
        self,
        connection: aws.ec2.VpcPeeringConnection,
        accepted: aws.ec2.VpcPeeringConnectionAccepter,
        near: Side,
        far: Side,
    ) -> None:
        """The data subnets need the way back: an answer leaves them by their own table."""
        for table, table_id in near.route_table_ids.items():
            aws.ec2.Route(
                f"{self._name}-{near.region}-{table}",
                region=near.region,
                route_table_id=table_id,
                destination_cidr_block=far.vpc_cidr,
                vpc_peering_connection_id=connection.id,
                opts=self.child(depends_on=[accepted]),
            )
