"""API Gateway's HTTP APIs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from infra.local.aws.calls import call, change
from infra.local.aws.kind import Context, Kind, Values
from infra.local.aws.memory import MemoryKind, Parent
from infra.local.aws.table import ApiKind

_API = "arn:{partition}:apigateway:{region}::"
"""API Gateway's ARNs have no account."""
_ZONE = "Z1UJRXOUMOOFQ8"
"""Stands for the zone that API Gateway has in each region."""


def _target(ctx: Context, id_: str, _: Values, __: Values) -> Values:
    """Where DNS points to, which moto does not make up."""
    digest = hashlib.sha256(id_.encode()).hexdigest()[:10]
    host = f"d-{digest}.execute-api.{ctx.region}.amazonaws.com"
    return {"domainNameConfiguration": {"hostedZoneId": _ZONE, "targetDomainName": host}}


KINDS: Mapping[str, Kind] = {
    "aws:apigatewayv2/api:Api": ApiKind(
        service="apigatewayv2",
        make=call("create_api"),
        id="ApiId",
        find=call("get_api", ApiId="{id}"),
        outputs={
            "apiEndpoint": "ApiEndpoint",
            "arn": f"={_API}/apis/{{id}}",
            "executionArn": "=arn:{partition}:execute-api:{region}:{account}:{id}",
        },
        watched={"description": "Description", "disableExecuteApiEndpoint": "DisableExecuteApiEndpoint"},
        changes=(change("update_api", ApiId="{id}"),),
        drop=call("delete_api", ApiId="{id}"),
        named=("name", 128),
        tags="apigatewayv2",
    ),
    "aws:apigatewayv2/vpcLink:VpcLink": ApiKind(
        service="apigatewayv2",
        make=call("create_vpc_link"),
        id="VpcLinkId",
        find=call("get_vpc_link", VpcLinkId="{id}"),
        outputs={"arn": f"={_API}/vpclinks/{{id}}"},
        watched={"securityGroupIds": "SecurityGroupIds", "subnetIds": "SubnetIds"},
        changes=(change("update_vpc_link", VpcLinkId="{id}"),),
        drop=call("delete_vpc_link", VpcLinkId="{id}"),
        named=("name", 128),
        tags="apigatewayv2",
    ),
    "aws:apigatewayv2/integration:Integration": ApiKind(
        service="apigatewayv2",
        make=call("create_integration"),
        rename={"timeoutMilliseconds": "TimeoutInMillis"},
        id="IntegrationId",
        find=call("get_integration", ApiId="{apiId}", IntegrationId="{id}"),
        watched={"integrationUri": "IntegrationUri", "timeoutMilliseconds": "TimeoutInMillis"},
        changes=(change("update_integration", ApiId="{apiId}", IntegrationId="{id}"),),
        drop=call("delete_integration", ApiId="{apiId}", IntegrationId="{id}"),
    ),
    "aws:apigatewayv2/route:Route": ApiKind(
        service="apigatewayv2",
        make=call("create_route"),
        id="RouteId",
        find=call("get_route", ApiId="{apiId}", RouteId="{id}"),
        watched={"authorizationType": "AuthorizationType", "routeKey": "RouteKey", "target": "Target"},
        changes=(change("update_route", ApiId="{apiId}", RouteId="{id}"),),
        drop=call("delete_route", ApiId="{apiId}", RouteId="{id}"),
    ),
    # moto makes stages, but has no operation that changes one.
    "aws:apigatewayv2/stage:Stage": MemoryKind(
        type="API Gateway stage",
        id="{name}",
        slot="{apiId}/{name}",
        outputs={
            "arn": f"{_API}/apis/{{apiId}}/stages/{{name}}",
            "executionArn": "arn:{partition}:execute-api:{region}:{account}:{apiId}/{name}",
            "invokeUrl": "https://{apiId}.execute-api.{region}.amazonaws.com/",
        },
        parents=(Parent("apigatewayv2", call("get_api", ApiId="{apiId}"), "ApiId"),),
        tags=True,
    ),
    # No operation of moto's changes these two either: new tags, or a new certificate, are in the state only.
    "aws:apigatewayv2/domainName:DomainName": ApiKind(
        service="apigatewayv2",
        make=call("create_domain_name"),
        rename={"domainNameConfiguration": "DomainNameConfigurations"},
        id="DomainName",
        find=call("get_domain_name", DomainName="{id}"),
        outputs={
            "apiMappingSelectionExpression": "ApiMappingSelectionExpression",
            "arn": f"={_API}/domainnames/{{id}}",
        },
        derive=_target,
        derived=("domainNameConfiguration.hostedZoneId", "domainNameConfiguration.targetDomainName"),
        drop=call("delete_domain_name", DomainName="{id}"),
    ),
    "aws:apigatewayv2/apiMapping:ApiMapping": ApiKind(
        service="apigatewayv2",
        make=call("create_api_mapping"),
        id="ApiMappingId",
        find=call("get_api_mapping", ApiMappingId="{id}", DomainName="{domainName}"),
        drop=call("delete_api_mapping", ApiMappingId="{id}", DomainName="{domainName}"),
    ),
}
