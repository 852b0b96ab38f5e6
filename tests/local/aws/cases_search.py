"""Cases of search, API Gateway and scaling."""

from __future__ import annotations

from collections.abc import Mapping

from infra.local.aws.kind import Values
from tests.local.aws.case import Case, anyone, case, same
from tests.local.aws.scene import Scene


def _size(scene: Scene, nodes: int, gib: int) -> Values:
    """A domain's inputs that growth changes."""
    return {
        "clusterConfig": {
            "instanceType": "m7g.medium.search",
            "instanceCount": nodes,
            "zoneAwarenessEnabled": True,
            "zoneAwarenessConfig": {"availabilityZoneCount": len(scene.subnets)},
        },
        "ebsOptions": {"ebsEnabled": True, "volumeType": "gp3", "volumeSize": gib},
    }


def _domain(scene: Scene) -> Values:
    return {
        "domainName": scene.unique("search"),
        "engineVersion": "OpenSearch_2.19",
        **_size(scene, 2, 20),
        "vpcOptions": {"subnetIds": scene.subnets, "securityGroupIds": [scene.group]},
        "encryptAtRest": {"enabled": True, "kmsKeyId": scene.key},
        "accessPolicies": anyone("es:ESHttp*", "A"),
        "logPublishingOptions": [
            {"logType": "AUDIT_LOGS", "cloudwatchLogGroupArn": f"arn:aws:logs:::{scene.log_group}", "enabled": True}
        ],
    }


def _api(scene: Scene) -> str:
    return scene.make("aws:apigatewayv2/api:Api", name=scene.unique("api"), protocolType="HTTP")[2]


def _integration(scene: Scene) -> Values:
    return {
        "apiId": _api(scene),
        "integrationType": "HTTP_PROXY",
        "integrationMethod": "ANY",
        "integrationUri": scene.listener,
        "connectionType": "VPC_LINK",
        "connectionId": "link",
        "payloadFormatVersion": "1.0",
        "timeoutMilliseconds": 29_000,
        "requestParameters": {"overwrite:header.x-origin-verify": "secret"},
        "tlsConfig": {"serverNameToVerify": "origin.example.com"},
    }


def _partner_domain(scene: Scene) -> Values:
    return {
        "domainName": f"{scene.unique('partners')}.example.com",
        "domainNameConfiguration": {
            "certificateArn": scene.certificate,
            "endpointType": "REGIONAL",
            "securityPolicy": "TLS_1_2",
        },
    }


def _mapping(scene: Scene) -> Values:
    host = scene.make("aws:apigatewayv2/domainName:DomainName", **_partner_domain(scene))[2]
    return {"apiId": _api(scene), "domainName": host, "stage": "$default"}


def _target(scene: Scene) -> Values:
    return {
        "serviceNamespace": "sagemaker",
        "resourceId": f"endpoint/{scene.unique('endpoint')}/variant/main",
        "scalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }


def _policy(target_value: int) -> Values:
    predefined = {"predefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    return {
        "targetTrackingScalingPolicyConfiguration": {
            "targetValue": target_value,
            "predefinedMetricSpecification": predefined,
            "scaleInCooldown": 600,
        }
    }


SEARCH: Mapping[str, Case] = {
    "aws:opensearch/domain:Domain": case(
        _domain, lambda scene: _size(scene, 4, 40), "clusterConfig", "ebsOptions", tags=True
    ),
}

GATEWAY: Mapping[str, Case] = {
    "aws:apigatewayv2/api:Api": case(
        same(name="api", protocolType="HTTP", description="first", disableExecuteApiEndpoint=True),
        same(description="second"),
        "description",
        tags=True,
    ),
    "aws:apigatewayv2/vpcLink:VpcLink": case(
        lambda scene: {"name": "link", "subnetIds": scene.subnets, "securityGroupIds": [scene.group]}, tags=True
    ),
    "aws:apigatewayv2/integration:Integration": case(
        _integration, same(timeoutMilliseconds=10_000), "timeoutMilliseconds"
    ),
    "aws:apigatewayv2/route:Route": case(
        lambda scene: {
            "apiId": _api(scene),
            "routeKey": "ANY /api/{proxy+}",
            "authorizationType": "NONE",
            "target": "integrations/one",
        },
        same(target="integrations/two"),
        "target",
    ),
    "aws:apigatewayv2/domainName:DomainName": case(_partner_domain),
    "aws:apigatewayv2/apiMapping:ApiMapping": case(_mapping),
}

SCALING: Mapping[str, Case] = {
    "aws:appautoscaling/target:Target": case(
        lambda scene: {**_target(scene), "minCapacity": 1, "maxCapacity": 2}, same(maxCapacity=3), "maxCapacity"
    ),
    "aws:appautoscaling/policy:Policy": case(
        lambda scene: {**_target(scene), "name": "load", "policyType": "TargetTrackingScaling", **_policy(300)},
        same(**_policy(600)),
    ),
}
