"""The types of the stack are all there, and spelt as the SDK spells them."""

from __future__ import annotations

import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra.local.aws import KINDS
from infra.local.aws.invokes import INVOKES

# The AWS types of the 10k stack.
STACK = {
    "apigatewayv2": "Api VpcLink Integration Route Stage DomainName ApiMapping",
    "appautoscaling": "Target Policy",
    "athena": "Workgroup",
    "amp": "Workspace RuleGroupNamespace AlertManagerDefinition Scraper",
    "backup": "Vault Plan Selection VaultNotifications",
    "budgets": "Budget",
    "acm": "Certificate CertificateValidation",
    "cloudfront": "Distribution OriginAccessControl CachePolicy OriginRequestPolicy ResponseHeadersPolicy "
    "MonitoringSubscription Function",
    "cloudwatch": "LogGroup LogStream LogMetricFilter Dashboard MetricAlarm CompositeAlarm EventRule EventTarget "
    "LogResourcePolicy LogDeliverySource LogDeliveryDestination LogDelivery",
    "cloudtrail": "Trail",
    "guardduty": "Detector",
    "fis": "ExperimentTemplate",
    "grafana": "Workspace",
    "costexplorer": "AnomalyMonitor AnomalySubscription",
    "ec2": "Vpc Subnet InternetGateway Eip NatGateway RouteTable Route RouteTableAssociation VpcEndpoint FlowLog "
    "DefaultSecurityGroup SecurityGroup VpcPeeringConnection VpcPeeringConnectionAccepter PeeringConnectionOptions",
    "ecr": "Repository LifecyclePolicy",
    "eks": "Cluster AccessEntry AccessPolicyAssociation Addon PodIdentityAssociation",
    "elasticache": "SubnetGroup ParameterGroup User UserGroup ReplicationGroup GlobalReplicationGroup",
    "glue": "CatalogDatabase CatalogTable",
    "iam": "Role RolePolicy RolePolicyAttachment Policy",
    "kinesis": "Stream FirehoseDeliveryStream",
    "kms": "Key Alias",
    "lambda": "Function Permission",
    "lb": "LoadBalancer TargetGroup Listener ListenerRule",
    "opensearch": "Domain",
    "rds": "SubnetGroup ParameterGroup Instance EventSubscription",
    "route53": "Zone Record HealthCheck",
    "s3": "Bucket BucketVersioning BucketServerSideEncryptionConfiguration BucketPublicAccessBlock BucketPolicy "
    "BucketLifecycleConfiguration BucketOwnershipControls BucketLogging BucketCorsConfiguration BucketNotification "
    "BucketObjectv2 BucketReplicationConfig",
    "sagemaker": "Model EndpointConfiguration Endpoint",
    "scheduler": "Schedule",
    "secretsmanager": "Secret SecretVersion SecretRotation SecretPolicy",
    "sesv2": "EmailIdentity ConfigurationSet ConfigurationSetEventDestination DedicatedIpPool",
    "synthetics": "Canary",
    "sns": "Topic TopicPolicy TopicSubscription",
    "sqs": "Queue QueuePolicy RedriveAllowPolicy",
    "ssm": "Parameter",
    "vpc": "SecurityGroupIngressRule SecurityGroupEgressRule",
    "xray": "Group SamplingRule",
    "wafv2": "WebAcl IpSet WebAclLoggingConfiguration WebAclAssociation",
}
TOKENS = [
    f"aws:{module}/{name[0].lower()}{name[1:]}:{name}" for module, names in STACK.items() for name in names.split()
]


def _sdk() -> Path:
    found = importlib.util.find_spec("pulumi_aws")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


@cache
def registered() -> dict[str, str]:
    """Python module by token, from the SDK's own registration; importing it all would take seconds."""
    source = (_sdk() / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'resource_modules="""\s*(\[.*?\])\s*"""', source, re.DOTALL)
    assert found is not None
    modules: list[dict[str, Any]] = json.loads(found[1])
    return {token: module["fqn"] for module in modules for token in module["classes"]}


def output_properties(token: str) -> set[str]:
    """Names of the properties of a resource class, inputs among them."""
    stem = token.split(":")[1].split("/")[1]
    snake = re.sub(r"([A-Z])", lambda upper: f"_{upper[1].lower()}", stem)
    package = _sdk().joinpath(*registered()[token].split(".")[1:])
    source = (package / f"{snake}.py").read_text(encoding="utf-8")
    body = source[source.index(f'@pulumi.type_token("{token}")') :]
    getters = re.findall(r'@pulumi\.getter(?:\(name="(\w+)"\))?\s+def (\w+)\(self\)', body)
    return {name or python for name, python in getters}


def test_the_local_cloud_has_every_type_of_the_stack() -> None:
    assert set(TOKENS) - KINDS.keys() == set()


@pytest.mark.parametrize("token", KINDS)
def test_a_type_and_its_outputs_are_the_sdks(token: str) -> None:
    assert token in registered()
    outputs = output_properties(token)
    assert outputs
    assert {path.split(".")[0] for path in KINDS[token].computed} - outputs == set()


@pytest.mark.parametrize("token", INVOKES)
def test_a_function_is_the_sdks(token: str) -> None:
    module, name = token.split(":")[1:]
    folder = module.split("/")[0].replace("index", ".")
    snake = re.sub(r"([A-Z])", lambda upper: f"_{upper[1].lower()}", name)
    source = (_sdk() / folder / f"{snake}.py").read_text(encoding="utf-8")
    assert f"pulumi.runtime.invoke('{token}'" in source
