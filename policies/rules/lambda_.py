"""Functions: called by whom they are for, on a runtime that is patched, with a log that ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.rule import Level, Rules, Severity
from policies.view import Resource, Stack

RULES = Rules()
FUNCTION: Final = "aws:lambda/function:Function"
PERMISSION: Final = "aws:lambda/permission:Permission"
LOG_GROUP: Final = "aws:cloudwatch/logGroup:LogGroup"
RUNTIMES: Final = (
    "dotnet10",
    "java21",
    "java25",
    "nodejs22.x",
    "nodejs24.x",
    "provided.al2023",
    "python3.12",
    "python3.13",
    "python3.14",
    "ruby3.3",
    "ruby3.4",
)
"""Those on Amazon Linux 2023 whose support does not end in 2026.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html and https://endoflife.date/aws-lambda, February 2026;
the dates of java21 and provided.al2023 are from memory.
"""


@RULES.on(
    FUNCTION,
    id="lambda-runtime-supported",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="Every function runs on a runtime that AWS patches.",
    remedy=f"set runtime to one of {', '.join(RUNTIMES)}",
    frameworks=("FSBP Lambda.2", "Checkov CKV_AWS_363"),
)
def runtime_supported(one: Resource) -> Iterator[str]:
    """A function from an image brings its own."""
    if one.get("packageType") != "Image" and one.get("runtime") not in RUNTIMES:
        yield "its runtime is not, or not much longer, patched by AWS"


@RULES.on(
    PERMISSION,
    id="lambda-permission-not-public",
    severity=Severity.CRITICAL,
    level=Level.MANDATORY,
    demands="A function is called by this account's own services and principals only.",
    remedy="name the principal, and set sourceAccount or sourceArn where it is a service",
    frameworks=("FSBP Lambda.1", "Checkov CKV_AWS_301", "Checkov CKV_AWS_364"),
)
def permission_not_public(one: Resource) -> Iterator[str]:
    """A service calls on behalf of any account unless the permission names one."""
    principal = one.get("principal")
    limited = any(one.has(name) for name in ("sourceAccount", "sourceArn", "principalOrgId"))
    if principal in (None, "*") and not one.has("principalOrgId"):
        yield "everybody may call it"
    elif str(principal).endswith(".amazonaws.com") and not limited:
        yield "the service may call it on behalf of any account"


@RULES.between(
    FUNCTION,
    id="lambda-log-group",
    severity=Severity.LOW,
    level=Level.PRODUCTION,
    demands="The log of every function is a log group of the stack.",
    remedy="add a log group called /aws/lambda/ and the function's name, or set loggingConfig.logGroup",
)
def log_group(one: Resource, stack: Stack) -> Iterator[str]:
    """Lambda makes one itself otherwise: without a key, and kept for ever."""
    if one.has("loggingConfig.logGroup"):
        return
    name = one.get("name")
    if not any(group.get("name") == f"/aws/lambda/{name}" for group in stack.all(LOG_GROUP)):
        yield "its log group is none of the stack's"
