"""The replacement data, and the rules that look at values."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from infra.local.aws import KINDS
from infra.replacements import DATA, KEPT_WHEN_DROPPED, NAMES, RULES, Verdict, judge, known, replaces_at

DATABASE = "aws:rds/instance:Instance"
CACHE = "aws:elasticache/replicationGroup:ReplicationGroup"
CLUSTER = "aws:eks/cluster:Cluster"
SEARCH = "aws:opensearch/domain:Domain"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
NONE, UPDATE, REPLACE, REFUSE = Verdict.NONE, Verdict.UPDATE, Verdict.REPLACE, Verdict.REFUSE
TYPES: Mapping[str, Mapping[str, Any]] = json.loads(DATA.read_text(encoding="utf-8"))["types"]


def verdict(token: str, path: str, old: object, new: object, *, unknown: bool = False, **others: object) -> Verdict:
    root = path.split(".", maxsplit=1)[0]
    olds = {root: old, **others} if old is not None else others
    news = {root: new, **others} if new is not None or unknown else others
    return judge(token, path, old, new, unknown=unknown, olds=olds, news=news).outcome


@pytest.mark.parametrize(
    ("token", "path", "old", "new", "expected"),
    [
        (DATABASE, "instanceClass", "db.t4g.medium", "db.r6g.large", UPDATE),
        (DATABASE, "kmsKeyId", "arn:a", "arn:b", REPLACE),
        (DATABASE, "kmsKeyId", "arn:a", None, NONE),
        (DATABASE, "kmsKeyId", None, "arn:a", REPLACE),
        (DATABASE, "identifier", "a", "b", UPDATE),
        (DATABASE, "engine", "postgres", "POSTGRES", NONE),
        (DATABASE, "engine", "postgres", "mysql", REPLACE),
        (DATABASE, "allocatedStorage", 20, 100, UPDATE),
        (DATABASE, "allocatedStorage", 100, 20, REFUSE),
        (DATABASE, "dbSubnetGroupName", "a", "b", REFUSE),
        (DATABASE, "replicateSourceDb", "primary", None, UPDATE),
        (DATABASE, "replicateSourceDb", None, "primary", REFUSE),
        (DATABASE, "engineVersion", "16", "17", UPDATE),
        (DATABASE, "engineVersion", "16", "16.4", UPDATE),
        (DATABASE, "engineVersion", "16.4", "16", UPDATE),
        (DATABASE, "engineVersion", "17", "16", REFUSE),
        (CACHE, "nodeType", "cache.t4g.micro", "cache.r7g.large", UPDATE),
        (CACHE, "numNodeGroups", 1, 3, UPDATE),
        (CACHE, "engine", "redis", "valkey", UPDATE),
        (CACHE, "engine", "valkey", "redis", REPLACE),
        (CACHE, "port", None, 6379, NONE),
        (CACHE, "port", 6379, 6380, REPLACE),
        (CACHE, "clusterMode", "disabled", "compatible", UPDATE),
        (CACHE, "clusterMode", "disabled", "enabled", REFUSE),
        (CACHE, "clusterMode", "enabled", "compatible", REFUSE),
        (CACHE, "nodeGroupConfigurations.slots", "0-1", "0-2", REPLACE),
        (CLUSTER, "version", "1.33", "1.34", UPDATE),
        (CLUSTER, "version", "1.33", "1.35", REFUSE),
        (CLUSTER, "version", "1.34", "1.33", REFUSE),
        (CLUSTER, "accessConfig.authenticationMode", "CONFIG_MAP", "API", UPDATE),
        (CLUSTER, "accessConfig.authenticationMode", "API", "CONFIG_MAP", REFUSE),
        (CLUSTER, "accessConfig.bootstrapClusterCreatorAdminPermissions", False, True, REPLACE),
        (CLUSTER, "computeConfig.nodeRoleArn", None, "arn:a", UPDATE),
        (CLUSTER, "computeConfig.nodeRoleArn", "arn:a", "arn:b", REPLACE),
        (CLUSTER, "encryptionConfig", None, {"resources": ["secrets"]}, UPDATE),
        (CLUSTER, "encryptionConfig", {"resources": ["secrets"]}, None, REPLACE),
        (CLUSTER, "encryptionConfig.provider.keyArn", "arn:a", "arn:b", REFUSE),
        (CLUSTER, "vpcConfig.controlPlaneEgressMode", "CUSTOMER_ROUTED", "AWS_MANAGED", REPLACE),
        (CLUSTER, "vpcConfig.controlPlaneEgressMode", "AWS_MANAGED", "CUSTOMER_ROUTED", UPDATE),
        (SEARCH, "clusterConfig.instanceType", "m6g.large.search", "r6g.large.search", UPDATE),
        (SEARCH, "ebsOptions.volumeSize", 100, 200, UPDATE),
        (SEARCH, "encryptAtRest.kmsKeyId", "arn:a", "arn:b", REPLACE),
        (SEARCH, "vpcOptions.securityGroupIds", "sg-1", "sg-2", UPDATE),
        (SEARCH, "advancedSecurityOptions.enabled", False, True, UPDATE),
        (SEARCH, "advancedSecurityOptions.enabled", True, False, REPLACE),
        (SEARCH, "engineVersion", "OpenSearch_2.19", "OpenSearch_3.1", UPDATE),
        (SEARCH, "engineVersion", "OpenSearch_2.19", "OpenSearch_2.17", REPLACE),
        ("aws:ec2/vpc:Vpc", "instanceTenancy", "default", "dedicated", REPLACE),
        ("aws:ec2/vpc:Vpc", "instanceTenancy", "dedicated", "default", UPDATE),
        (INGRESS, "cidrIpv4", "10.0.0.0/8", "10.1.0.0/16", UPDATE),
        (INGRESS, "cidrIpv4", "10.0.0.0/8", None, REPLACE),
        (INGRESS, "referencedSecurityGroupId", None, "sg-1", REPLACE),
        ("aws:ec2/vpcEndpoint:VpcEndpoint", "privateDnsEnabled", False, True, REPLACE),
        ("aws:s3/bucketVersioning:BucketVersioning", "versioningConfiguration.status", "Enabled", "Disabled", REFUSE),
        ("aws:s3/bucketVersioning:BucketVersioning", "versioningConfiguration.status", "Enabled", "Suspended", UPDATE),
        ("aws:ecr/lifecyclePolicy:LifecyclePolicy", "policy", '{"a": 1}', '{ "a":1 }', NONE),
        ("aws:ecr/lifecyclePolicy:LifecyclePolicy", "policy", '{"a": 1}', '{"a": 2}', REPLACE),
        ("aws:route53/record:Record", "name", "Origin.example.com.", "origin.example.com", NONE),
        ("aws:route53/record:Record", "name", "a.example.com", "b.example.com", REPLACE),
        ("aws:route53/zone:Zone", "vpcs", None, [{"vpcId": "vpc-1"}], REFUSE),
        ("aws:ssm/parameter:Parameter", "tier", "Advanced", "Standard", REPLACE),
        ("aws:ssm/parameter:Parameter", "tier", "Standard", "Intelligent-Tiering", NONE),
        ("aws:kms/key:Key", "multiRegion", False, True, REPLACE),
        ("aws:kms/key:Key", "multiRegion", True, None, NONE),
        ("kubernetes:apps/v1:Deployment", "spec.selector.matchLabels.app", "a", "b", REPLACE),
        ("kubernetes:apps/v1:Deployment", "spec.template.spec.containers.image", "a", "b", UPDATE),
        ("kubernetes:batch/v1:Job", "spec.template.spec.containers.image", "a", "b", REPLACE),
        ("kubernetes:core/v1:ConfigMap", "data.key", "a", "b", REPLACE),
        ("kubernetes:karpenter.sh/v1:NodePool", "metadata.name", "a", "b", REPLACE),
        ("kubernetes:karpenter.sh/v1:NodePool", "spec.weight", 1, 2, UPDATE),
        ("cloudflare:index/dnsRecord:DnsRecord", "content", "a", "b", UPDATE),
        ("cloudflare:index/dnsRecord:DnsRecord", "zoneId", "a", "b", REPLACE),
        ("random:index/randomPassword:RandomPassword", "keepers.version", "1", "2", REPLACE),
    ],
)
def test_a_change_is_judged_as_the_providers_do(
    token: str, path: str, old: object, new: object, expected: Verdict
) -> None:
    assert verdict(token, path, old, new) is expected


@pytest.mark.parametrize(
    ("engine", "version", "expected"),
    [("valkey", "8.0", UPDATE), ("redis", "7.1", UPDATE), ("redis", "7.0.4", REPLACE), ("redis", "6.2", REPLACE)],
)
def test_encryption_in_transit_is_in_place_where_the_engine_can(engine: str, version: str, expected: Verdict) -> None:
    found = verdict(CACHE, "transitEncryptionEnabled", old=False, new=True, engine=engine, engineVersion=version)
    assert found is expected


def test_a_cache_version_goes_down_only_by_replacement_unless_the_engine_changes_too() -> None:
    assert verdict(CACHE, "engineVersion", "7.1", "6.2", engine="redis") is REPLACE
    olds, news = {"engine": "redis", "engineVersion": "7.2"}, {"engine": "valkey", "engineVersion": "7.1"}
    assert judge(CACHE, "engineVersion", "7.2", "7.1", unknown=False, olds=olds, news=news).outcome is UPDATE


def test_an_unknown_value_replaces_where_a_known_one_would_but_is_no_downgrade() -> None:
    assert verdict(DATABASE, "kmsKeyId", "arn:a", None, unknown=True) is REPLACE
    assert verdict(DATABASE, "engineVersion", "17", None, unknown=True) is UPDATE
    assert verdict(CACHE, "engineVersion", "7.1", None, unknown=True) is UPDATE
    assert verdict(CLUSTER, "computeConfig.nodeRoleArn", "arn:a", None, unknown=True) is REPLACE


def test_a_refusal_says_why() -> None:
    olds, news = {"allocatedStorage": 100}, {"allocatedStorage": 50}
    refused = judge(DATABASE, "allocatedStorage", 100, 50, unknown=False, olds=olds, news=news)
    assert refused.reason == "RDS storage never shrinks (allocatedStorage 100 to 50 GiB)"


@pytest.mark.parametrize(("ceiling", "expected"), [(200, NONE), (51, NONE), (50, REFUSE)])
def test_storage_that_grew_by_itself_is_let_be(ceiling: int, expected: Verdict) -> None:
    assert verdict(DATABASE, "allocatedStorage", 100, 50, maxAllocatedStorage=ceiling) is expected


def sdk_types() -> dict[str, Path]:
    """Each AWS token of the installed SDK with the module that defines it, read without importing."""
    spec = find_spec("pulumi_aws")
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    table = re.search(r'resource_modules="""(.*?)"""', (root / "__init__.py").read_text(encoding="utf-8"), re.DOTALL)
    assert table is not None
    found = {}
    for module in json.loads(table[1]):
        folder = root.parent / module["fqn"].replace(".", "/")
        for token, name in module.get("classes", {}).items():
            found[token] = folder / f"{re.sub(r'(?<!^)(?=[A-Z])', '_', name).lower()}.py"
    return found


def input_names(path: Path) -> set[str]:
    """The camelCase input names of the type that a generated SDK module defines."""
    snake = {
        argument.arg
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name.endswith("Args") and not node.name.startswith("_")
        for method in node.body
        if isinstance(method, ast.FunctionDef) and method.name == "__init__"
        for argument in (*method.args.args, *method.args.kwonlyargs)
    }
    return {re.sub(r"_([a-z0-9])", lambda m: m[1].upper(), name) for name in snake - {"__self__", "self"}}


def test_every_aws_entry_names_a_type_and_inputs_of_the_sdk() -> None:
    types = sdk_types()
    wrong = []
    for token in [t for t in TYPES if t.startswith("aws:")]:
        names = input_names(types[token])
        paths = [*TYPES[token].get("replace", ()), *TYPES[token].get("within", ())]
        paths += [path for rule, path in RULES if rule == token]
        wrong += [f"{token} {path}" for path in paths if path.split(".")[0] not in names]
    assert wrong == []


def test_every_entry_has_a_source_and_every_rule_an_entry() -> None:
    assert [token for token, entry in TYPES.items() if not entry["source"]] == []
    tables = {*(token for token, _ in RULES), *KEPT_WHEN_DROPPED, *NAMES}
    assert [token for token in tables if not known(token)] == []


def test_every_type_of_the_local_cloud_has_an_entry() -> None:
    assert [token for token in KINDS if not known(token)] == []


def test_what_dropping_keeps_would_otherwise_replace() -> None:
    pairs = [(token, path) for token, paths in KEPT_WHEN_DROPPED.items() for path in paths]
    assert [pair for pair in pairs if not replaces_at(*pair)] == []
