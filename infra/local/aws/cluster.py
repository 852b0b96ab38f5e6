"""EKS and ECR."""

from __future__ import annotations

from collections.abc import Mapping

from infra.local.aws.calls import call, change
from infra.local.aws.kind import Context, Kind, KindError, Values
from infra.local.aws.memory import MemoryKind, Parent, Remembered
from infra.local.aws.table import ApiKind

_CLUSTER = Parent("eks", call("describe_cluster", name="{clusterName}"), "cluster")
_ARN = "arn:{partition}:eks:{region}:{account}"
_NOW = "2026-01-01T00:00:00Z"
"""When objects that are only remembered say that they were made: the same in each run."""


def _cluster(_: Context, values: Values) -> Values:
    """The log types that are switched on are a structure of their own in the API."""
    types = values.get("enabledClusterLogTypes")
    return {**values, "logging": {"clusterLogging": [{"types": types, "enabled": True}]} if types else None}


def _security_group(ctx: Context, id_: str, old: Values, new: Values) -> None:
    """EKS makes a security group for the control plane and the nodes; moto's is a name without a group."""
    if old:
        return
    client = ctx.client("ec2")
    subnets = client.describe_subnets(SubnetIds=new["vpcConfig"]["subnetIds"])["Subnets"]
    client.create_security_group(
        GroupName=f"eks-cluster-sg-{id_}",
        Description="EKS created security group applied to ENI that is attached to EKS Control Plane and workloads",
        VpcId=subnets[0]["VpcId"],
    )


def _find_group(ctx: Context, id_: str) -> dict[str, str] | None:
    wanted = [{"Name": "group-name", "Values": [f"eks-cluster-sg-{id_}"]}]
    groups = ctx.client("ec2").describe_security_groups(Filters=wanted)["SecurityGroups"]
    return groups[0] if groups else None


def _cluster_outputs(ctx: Context, id_: str, found: Values, _: Values) -> Values:
    group = _find_group(ctx, id_)
    seen = {key: found["resourcesVpcConfig"].get(key) for key in ("endpointPrivateAccess", "endpointPublicAccess")}
    if group:
        seen |= {"clusterSecurityGroupId": group["GroupId"], "vpcId": group["VpcId"]}
    return {"vpcConfig": {key: value for key, value in seen.items() if value is not None}}


def _remove_cluster(ctx: Context, id_: str, outputs: Values) -> None:
    if outputs.get("deletionProtection"):  # moto drops it
        message = f"cluster {id_} is protected: set deletionProtection to false first"
        raise KindError(message)
    ctx.client("eks").delete_cluster(name=id_)
    group = _find_group(ctx, id_)
    if group:
        ctx.client("ec2").delete_security_group(GroupId=group["GroupId"])


KINDS: Mapping[str, Kind] = {
    "aws:eks/cluster:Cluster": ApiKind(
        service="eks",
        make=call("create_cluster"),
        prepare=_cluster,
        rename={"vpcConfig": "resourcesVpcConfig"},
        id="cluster.name",
        find=call("describe_cluster", name="{id}"),
        at="cluster",
        outputs={
            "arn": "arn",
            "certificateAuthority": "certificateAuthority",
            "createdAt": "createdAt",
            "endpoint": "endpoint",
            "identities": "[{oidcs: [{issuer: identity.oidc.issuer}]}]",
            "platformVersion": "platformVersion",
            "status": "status",
        },
        derive=_cluster_outputs,
        derived=("vpcConfig.clusterSecurityGroupId", "vpcConfig.vpcId"),
        watched={"roleArn": "roleArn"},
        changes=(
            # moto has no UpdateClusterVersion and drops compute, storage and upgrade settings: kept in the state alone.
            change("update_cluster_config", "vpcConfig", "kubernetesNetworkConfig", name="{id}"),
            change("update_cluster_config", "logging", name="{id}"),
        ),
        settle=_security_group,
        remove=_remove_cluster,
        named=("name", 100),
        tags="eks",
    ),
    "aws:eks/accessEntry:AccessEntry": MemoryKind(
        type="EKS access entry",
        id="{clusterName}:{principalArn}",
        outputs={
            "accessEntryArn": f"{_ARN}:access-entry/{{clusterName}}/{{token}}",
            "createdAt": _NOW,
            "modifiedAt": _NOW,
            "type": "STANDARD",
        },
        parents=(_CLUSTER,),
        tags=True,
    ),
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": MemoryKind(
        type="EKS access policy association",
        id="{clusterName}#{principalArn}#{policyArn}",
        outputs={"associatedAt": _NOW, "modifiedAt": _NOW},
        parents=(_CLUSTER, Remembered("EKS access entry", "{clusterName}:{principalArn}")),
    ),
    "aws:eks/addon:Addon": MemoryKind(
        type="EKS add-on",
        id="{clusterName}:{addonName}",
        outputs={
            "arn": f"{_ARN}:addon/{{clusterName}}/{{addonName}}/{{token}}",
            "createdAt": _NOW,
            "modifiedAt": _NOW,
        },
        parents=(_CLUSTER,),
        tags=True,
    ),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": MemoryKind(
        type="EKS Pod Identity association",
        id="a-{token}",
        slot="{clusterName}/{namespace}/{serviceAccount}",
        outputs={
            "associationArn": f"{_ARN}:podidentityassociation/{{clusterName}}/a-{{token}}",
            "associationId": "a-{token}",
        },
        parents=(_CLUSTER,),
        tags=True,
    ),
    "aws:ecr/repository:Repository": ApiKind(
        service="ecr",
        make=call("create_repository"),
        rename={"name": "repositoryName", "encryptionConfigurations": "encryptionConfiguration"},
        id="repository.repositoryName",
        find=call("describe_repositories", repositoryNames=["{id}"]),
        at="repositories[0]",
        outputs={"arn": "repositoryArn", "registryId": "registryId", "repositoryUrl": "repositoryUri"},
        watched={"imageTagMutability": "imageTagMutability"},
        changes=(
            change("put_image_tag_mutability", "imageTagMutability", repositoryName="{id}"),
            change("put_image_scanning_configuration", "imageScanningConfiguration", repositoryName="{id}"),
        ),
        drop=call("delete_repository", repositoryName="{id}", force="{forceDelete}"),
        named=("name", 256),
        tags="ecr",
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": ApiKind(
        service="ecr",
        make=call("put_lifecycle_policy", repositoryName="{repository}", lifecyclePolicyText="{policy}"),
        id="={repository}",
        find=call("get_lifecycle_policy", repositoryName="{repository}"),
        outputs={"registryId": "registryId"},
        watched={"policy": "lifecyclePolicyText"},
        changes=(
            change("put_lifecycle_policy", "policy", repositoryName="{repository}", lifecyclePolicyText="{policy}"),
        ),
        drop=call("delete_lifecycle_policy", repositoryName="{repository}"),
    ),
}
