"""EC2: connections between the networks of two regions."""

from __future__ import annotations

from collections.abc import Mapping

from infra.local.aws.calls import call, put
from infra.local.aws.kind import Context, Kind, Values
from infra.local.aws.table import ApiKind

_CONNECTION = call("describe_vpc_peering_connections", VpcPeeringConnectionIds=["{id}"])
_LIVING = "VpcPeeringConnections[?Status.Code != 'deleted'] | [0]"
"""A deleted connection stays visible for a while."""
_OPTIONS = {
    "accepter": "AccepterPeeringConnectionOptions",
    "requester": "RequesterPeeringConnectionOptions",
    "allowRemoteVpcDnsResolution": "AllowDnsResolutionFromRemoteVpc",
}


def _accepted(ctx: Context, id_: str, _: Values, new: Values) -> None:
    """Accept what waits for it; one that is accepted already is fine."""
    client = ctx.client("ec2")
    found = client.describe_vpc_peering_connections(VpcPeeringConnectionIds=[id_])["VpcPeeringConnections"]
    if new.get("autoAccept") and found[0]["Status"]["Code"] == "pending-acceptance":
        client.accept_vpc_peering_connection(VpcPeeringConnectionId=id_)


class _Options(ApiKind):
    """The options of one side, or of both: each region states its own."""

    def _observed(self, ctx: Context, id_: str, values: Values) -> Values | None:
        """Leave out the side that somebody else states."""
        observed = super()._observed(ctx, id_, values)
        return observed and {key: each for key, each in observed.items() if key in values}


KINDS: Mapping[str, Kind] = {
    # `acceptStatus` is left to the accepter: here it would be another one as soon as that is done.
    "aws:ec2/vpcPeeringConnection:VpcPeeringConnection": ApiKind(
        service="ec2",
        make=call("create_vpc_peering_connection"),
        id="VpcPeeringConnection.VpcPeeringConnectionId",
        find=_CONNECTION,
        at=_LIVING,
        outputs={
            "peerOwnerId": "AccepterVpcInfo.OwnerId",
            "peerRegion": "AccepterVpcInfo.Region",
        },
        drop=call("delete_vpc_peering_connection", VpcPeeringConnectionId="{id}"),
        tags="ec2",
        ec2_type="vpc-peering-connection",
    ),
    "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter": ApiKind(
        service="ec2",
        make=call("describe_vpc_peering_connections", VpcPeeringConnectionIds=["{vpcPeeringConnectionId}"]),
        id="VpcPeeringConnections[0].VpcPeeringConnectionId",
        find=_CONNECTION,
        at=_LIVING,
        outputs={
            "acceptStatus": "Status.Code",
            "peerOwnerId": "RequesterVpcInfo.OwnerId",
            "peerRegion": "RequesterVpcInfo.Region",
            "peerVpcId": "RequesterVpcInfo.VpcId",
            "vpcId": "AccepterVpcInfo.VpcId",
        },
        settle=_accepted,
        # Nothing deletes it but the connection: the provider only lets go of it.
        tags="ec2",
    ),
    "aws:ec2/peeringConnectionOptions:PeeringConnectionOptions": _Options(
        service="ec2",
        make=call("modify_vpc_peering_connection_options", VpcPeeringConnectionId="{vpcPeeringConnectionId}"),
        rename=_OPTIONS,
        id="={vpcPeeringConnectionId}",
        find=_CONNECTION,
        at=_LIVING,
        watched={
            side: f"{info}.PeeringOptions.{{allowRemoteVpcDnsResolution: AllowDnsResolutionFromRemoteVpc}}"
            for side, info in {"accepter": "AccepterVpcInfo", "requester": "RequesterVpcInfo"}.items()
        },
        changes=(put("modify_vpc_peering_connection_options", VpcPeeringConnectionId="{id}"),),
    ),
}
