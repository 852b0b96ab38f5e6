"""The security group of a data store: one port, from named groups, and no way out."""

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
) -> aws.ec2.SecurityGroup:
    """Let `clients` (group ids by name of the rule) reach `port`; a data store opens no connection of its own."""
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
    return group
