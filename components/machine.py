"""SageMaker: one model behind one endpoint, on a GPU."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics, Metric, alarm, math_alarm
from components.component import Component, DataClass, Site
from components.documents import Statement, document, trust

VARIANT = "main"
LEAST_INSTANCES = 1
MOST_INSTANCES = 3
REQUESTS_A_MINUTE = 300
"""Of one instance, on average; more adds an instance. Measure the model and write its number here."""
LATENCY_MS = 1_000
"""The application falls back to rules when an answer takes longer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineArgs:
    """What the endpoint serves, and where.

    Attributes:
        image_uri: container that serves the model, in ECR, by tag or digest.
        model_data_url: `s3://bucket/key` of the model's archive.
        instance_type: type of the endpoint's instances, such as `ml.g5.xlarge`.
        account_id: this AWS account.
        vpc_id: the VPC.
        subnet_ids: the private subnets.
        key_arn: KMS key of the instances' volumes, and of the archive.
        log_key_arn: KMS key of the log.
        topics: who hears of trouble.
    """

    image_uri: str
    model_data_url: str
    instance_type: str
    account_id: str
    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    key_arn: pulumi.Input[str]
    log_key_arn: pulumi.Input[str]
    topics: AlarmTopics

    def __post_init__(self) -> None:
        """Refuse an image that the endpoint could not fetch.

        Raises:
            ValueError: it is not in ECR.
        """
        repository_arn(self.image_uri)


