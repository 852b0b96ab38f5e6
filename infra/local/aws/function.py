"""Lambda."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pulumi
from botocore.exceptions import ClientError

from infra.local.aws.calls import call, change, is_gone
from infra.local.aws.kind import Context, Kind, KindError, Values
from infra.local.aws.shape import text
from infra.local.aws.table import ApiKind

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can say: the same code is the same bytes each time."""


def zipped(code: pulumi.Archive | pulumi.Asset) -> bytes:
    """The zip file that Lambda gets for an archive."""
    if isinstance(code, pulumi.FileArchive) and Path(code.path).is_file():
        return Path(code.path).read_bytes()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(_files(code, "").items()):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return made.getvalue()


def _files(code: pulumi.Archive | pulumi.Asset, name: str) -> dict[str, bytes]:
    """Contents by name inside the zip file."""
    match code:
        case pulumi.StringAsset():
            return {name: code.text.encode()}
        case pulumi.FileAsset():
            return {name: Path(code.path).read_bytes()}
        case pulumi.AssetArchive():
            found: dict[str, bytes] = {}
            for key, each in code.assets.items():
                found |= _files(each, f"{name}/{key}" if name else key)
            return found
        case pulumi.FileArchive():
            root = Path(code.path)
            files = (path for path in root.rglob("*") if path.is_file())
            return {str(Path(name) / path.relative_to(root)): path.read_bytes() for path in files}
        case _:
            message = f"{type(code).__name__} is no code that the local cloud can read: use files or text"
            raise KindError(message)


def _code(values: Values) -> Values:
    if values.get("code") is not None:
        return {"zipFile": zipped(values["code"])}
    return {key: values[key] for key in ("imageUri", "s3Bucket", "s3Key", "s3ObjectVersion") if values.get(key)}


def _function(_: Context, values: Values) -> Values:
    return {**values, "code": _code(values)}


def _code_and_concurrency(ctx: Context, id_: str, old: Values, new: Values) -> None:
    client = ctx.client("lambda")
    if old and _code(old) != _code(new):
        code = {key[0].upper() + key[1:]: value for key, value in _code(new).items()}
        client.update_function_code(FunctionName=id_, **code)
    reserved = new.get("reservedConcurrentExecutions")
    if old.get("reservedConcurrentExecutions") != reserved:
        if reserved is not None and int(reserved) >= 0:
            client.put_function_concurrency(FunctionName=id_, ReservedConcurrentExecutions=int(reserved))
        else:
            client.delete_function_concurrency(FunctionName=id_)


_STATEMENT = {
    "action": "Action",
    "eventSourceToken": "EventSourceToken",
    "principal": "Principal",
    "principalOrgId": "PrincipalOrgID",
    "qualifier": "Qualifier",
    "sourceAccount": "SourceAccount",
    "sourceArn": "SourceArn",
}


class _Permission:
    """A statement of a function's policy: found inside the policy's JSON."""

    computed = ("statementId",)
    real = True

    def create(self, ctx: Context, inputs: Values) -> tuple[str, Values]:
        """See `Kind`."""
        prefix = inputs.get("statementIdPrefix")
        statement = inputs.get("statementId") or ctx.autoname(100, prefix)
        given = {name: text(inputs[key]) for key, name in _STATEMENT.items() if inputs.get(key) is not None}
        ctx.client("lambda").add_permission(FunctionName=inputs["function"], StatementId=statement, **given)
        return statement, {**inputs, "statementId": statement, "region": ctx.region}

    def read(self, ctx: Context, id: str, outputs: Values) -> Values | None:  # noqa: A002
        """See `Kind`."""
        try:
            policy = ctx.client("lambda").get_policy(FunctionName=outputs["function"])["Policy"]
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        found = any(each["Sid"] == id for each in json.loads(policy)["Statement"])
        return dict(outputs) if found else None

    def update(self, ctx: Context, id: str, outputs: Values, old: Values, new: Values) -> Values:  # noqa: A002
        """See `Kind`; every property of a permission forces a new one."""
        return {**outputs, **new}

    def delete(self, ctx: Context, id: str, outputs: Values) -> None:  # noqa: A002
        """See `Kind`."""
        if self.read(ctx, id, outputs) is not None:
            ctx.client("lambda").remove_permission(FunctionName=outputs["function"], StatementId=id)


_INVOKE = "=arn:{partition}:apigateway:{region}:lambda:path/2015-03-31/functions/{FunctionArn}/invocations"

KINDS: Mapping[str, Kind] = {
    "aws:lambda/function:Function": ApiKind(
        service="lambda",
        make=call("create_function"),
        prepare=_function,
        rename={"name": "FunctionName"},
        id="FunctionName",
        find=call("get_function_configuration", FunctionName="{name}"),
        outputs={
            "arn": "FunctionArn",
            "codeSha256": "CodeSha256",
            "invokeArn": _INVOKE,
            "lastModified": "LastModified",
            "qualifiedArn": "=arn:{partition}:lambda:{region}:{account}:function:{name}:{Version}",
            "sourceCodeSize": "CodeSize",
            "version": "Version",
        },
        watched={"memorySize": "MemorySize", "runtime": "Runtime", "timeout": "Timeout"},
        changes=(change("update_function_configuration", FunctionName="{name}"),),
        settle=_code_and_concurrency,
        drop=call("delete_function", FunctionName="{name}"),
        named=("name", 64),
        tags="lambda",
    ),
    "aws:lambda/permission:Permission": _Permission(),
}
