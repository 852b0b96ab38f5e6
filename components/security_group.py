"""The security group of a data store: one port, from named groups and networks, and no way out."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components.component import Component


def data_security_group(
    component: Component,
    name: str,
    *,
    service: str,
    port: int,
    vpc_id: pulumi.Input[str],
    clients: Mapping[str, pulumi.Input[str]],
    client_cidrs: Mapping[str, str] | None = None,
) -> aws.ec2.SecurityGroup:
    """Let clients reach `port`; a data store opens no connection of its own.

    Args:
        component: parent of the group and its rules.
        name: logical name of the group, region first.
        service: what listens, for the descriptions.
        port: where it listens.
        vpc_id: the VPC.
        clients: security group ids by name of the rule.
        client_cidrs: networks by name of the rule, for pods in another region: a rule cannot name a security
            group of another region (https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-security-groups.html).
    """
    group = aws.ec2.SecurityGroup(
        name,
        name=component.site.names.of("security_group", name),
        description=f"{service}, from the pods only.",
        vpc_id=vpc_id,
        opts=component.stateful(),
    )
    for rule, source in clients.items():
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-{rule}",
            description=f"{service} from {rule}.",
            security_group_id=group.id,
            referenced_security_group_id=source,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            opts=component.child(),
        )
    for rule, cidr in (client_cidrs or {}).items():
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-{rule}",
            description=f"{service} from {rule}.",
            security_group_id=group.id,
            cidr_ipv4=cidr,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            opts=component.child(),
        )
    return group
