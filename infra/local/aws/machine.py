"""SageMaker's endpoints, and what scales them."""

from __future__ import annotations

from collections.abc import Mapping

from infra.local.aws.calls import call, put
from infra.local.aws.kind import Kind
from infra.local.aws.memory import MemoryKind, Remembered
from infra.local.aws.table import ApiKind

_SCALED = {
    "ResourceId": "{resourceId}",
    "ScalableDimension": "{scalableDimension}",
    "ServiceNamespace": "{serviceNamespace}",
}
_CONFIGURATION = "SageMaker endpoint configuration"


def _sagemaker(kind: str) -> str:
    return f"arn:{{partition}}:sagemaker:{{region}}:{{account}}:{kind}/{{name}}"


KINDS: Mapping[str, Kind] = {
    # moto 5.2.5 refuses instances of the g5 family, and has no operation that moves an endpoint.
    "aws:sagemaker/model:Model": MemoryKind(
        type="SageMaker model",
        id="{name}",
        outputs={"arn": _sagemaker("model")},
        named=("name", 63),
        tags=True,
    ),
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": MemoryKind(
        type=_CONFIGURATION,
        id="{name}",
        outputs={"arn": _sagemaker("endpoint-config")},
        named=("name", 63),
        tags=True,
    ),
    "aws:sagemaker/endpoint:Endpoint": MemoryKind(
        type="SageMaker endpoint",
        id="{name}",
        outputs={"arn": _sagemaker("endpoint")},
        parents=(Remembered(_CONFIGURATION, "{endpointConfigName}"),),
        named=("name", 63),
        tags=True,
    ),
    "aws:appautoscaling/target:Target": ApiKind(
        service="application-autoscaling",
        make=call("register_scalable_target"),
        id="={resourceId}",
        find=call(
            "describe_scalable_targets",
            ResourceIds=["{resourceId}"],
            ScalableDimension="{scalableDimension}",
            ServiceNamespace="{serviceNamespace}",
        ),
        at="ScalableTargets[0]",
        outputs={"arn": "ScalableTargetARN"},
        watched={"maxCapacity": "MaxCapacity", "minCapacity": "MinCapacity"},
        changes=(put("register_scalable_target", "maxCapacity", "minCapacity"),),
        drop=call("deregister_scalable_target", **_SCALED),
        tags="appautoscaling",
    ),
    "aws:appautoscaling/policy:Policy": ApiKind(
        service="application-autoscaling",
        make=call("put_scaling_policy"),
        rename={"name": "PolicyName"},
        id="={name}",
        find=call("describe_scaling_policies", **_SCALED),
        at="ScalingPolicies[?PolicyName == '{name}'] | [0]",
        outputs={"alarmArns": "Alarms[].AlarmARN", "arn": "PolicyARN"},
        changes=(put("put_scaling_policy"),),
        drop=call("delete_scaling_policy", PolicyName="{name}", **_SCALED),
        named=("name", 256),
    ),
}
