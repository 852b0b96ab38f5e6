"""A small Lambda function of our own: role, log group, code from `components/functions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.component import Component, Site
from components.documents import Statement, document, trust

CODE = Path(__file__).parent / "functions"


@dataclass(frozen=True, kw_only=True, slots=True)
class FunctionArgs:
    """One function.

    Attributes:
        module: file in `components/functions`, which defines `handler`.
        statements: what the function may do besides writing its log.
        invoker: service that calls it, such as `secretsmanager.amazonaws.com`.
        account_id: the only account that may make `invoker` call it.
        key_arn: KMS key of the log group.
        environment: environment variables; no secret belongs here.
    """

    module: str
    statements: pulumi.Input[Sequence[Statement]]
    invoker: str
    account_id: str
    key_arn: pulumi.Input[str]
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)


class Function(Component):
    """One Lambda function (arm64, Python) with its role, log group and the permission to be invoked."""

    KIND: ClassVar[str] = "compute:Function"

    arn: pulumi.Output[str]
    permission: aws.lambda_.Permission

    def __init__(self, name: str, site: Site, args: FunctionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the function."""
        super().__init__(name, site, opts)
        function_name = site.names.of("function", name)
        logs = aws.cloudwatch.LogGroup(
            name,
            name=f"/aws/lambda/{function_name}",
            retention_in_days=90,
            kms_key_id=args.key_arn,
            opts=self.child(),
        )
        role = aws.iam.Role(
            name,
            name=site.names.of("role", name),
            assume_role_policy=trust("lambda.amazonaws.com"),
            opts=self.child(),
        )
        policy = aws.iam.RolePolicy(
            name,
            name=name,
            role=role.name,
            policy=pulumi.Output.all(statements=args.statements, logs=logs.arn).apply(
                lambda known: document(
                    {
                        "Effect": "Allow",
                        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                        "Resource": f"{known['logs']}:*",
                    },
                    *known["statements"],
                )
            ),
            opts=self.child(),
        )
        source = (CODE / f"{args.module}.py").read_text(encoding="utf-8")
        function = aws.lambda_.Function(
            name,
            name=function_name,
            role=role.arn,
            runtime="python3.12",
            architectures=["arm64"],
            handler=f"{args.module}.handler",
            code=pulumi.AssetArchive({f"{args.module}.py": pulumi.StringAsset(source)}),
            timeout=30,
            memory_size=128,
            environment=aws.lambda_.FunctionEnvironmentArgs(variables=args.environment) if args.environment else None,
            opts=self.child(depends_on=[logs, policy]),
        )
        self.permission = aws.lambda_.Permission(
            name,
            action="lambda:InvokeFunction",
            function=function.name,
            principal=args.invoker,
            source_account=args.account_id,
            opts=self.child(),
        )
        self.arn = function.arn
        self.register_outputs({"arn": self.arn})
