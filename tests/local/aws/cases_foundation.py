"""Cases of network, identity, secrets and functions."""

from __future__ import annotations

from collections.abc import Mapping

from infra.local.aws.kind import Values
from tests.local.aws.case import Case, anyone, case, same
from tests.local.aws.scene import TRUST, Scene, code, policy


def _rule(scene: Scene) -> Values:
    return {
        "securityGroupId": scene.group,
        "ipProtocol": "tcp",
        "fromPort": 5432,
        "toPort": 5432,
        "cidrIpv4": "10.0.0.0/8",
    }


NETWORK: Mapping[str, Case] = {
    "aws:ec2/vpc:Vpc": case(
        same(cidrBlock="10.1.0.0/16", enableDnsHostnames=True), same(enableDnsHostnames=False), tags=True
    ),
    "aws:ec2/subnet:Subnet": case(
        lambda scene: {"vpcId": scene.vpc, "cidrBlock": "10.0.9.0/24", "mapPublicIpOnLaunch": True},
        same(mapPublicIpOnLaunch=False),
        "mapPublicIpOnLaunch",
        tags=True,
    ),
    "aws:ec2/internetGateway:InternetGateway": case(same(), lambda scene: {"vpcId": scene.vpc}, "vpcId", tags=True),
    "aws:ec2/eip:Eip": case(same(domain="vpc"), tags=True),
    "aws:ec2/natGateway:NatGateway": case(
        lambda scene: {
            "allocationId": scene.make("aws:ec2/eip:Eip", domain="vpc")[2],
            "subnetId": scene.subnets[0],
        },
        tags=True,
    ),
    "aws:ec2/routeTable:RouteTable": case(
        lambda scene: {
            "vpcId": scene.vpc,
            "routes": [{"cidrBlock": "0.0.0.0/0", "gatewayId": scene.gateway}],
        },
        same(routes=[]),
        tags=True,
    ),
    "aws:ec2/route:Route": case(
        lambda scene: {
            "routeTableId": scene.route_table,
            "destinationCidrBlock": "0.0.0.0/0",
            "gatewayId": scene.gateway,
        },
        lambda scene: {
            "gatewayId": None,
            "natGatewayId": scene.make(
                "aws:ec2/natGateway:NatGateway", subnetId=scene.subnets[0], connectivityType="private"
            )[2],
        },
        "natGatewayId",
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": case(
        lambda scene: {"routeTableId": scene.route_table, "subnetId": scene.subnets[0]},
        lambda scene: {"routeTableId": scene.route_table},
        "routeTableId",
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": case(
        lambda scene: {
            "vpcId": scene.vpc,
            "serviceName": "com.amazonaws.us-east-1.s3",
            "vpcEndpointType": "Gateway",
            "routeTableIds": [scene.route_table],
        },
        lambda scene: {"routeTableIds": [scene.route_table]},
        tags=True,
    ),
    "aws:ec2/flowLog:FlowLog": case(
        lambda scene: {
            "vpcId": scene.vpc,
            "trafficType": "ALL",
            "logDestinationType": "s3",
            "logDestination": f"arn:aws:s3:::{scene.bucket}",
        },
        tags=True,
    ),
    "aws:ec2/securityGroup:SecurityGroup": case(
        lambda scene: {
            "vpcId": scene.vpc,
            "ingress": [{"protocol": "tcp", "fromPort": 80, "toPort": 80, "cidrBlocks": ["0.0.0.0/0"]}],
        },
        same(egress=[{"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["0.0.0.0/0"]}]),
        tags=True,
    ),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": case(
        lambda scene: {"vpcId": scene.make("aws:ec2/vpc:Vpc", cidrBlock="10.2.0.0/16")[2]}, tags=True, stays=True
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": case(
        _rule, same(cidrIpv4="10.0.0.0/16"), "cidrIpv4", tags=True
    ),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": case(
        _rule, same(cidrIpv4="10.0.0.0/16"), "cidrIpv4", tags=True
    ),
}

IDENTITY: Mapping[str, Case] = {
    "aws:iam/role:Role": case(
        lambda _: {
            "assumeRolePolicy": TRUST,
            "managedPolicyArns": ["arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"],
            "inlinePolicies": [{"name": "read", "policy": policy("Read")}],
        },
        same(maxSessionDuration=7200, managedPolicyArns=[], inlinePolicies=[]),
        "maxSessionDuration",
        tags=True,
    ),
    "aws:iam/rolePolicy:RolePolicy": case(
        lambda scene: {"role": scene.role["name"], "policy": policy("Read")}, same(policy=policy("Other"))
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": case(
        lambda scene: {"role": scene.role["name"], "policyArn": "arn:aws:iam::aws:policy/AmazonEKSComputePolicy"}
    ),
    "aws:iam/policy:Policy": case(same(policy=policy("Read")), same(policy=policy("Other")), tags=True),
    "aws:kms/key:Key": case(
        same(description="first", multiRegion=True, enableKeyRotation=True, deletionWindowInDays=7),
        same(description="second", enableKeyRotation=False, policy=anyone("kms:*", "All")),
        "description",
        "enableKeyRotation",
        tags=True,
    ),
    "aws:kms/alias:Alias": case(
        lambda scene: {"name": f"alias/{scene.unique()}", "targetKeyId": scene.key},
        lambda scene: {"targetKeyId": scene.make("aws:kms/key:Key")[2]},
        "targetKeyArn",
    ),
    "aws:secretsmanager/secret:Secret": case(
        lambda scene: {"name": scene.unique("db/password"), "kmsKeyId": scene.key, "description": "first"},
        same(description="second"),
        "description",
        tags=True,
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": case(
        lambda scene: {
            "secretId": scene.make("aws:secretsmanager/secret:Secret", recoveryWindowInDays=0)[2],
            "secretString": "value",
        },
        stays=True,
    ),
    "aws:secretsmanager/secretRotation:SecretRotation": case(
        lambda scene: {
            "secretId": scene.secret,
            "rotationLambdaArn": scene.function["arn"],
            "rotationRules": {"automaticallyAfterDays": 30},
        },
        same(rotationRules={"automaticallyAfterDays": 60}),
    ),
    "aws:secretsmanager/secretPolicy:SecretPolicy": case(
        lambda scene: {"secretArn": scene.secret, "policy": anyone("secretsmanager:GetSecretValue", "A")},
        same(policy=anyone("secretsmanager:GetSecretValue", "B")),
        "policy",
    ),
    "aws:ssm/parameter:Parameter": case(
        lambda scene: {"name": f"/{scene.unique()}", "type": "String", "value": "first"},
        same(value="second"),
        "version",
        tags=True,
    ),
    "aws:lambda/function:Function": case(
        lambda scene: {
            "role": scene.role["arn"],
            "runtime": "python3.13",
            "handler": "index.handler",
            "memorySize": 128,
            "environment": {"variables": {"A": "b"}},
            "code": code("first"),
        },
        lambda _: {"memorySize": 256, "code": code("second")},
        "memorySize",
        "codeSha256",
        tags=True,
    ),
    "aws:lambda/permission:Permission": case(
        lambda scene: {
            "action": "lambda:InvokeFunction",
            "function": scene.function["name"],
            "principal": "secretsmanager.amazonaws.com",
        }
    ),
}
