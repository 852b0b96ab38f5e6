"""The cluster: private, logged, with named administrators, and nodes that cannot grow without end."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from components.cluster import Cluster, ClusterArgs
from components.cluster_access import administrators, kubeconfig, principal_arn
from components.cluster_nodes import node_limits, node_pool
from components.component import Site
from infra.errors import UserError
from stacks import phase_10k
from stacks.phase import Compute, Phase, PhaseName, Pods, Sizing
from stacks.phases import PHASES
from tests.components.conftest import ACCOUNT, Recorded
from tests.components.kubernetes_schema import objects, problems

Record = Callable[[Callable[[], object]], Recorded]
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
OPERATOR = f"arn:aws:iam::{ACCOUNT}:role/platform/operators"
CALLER = f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/session"
COMPUTE = phase_10k.EFFICIENT.compute


def label(phase: Phase) -> str:
    return f"{phase.name}-{phase.sizing}"


def build(
    site: Site,
    *,
    compute: Compute = COMPUTE,
    operators: tuple[str, ...] = (OPERATOR,),
    access_cidrs: tuple[str, ...] = (),
) -> Cluster:
    return Cluster(
        "us-east-1-cluster",
        site,
        ClusterArgs(
            compute=compute,
            subnet_ids=("subnet-a", "subnet-b", "subnet-c"),
            key_arn=KEY,
            operator_role_arns=operators,
            caller_arn=CALLER,
            access_cidrs=access_cidrs,
        ),
    )


@pytest.fixture
def found(recorded: Record, site: Site) -> Recorded:
    return recorded(lambda: build(site))


def test_the_api_is_private_until_someone_names_addresses(recorded: Record, site: Site) -> None:
    closed = recorded(lambda: build(site)).one("eks/cluster:Cluster").inputs["vpcConfig"]
    assert (closed["endpointPrivateAccess"], closed["endpointPublicAccess"]) == (True, False)
    opened = recorded(lambda: build(site, access_cidrs=("198.51.100.0/24",))).one("eks/cluster:Cluster")
    assert opened.inputs["vpcConfig"]["endpointPublicAccess"] is True
    assert opened.inputs["vpcConfig"]["publicAccessCidrs"] == ["198.51.100.0/24"]


def test_nobody_becomes_administrator_by_creating_the_cluster(found: Recorded) -> None:
    access = found.one("eks/cluster:Cluster").inputs["accessConfig"]
    assert access == {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False}


def test_the_named_operators_are_all_administrators_there_are(found: Recorded) -> None:
    entries = {entry.inputs["principalArn"]: entry.inputs["type"] for entry in found.of("AccessEntry")}
    assert entries.pop(OPERATOR) == "STANDARD"
    assert list(entries.values()) == ["EC2"]
    policies = {one.inputs["policyArn"].rpartition("/")[2] for one in found.of("AccessPolicyAssociation")}
    assert policies == {"AmazonEKSClusterAdminPolicy", "AmazonEKSAutoNodePolicy"}


def test_without_operators_whoever_runs_the_program_administers(recorded: Record, site: Site) -> None:
    entries = recorded(lambda: build(site, operators=())).of("AccessEntry")
    assert f"arn:aws:iam::{ACCOUNT}:role/deploy" in {entry.inputs["principalArn"] for entry in entries}


@pytest.mark.parametrize(
    ("caller", "principal"),
    [
        (CALLER, f"arn:aws:iam::{ACCOUNT}:role/deploy"),
        (f"arn:aws:iam::{ACCOUNT}:user/ops/anna", f"arn:aws:iam::{ACCOUNT}:user/ops/anna"),
        (f"arn:aws:sts::{ACCOUNT}:user/moto", f"arn:aws:iam::{ACCOUNT}:user/moto"),
        (f"arn:aws-us-gov:sts::{ACCOUNT}:assumed-role/ci/run@1", f"arn:aws-us-gov:iam::{ACCOUNT}:role/ci"),
    ],
)
def test_a_session_is_mapped_to_the_role_behind_it(caller: str, principal: str) -> None:
    assert principal_arn(caller) == principal


def test_a_role_of_identity_center_is_refused_with_the_command_that_names_it() -> None:
    role = "AWSReservedSSO_Admin_0123456789abcdef"
    with pytest.raises(UserError) as raised:
        administrators((), f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/anna")
    assert "pulumi config set --path 'headroom:operatorRoleArns[0]'" in str(raised.value)
    assert role in raised.value.problems[0]
    assert administrators((OPERATOR,), f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/anna") == [OPERATOR]


def test_secrets_are_encrypted_with_our_key_and_all_five_logs_are_kept(found: Recorded) -> None:
    inputs = found.one("eks/cluster:Cluster").inputs
    assert inputs["encryptionConfig"] == {"provider": {"keyArn": KEY}, "resources": ["secrets"]}
    assert len(inputs["enabledClusterLogTypes"]) == 5
    log = found.one("LogGroup").inputs
    assert log["name"] == f"/aws/eks/{inputs['name']}/cluster"
    assert log["retentionInDays"] == 90
    assert any(urn.endswith("::us-east-1-cluster-log") for urn in found.one("eks/cluster:Cluster").dependencies)


def test_the_cluster_cannot_be_deleted_by_accident(recorded: Record, site: Site) -> None:
    cluster = recorded(lambda: build(site)).one("eks/cluster:Cluster")
    assert cluster.inputs["deletionProtection"] is True
    assert cluster.options["protect"] is True
    loose = replace(site, protected=False, retained=False)
    assert recorded(lambda: build(loose)).one("eks/cluster:Cluster").inputs["deletionProtection"] is False


def test_auto_mode_is_whole_and_without_pools_of_its_own(found: Recorded) -> None:
    inputs = found.one("eks/cluster:Cluster").inputs
    assert inputs["computeConfig"] == {"enabled": True, "nodePools": []}
    assert inputs["storageConfig"] == {"blockStorage": {"enabled": True}}
    assert inputs["kubernetesNetworkConfig"]["elasticLoadBalancing"] == {"enabled": True}
    assert inputs["bootstrapSelfManagedAddons"] is False


def test_roles_can_do_no_more_than_awss_policies_for_auto_mode(found: Recorded) -> None:
    policies = {one.inputs["policyArn"].rpartition("/")[2] for one in found.of("RolePolicyAttachment")}
    assert policies == {
        "AmazonEC2ContainerRegistryPullOnly",
        "AmazonEKSBlockStoragePolicy",
        "AmazonEKSClusterPolicy",
        "AmazonEKSComputePolicy",
        "AmazonEKSLoadBalancingPolicy",
        "AmazonEKSNetworkingPolicy",
        "AmazonEKSWorkerNodeMinimalPolicy",
    }
    statements = json.loads(found.one("RolePolicy").inputs["policy"])["Statement"]
    assert {statement["Resource"] for statement in statements} == {KEY}
    assert statements[1]["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}


def test_objects_wait_for_the_administrators_and_pods_for_nodes(found: Recorded) -> None:
    provider = found.named("us-east-1-kubernetes")
    assert any("us-east-1-cluster-operator-0" in urn for urn in provider.dependencies)
    assert provider.inputs["enableConfigMapMutable"] is True or provider.inputs["enableConfigMapMutable"] == "true"
    addon = found.one("Addon")
    assert addon.inputs["addonName"] == "metrics-server"
    assert any(urn.endswith("::us-east-1-cluster-on-demand") for urn in addon.dependencies)


def test_every_object_is_well_formed_and_uses_the_clusters_provider(found: Recorded) -> None:
    assert {one.inputs["kind"] for one in objects(found)} == {"ConfigMap", "NodeClass", "NodePool"}
    assert [problem for one in objects(found) for problem in problems(one)] == []
    assert all(one.options["provider"].endswith("::us-east-1-kubernetes") for one in objects(found))


def test_network_policies_are_switched_on(found: Recorded) -> None:
    config = found.inputs("us-east-1-cluster-network-policies")
    assert (config["metadata"]["namespace"], config["metadata"]["name"]) == ("kube-system", "amazon-vpc-cni")
    assert config["data"] == {"enable-network-policy-controller": "true"}


def test_network_policies_are_on_before_there_is_a_node(recorded: Record, site: Site) -> None:
    compute = PHASES[PhaseName.P250K][Sizing.EFFICIENT].compute
    pools = recorded(lambda: build(site, compute=compute)).of("NodePool")
    assert len(pools) == 2
    assert all(any(urn.endswith("::us-east-1-cluster-network-policies") for urn in one.dependencies) for one in pools)


def test_nodes_are_private_and_their_disks_encrypted_with_our_key(found: Recorded) -> None:
    spec = found.one("NodeClass").inputs["spec"]
    assert spec["subnetSelectorTerms"] == [{"id": "subnet-a"}, {"id": "subnet-b"}, {"id": "subnet-c"}]
    assert spec["ephemeralStorage"]["kmsKeyID"] == KEY
    assert spec["role"] == found.named("us-east-1-cluster-node", "Role").inputs["name"]


def test_spot_nodes_come_only_in_phases_that_allow_them_and_keep_other_pods_away(recorded: Record, site: Site) -> None:
    assert [one.inputs["metadata"]["name"] for one in recorded(lambda: build(site)).of("NodePool")] == ["on-demand"]
    spot = COMPUTE.model_copy(update={"spot": True})
    pools = {
        one.inputs["metadata"]["name"]: one.inputs["spec"]
        for one in recorded(lambda: build(site, compute=spot)).of("NodePool")
    }
    assert pools["spot"]["weight"] > pools["on-demand"]["weight"]
    assert pools["spot"]["template"]["spec"]["taints"][0]["effect"] == "NoSchedule"
    assert "taints" not in pools["on-demand"]["template"]["spec"]


def test_nodes_are_arm64_and_burstable_only_where_that_is_said() -> None:
    def values(key: str, *, burstable: bool) -> list[str]:
        compute = COMPUTE.model_copy(update={"burstable": burstable})
        requirements = node_pool("on-demand", compute)["spec"]["template"]["spec"]["requirements"]
        (found,) = [one["values"] for one in requirements if one["key"] == key]
        return list(found)

    assert values("kubernetes.io/arch", burstable=True) == ["arm64"]
    assert "t" in values("eks.amazonaws.com/instance-category", burstable=True)
    assert "t" not in values("eks.amazonaws.com/instance-category", burstable=False)


def test_node_limits_hold_every_pod_at_its_maximum_with_room() -> None:
    pods = {
        role: Pods(minimum=1, maximum=10, cpu_millicores=1_000, memory_mib=1_024)
        for role in ("api", "realtime", "worker")
    }
    limits = node_limits(Compute(pods=pods, spot=False, blue_green=False))
    assert limits == {"cpu": "53", "memory": "61Gi"}
    both_colours = node_limits(Compute(pods=pods, spot=False, blue_green=True))
    assert both_colours == {"cpu": "68", "memory": "76Gi"}


@pytest.mark.parametrize("phase", [one for sizings in PHASES.values() for one in sizings.values()], ids=label)
def test_a_node_of_some_family_fits_the_pods_of_every_phase(phase: Phase) -> None:
    requirements = node_pool("on-demand", phase.compute)["spec"]["template"]["spec"]["requirements"]
    (families,) = [one["values"] for one in requirements if one["key"] == "eks.amazonaws.com/instance-category"]
    most = max({"c": 2, "m": 4, "r": 8}[family] for family in families if family != "t")

    for pods in phase.compute.pods.values():
        assert pods.memory_mib / 1_024 <= most * pods.cpu_millicores / 1_000


def test_the_metrics_servers_version_is_ours_to_change(found: Recorded) -> None:
    assert found.one("Addon").inputs["addonVersion"].startswith("v0.")


def test_the_kubeconfig_holds_no_credential_but_asks_for_one() -> None:
    config = json.loads(kubeconfig("eu-west-1", "one", "https://api", "Y2E="))
    command = config["users"][0]["user"]["exec"]
    assert [command["command"], *command["args"]] == [
        "aws", "eks", "get-token", "--region", "eu-west-1", "--cluster-name", "one", "--output", "json",
    ]  # fmt: skip
    assert config["clusters"][0]["cluster"] == {"server": "https://api", "certificate-authority-data": "Y2E="}