class Machine(Component):
    """Model, endpoint configuration, endpoint, autoscaling and alarms. It keeps nothing that it was asked.

    A new image or archive is a new model and configuration, to which the endpoint moves without a pause.
    Another instance type makes a new endpoint before the old one goes: SageMaker refuses to change the type of a
    variant that is scaled, and the scaling cannot be taken off and put back in one update. So the type is in its name.
    https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-policy.html
    """

    KIND: ClassVar[str] = "machine:Machine"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    endpoint_name: pulumi.Output[str]
    endpoint_arn: pulumi.Output[str]

    def __init__(self, name: str, site: Site, args: MachineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the endpoint."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        role, policy = self._create_role()
        endpoint = self._create_endpoint(self._create_configuration(self._create_model(role, policy)))
        self._scale(endpoint)
        self._create_alarms(endpoint)

        self.endpoint_name = endpoint.name
        self.endpoint_arn = endpoint.arn
        self.register_outputs({"endpoint_name": self.endpoint_name, "endpoint_arn": self.endpoint_arn})

    def _create_role(self) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
        """As documented: https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html#sagemaker-roles-createmodel-perms."""
        role = aws.iam.Role(
            self._name,
            name=self.site.names.of("role", self._name),
            description="Fetches the model and its container.",
            assume_role_policy=trust("sagemaker.amazonaws.com", account_id=self._args.account_id),
            opts=self.child(),
        )
        policy = aws.iam.RolePolicy(
            self._name,
            name=self._name,
            role=role.name,
            policy=pulumi.Output.from_input(self._args.key_arn).apply(self._policy),
            opts=self.child(),
        )
        return role, policy

    def _policy(self, key_arn: str) -> str:
        args, region = self._args, self.site.region
        return document(
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": _object_arn(args.model_data_url)},
            {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
            {
                "Effect": "Allow",
                "Action": ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                "Resource": repository_arn(args.image_uri),
            },
            {
                "Effect": "Allow",
                "Action": "kms:Decrypt",
                "Resource": key_arn,
                "Condition": {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}},
            },
            {
                "Effect": "Allow",
                "Action": "kms:CreateGrant",
                "Resource": key_arn,
                "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
            },
            {
                "Effect": "Allow",
                "Action": [
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:DescribeLogStreams",
                    "logs:PutLogEvents",
                ],
                "Resource": f"arn:aws:logs:{region}:{args.account_id}:log-group:/aws/sagemaker/*",
            },
            {
                # The interfaces in the VPC; none of these actions knows a narrower resource before there is one.
                "Effect": "Allow",
                "Action": [
                    "ec2:CreateNetworkInterface",
                    "ec2:CreateNetworkInterfacePermission",
                    "ec2:DeleteNetworkInterface",
                    "ec2:DeleteNetworkInterfacePermission",
                    "ec2:DescribeDhcpOptions",
                    "ec2:DescribeNetworkInterfaces",
                    "ec2:DescribeSecurityGroups",
                    "ec2:DescribeSubnets",
                    "ec2:DescribeVpcs",
                ],
                "Resource": "*",
            },
            {
                "Effect": "Allow",
                "Action": "cloudwatch:PutMetricData",
                "Resource": "*",
                "Condition": {"StringEquals": {"cloudwatch:namespace": "/aws/sagemaker/Endpoints"}},
            },
        )

    def _create_model(self, role: aws.iam.Role, policy: aws.iam.RolePolicy) -> aws.sagemaker.Model:
        """The container has no network of its own; SageMaker fetches the archive for it, through the VPC."""
        group = aws.ec2.SecurityGroup(
            self._name,
            name=self.site.names.of("security_group", self._name),
            description="The model's archive, from S3.",
            vpc_id=self._args.vpc_id,
            opts=self.child(),
        )
        aws.vpc.SecurityGroupEgressRule(
            f"{self._name}-https",
            description="HTTPS, to S3.",
            security_group_id=group.id,
            cidr_ipv4="0.0.0.0/0",
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            opts=self.child(),
        )
        return aws.sagemaker.Model(
            self._name,
            execution_role_arn=role.arn,
            enable_network_isolation=True,
            primary_container=aws.sagemaker.ModelPrimaryContainerArgs(
                image=self._args.image_uri, model_data_url=self._args.model_data_url
            ),
            vpc_config=aws.sagemaker.ModelVpcConfigArgs(subnets=self._args.subnet_ids, security_group_ids=[group.id]),
            opts=self.child(depends_on=[policy]),
        )

    def _create_configuration(self, model: aws.sagemaker.Model) -> aws.sagemaker.EndpointConfiguration:
        """Auto-named, as each change is a new one. No data capture: requests are people's data.

        A GPU instance's own disc is encrypted by its hardware; the key is for the volumes that other types have.
        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html
        """
        return aws.sagemaker.EndpointConfiguration(
            self._name,
            kms_key_arn=self._args.key_arn,
            production_variants=[
                aws.sagemaker.EndpointConfigurationProductionVariantArgs(
                    variant_name=VARIANT,
                    model_name=model.name,
                    instance_type=self._args.instance_type,
                    initial_instance_count=LEAST_INSTANCES,
                    initial_variant_weight=1.0,
                )
            ],
            opts=self.child(),
        )

    def _create_endpoint(self, configuration: aws.sagemaker.EndpointConfiguration) -> aws.sagemaker.Endpoint:
        size = self._args.instance_type.removeprefix("ml.").replace(".", "-")
        name = self.site.names.of("endpoint", f"{self._name}-{size}")
        # SageMaker would make it itself, for ever and under a key of its own.
        logs = aws.cloudwatch.LogGroup(
            self._name,
            name=f"/aws/sagemaker/Endpoints/{name}",
            retention_in_days=30,
            kms_key_id=self._args.log_key_arn,
            opts=self.child(),
        )
        return aws.sagemaker.Endpoint(
            self._name,
            name=name,
            endpoint_config_name=configuration.name,
            opts=self.child(depends_on=[logs]),
        )

    def _scale(self, endpoint: aws.sagemaker.Endpoint) -> None:
        target = aws.appautoscaling.Target(
            self._name,
            service_namespace="sagemaker",
            resource_id=pulumi.Output.concat("endpoint/", endpoint.name, "/variant/", VARIANT),
            scalable_dimension="sagemaker:variant:DesiredInstanceCount",
            min_capacity=LEAST_INSTANCES,
            max_capacity=MOST_INSTANCES,
            opts=self.child(),
        )
        aws.appautoscaling.Policy(
            self._name,
            name=self.site.names.of("scaling_policy", self._name),
            policy_type="TargetTrackingScaling",
            service_namespace=target.service_namespace,
            resource_id=target.resource_id,
            scalable_dimension=target.scalable_dimension,
            target_tracking_scaling_policy_configuration=aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationArgs(
                target_value=REQUESTS_A_MINUTE,
                predefined_metric_specification=aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgs(
                    predefined_metric_type="SageMakerVariantInvocationsPerInstance"
                ),
                # An instance takes minutes to come up, so it goes late.
                scale_in_cooldown=600,
                scale_out_cooldown=120,
            ),
            opts=self.child(),
        )

    def _create_alarms(self, endpoint: aws.sagemaker.Endpoint) -> None:
        """Tickets: the application works without the model. Silence is no fault, nobody may be asking."""
        math_alarm(
            self,
            f"{self._name}-errors",
            description="More than 5 % of the model's answers are errors for 5 minutes.",
            runbook="model-endpoint",
            severity="ticket",
            topics=self._args.topics,
            expression="IF(requests>0,100*FILL(errors,0)/requests,0)",
            metrics={
                "requests": _metric(endpoint, "Invocations", "Sum"),
                "errors": _metric(endpoint, "Invocation5XXErrors", "Sum"),
            },
            threshold=5,
        )
        alarm(
            self,
            f"{self._name}-latency",
            description=f"The model's 95th percentile is over {LATENCY_MS:,} ms for 5 minutes.",
            runbook="model-endpoint",
            severity="ticket",
            topics=self._args.topics,
            metric=_metric(endpoint, "ModelLatency", "p95"),
            # In microseconds: https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
            threshold=LATENCY_MS * 1_000,
        )


def statements(endpoint_arn: pulumi.Input[str]) -> list[Statement]:
    """What a pod's role needs to ask the model."""
    return [{"Effect": "Allow", "Action": "sagemaker:InvokeEndpoint", "Resource": endpoint_arn}]


def _metric(endpoint: aws.sagemaker.Endpoint, name: str, statistic: str) -> Metric:
    dimensions: dict[str, pulumi.Input[str]] = {"EndpointName": endpoint.name, "VariantName": VARIANT}
    return Metric(namespace="AWS/SageMaker", name=name, dimensions=dimensions, statistic=statistic)


def _object_arn(url: str) -> str:
    return url.replace("s3://", "arn:aws:s3:::", 1)


_IMAGE = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<repository>[^:@]+)")


def repository_arn(image_uri: str) -> str:
    """ARN of the image's repository.

    Raises:
        ValueError: it is not in ECR, from where alone the role can fetch it.
    """
    found = _IMAGE.match(image_uri)
    if found is None:
        msg = f"{image_uri} is not an image in ECR (ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG)"
        raise ValueError(msg)
    return f"arn:aws:ecr:{found['region']}:{found['account']}:repository/{found['repository']}"
