"""The Kubernetes cluster, the load balancer in front of it, and where its images are."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from infra.verify.facts import Fact, Probe, Scope, equal, holds, unchecked

CONTROL_PLANE_LOGS = {"api", "audit", "authenticator", "controllerManager", "scheduler"}


def kubernetes(scope: Scope) -> Iterator[Probe]:
    """The EKS cluster."""
    name = scope.text("clusterName")
    yield Probe("cluster", name, partial(_kubernetes, scope, name))


def _kubernetes(scope: Scope, name: str) -> Iterator[Fact]:
    eks = scope.client("eks")
    cluster = eks.describe_cluster(name=name)["cluster"]
    yield equal("status", "ACTIVE", cluster["status"])
    setups = cluster.get("logging", {}).get("clusterLogging", [])
    logged = {kind for setup in setups if setup["enabled"] for kind in setup["types"]}
    yield equal("control plane logs", CONTROL_PLANE_LOGS, logged)
    keys = set(scope.names("keyArns").values())
    encrypting = {
        entry["provider"]["keyArn"] for entry in cluster.get("encryptionConfig", []) if "secrets" in entry["resources"]
    }
    yield holds("secrets encrypted with the stack's key", encrypting and encrypting <= keys, keys, encrypting)
    network = cluster["resourcesVpcConfig"]
    yield equal("endpoint inside the VPC", expected=True, actual=network.get("endpointPrivateAccess"))
    open_to = set(network.get("publicAccessCidrs", [])) if network.get("endpointPublicAccess") else set()
    yield holds("endpoint open to", "0.0.0.0/0" not in open_to, "named networks at most", open_to)
    if scope.local:
        for what in ("authentication mode", "Auto Mode", "support of the version", "access entries"):
            yield unchecked(what, "the local cloud does not keep it (moto)")
        return
    yield equal("authentication mode", "API", cluster.get("accessConfig", {}).get("authenticationMode"))
    yield equal("Auto Mode", expected=True, actual=cluster.get("computeConfig", {}).get("enabled"))
    version = eks.describe_cluster_versions(clusterVersions=[cluster["version"]])["clusterVersions"][0]
    # Extended support costs six times as much for each cluster hour.
    yield equal(f"support of version {cluster['version']}", "STANDARD_SUPPORT", version.get("versionStatus"))
    entries = eks.list_access_entries(clusterName=name)["accessEntries"]
    yield holds("access entries", entries, "one or more", len(entries))


def load_balancer(scope: Scope) -> Iterator[Probe]:
    """The application load balancer."""
    arn = scope.text("loadBalancerArn")
    yield Probe("cluster", arn.split("/")[-2], partial(_load_balancer, scope, arn))


def _load_balancer(scope: Scope, arn: str) -> Iterator[Fact]:
    elb = scope.client("elbv2")
    balancer = elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]
    yield equal("state", "active", balancer["State"]["Code"])
    yield equal("type", "application", balancer["Type"])
    pairs = elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    attributes = {pair["Key"]: pair["Value"] for pair in pairs}
    protection = "true" if scope.protected else "false"
    yield equal("deletion protection", protection, attributes.get("deletion_protection.enabled"))
    yield equal("access logs", "true", attributes.get("access_logs.s3.enabled"))
    dropped = attributes.get("routing.http.drop_invalid_header_fields.enabled")
    yield equal("invalid headers dropped", "true", dropped)
    listeners = elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]
    yield equal("listeners", {"HTTPS:443"}, {f"{item['Protocol']}:{item['Port']}" for item in listeners})
    actions = {action["Type"] for item in listeners for action in item["DefaultActions"]}
    # What no rule forwards did not come through CloudFront.
    yield equal("what no rule forwards", {"fixed-response"}, actions)


def registry(scope: Scope) -> Iterator[Probe]:
    """The image repository."""
    url = scope.text("repositoryUrl")
    name = url.partition("/")[2]
    yield Probe("registry", name, partial(_registry, scope, name))


def _registry(scope: Scope, name: str) -> Iterator[Fact]:
    repository = scope.client("ecr").describe_repositories(repositoryNames=[name])["repositories"][0]
    yield equal("tags", "IMMUTABLE", repository["imageTagMutability"])
    yield equal("scanned at push", expected=True, actual=repository["imageScanningConfiguration"]["scanOnPush"])
    yield equal("encryption", "KMS", repository["encryptionConfiguration"]["encryptionType"])
