"""What OpenSearch would refuse, and what growth does to a domain and to an endpoint."""

from __future__ import annotations

import pytest

from infra.local.aws import KindError
from tests.local.aws.cases_search import SEARCH
from tests.local.aws.scene import Scene

TOKEN = "aws:opensearch/domain:Domain"


def test_a_domain_grows_in_place(scene: Scene) -> None:
    case = SEARCH[TOKEN]
    assert case.change is not None
    inputs = case.inputs(scene)
    kind, context, id_, outputs = scene.make(TOKEN, **inputs)

    after = kind.update(context, id_, outputs, inputs, {**inputs, **case.change(scene)})

    found = scene.client("opensearch").describe_domain(DomainName=inputs["domainName"])["DomainStatus"]
    assert (found["ClusterConfig"]["InstanceCount"], found["EBSOptions"]["VolumeSize"]) == (4, 40)
    assert found["EncryptionAtRestOptions"] == {"Enabled": True, "KmsKeyId": scene.key}
    assert (after["arn"], after["endpoint"]) == (outputs["arn"], outputs["endpoint"])
    kind.delete(context, id_, after)


def test_a_domain_publishes_its_logs_by_type(scene: Scene) -> None:
    inputs = SEARCH[TOKEN].inputs(scene)
    kind, context, id_, outputs = scene.make(TOKEN, **inputs)
    found = scene.client("opensearch").describe_domain(DomainName=inputs["domainName"])["DomainStatus"]
    group = inputs["logPublishingOptions"][0]["cloudwatchLogGroupArn"]
    assert found["LogPublishingOptions"] == {"AUDIT_LOGS": {"CloudWatchLogsLogGroupArn": group, "Enabled": True}}
    kind.delete(context, id_, outputs)


def test_a_domain_wants_a_subnet_in_each_zone(scene: Scene) -> None:
    inputs = SEARCH[TOKEN].inputs(scene)
    network = {**inputs["vpcOptions"], "subnetIds": scene.subnets[:1]}
    with pytest.raises(KindError, match=r"specify 2 subnet\(s\), one a zone, not 1"):
        scene.make(TOKEN, **{**inputs, "vpcOptions": network})


def test_an_endpoint_moves_to_a_new_configuration(scene: Scene) -> None:
    configuration = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
    first, second = (scene.make(configuration, name=scene.unique("configuration")) for _ in range(2))
    inputs = {"name": scene.unique("endpoint"), "endpointConfigName": first[2]}
    kind, context, id_, outputs = scene.make("aws:sagemaker/endpoint:Endpoint", **inputs)

    after = kind.update(context, id_, outputs, inputs, {**inputs, "endpointConfigName": second[2]})
    first[0].delete(first[1], first[2], first[3])

    assert kind.read(context, id_, after) == after
    assert after["arn"] == outputs["arn"]


def test_an_endpoint_needs_its_configuration(scene: Scene) -> None:
    with pytest.raises(KindError, match="SageMaker endpoint configuration finds nothing"):
        scene.make("aws:sagemaker/endpoint:Endpoint", name=scene.unique("endpoint"), endpointConfigName="none")


def test_a_partners_domain_knows_where_dns_points_to(scene: Scene) -> None:
    configuration = {"certificateArn": scene.certificate, "endpointType": "REGIONAL", "securityPolicy": "TLS_1_2"}
    host = f"{scene.unique('partners')}.example.com"
    token = "aws:apigatewayv2/domainName:DomainName"
    kind, context, id_, outputs = scene.make(token, domainName=host, domainNameConfiguration=configuration)
    target = outputs["domainNameConfiguration"]
    assert target["targetDomainName"].endswith(".execute-api.us-east-1.amazonaws.com")
    assert {key: target[key] for key in configuration} == configuration
    kind.delete(context, id_, outputs)
