"""Ids that follow from the inputs, for what carries no tag or is not listed by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

TEMPLATES: Final[Mapping[str, str]] = {
    "aws:iam/role:Role": "{name}",
    "aws:iam/rolePolicy:RolePolicy": "{role}:{name}",
    "aws:kms/alias:Alias": "{name}",
    "aws:s3/bucketPolicy:BucketPolicy": "{bucket}",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "{bucket}",
    "aws:s3/bucketVersioning:BucketVersioning": "{bucket}",
    "aws:sqs/queuePolicy:QueuePolicy": "{queueUrl}",
}
"""The id in terms of the inputs, as the import sections of pulumi-aws's pages have it."""


def id_of_name(type_: str, inputs: Mapping[str, Any]) -> str:
    """The id that such an object has if it exists; empty where the inputs do not say."""
    if type_.startswith("kubernetes:"):
        metadata = inputs.get("metadata")
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        namespace = metadata.get("namespace") if isinstance(metadata, Mapping) else None
        # A pulumi-kubernetes id is the namespace and the name, or the name alone where there are no namespaces.
        return _joined(namespace, name)
    texts = {key: value for key, value in inputs.items() if isinstance(value, str)}
    try:
        return TEMPLATES.get(type_, "").format_map(texts)
    except KeyError:
        return ""


def _joined(namespace: Any, name: Any) -> str:
    if not isinstance(name, str):
        return ""
    return f"{namespace}/{name}" if isinstance(namespace, str) else name
