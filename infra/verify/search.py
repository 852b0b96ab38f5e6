"""The search engine, and the API that partners come through."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from infra.verify.facts import Fact, Probe, Scope, equal, holds, unchecked
from stacks.phase import Search

TLS = "Policy-Min-TLS-1-2"
"""How the names of all policies without older versions begin."""


def search(scope: Scope) -> Iterator[Probe]:
    """The region's domain, from the phase on that has one; output `searchDomain`."""
    size = scope.phase.search
    if size is not None:
        name = scope.text("searchDomain")
        yield Probe("search", name, partial(_domain, scope, size, name))


def _domain(scope: Scope, size: Search, name: str) -> Iterator[Fact]:
    domain = scope.client("opensearch").describe_domain(DomainName=name)["DomainStatus"]
    cluster, storage = domain["ClusterConfig"], domain["EBSOptions"]
    yield equal("type", size.instance_type, cluster["InstanceType"])
    yield equal("nodes", size.nodes, cluster["InstanceCount"])
    yield equal("over three zones", 3, cluster.get("ZoneAwarenessConfig", {}).get("AvailabilityZoneCount"))
    yield equal("storage type", "gp3", storage.get("VolumeType"))
    yield equal("storage of a node", f"{size.storage_gib} GiB", f"{storage.get('VolumeSize')} GiB")
    keys, rest = set(scope.names("keyArns").values()), domain["EncryptionAtRestOptions"]
    yield holds("encrypted with the stack's key", rest.get("KmsKeyId") in keys, keys, rest.get("KmsKeyId"))
    yield equal("encrypted between nodes", expected=True, actual=domain["NodeToNodeEncryptionOptions"]["Enabled"])
    endpoint = domain["DomainEndpointOptions"]
    yield equal("HTTPS only", expected=True, actual=endpoint["EnforceHTTPS"])
    policy = endpoint.get("TLSSecurityPolicy", "")
    yield holds("TLS", policy.startswith(TLS), f"{TLS}-...", policy)
    access = domain["AdvancedSecurityOptions"]
    yield equal("fine-grained access control", expected=True, actual=access["Enabled"])
    yield equal("passwords", expected=False, actual=access["InternalUserDatabaseEnabled"])
    yield equal("subnets in the VPC", 3, len(domain.get("VPCOptions", {}).get("SubnetIds", ())))
    published = {kind for kind, log in domain.get("LogPublishingOptions", {}).items() if log.get("Enabled")}
    wanted = {"AUDIT_LOGS", "ES_APPLICATION_LOGS", "INDEX_SLOW_LOGS", "SEARCH_SLOW_LOGS"}
    yield equal("logs", wanted, published)


def partner_api(scope: Scope) -> Iterator[Probe]:
    """The HTTP API of the home region; output `partnerApiId`."""
    if scope.phase.edge.partner_api:
        api_id = scope.text("partnerApiId")
        yield Probe("partner API", f"partners.{scope.domain}", partial(_api, scope, api_id))


def _api(scope: Scope, api_id: str) -> Iterator[Fact]:
    client = scope.client("apigatewayv2")
    yield equal(
        "AWS's own address", expected=False, actual=not client.get_api(ApiId=api_id)["DisableExecuteApiEndpoint"]
    )
    routes = {route["RouteKey"] for route in client.get_routes(ApiId=api_id)["Items"]}
    yield equal("routes", {"ANY /api/{proxy+}", "ANY /webhooks/{proxy+}"}, routes)
    mappings = client.get_api_mappings(DomainName=f"partners.{scope.domain}")["Items"]
    yield equal("domain leads to", {api_id}, {mapping["ApiId"] for mapping in mappings})
    if scope.local:
        yield unchecked("quotas", "the local cloud has no stages")
        return
    settings = client.get_stage(ApiId=api_id, StageName="$default")["RouteSettings"]
    without = routes - {route for route, each in settings.items() if each.get("ThrottlingRateLimit")}
    yield holds("routes without a quota", not without, "none", without)
