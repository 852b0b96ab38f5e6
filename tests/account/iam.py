"""A small judge of IAM policies: enough of its language for the documents of this project."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any


def allowed(
    documents: Iterable[Mapping[str, Any]],
    action: str,
    resource: str = "*",
    context: Mapping[str, str] | None = None,
) -> bool:
    """Whether the documents together allow it: some statement does, and none denies.

    Raises:
        ValueError: a statement uses what this judge does not know.
    """
    effects = {
        statement["Effect"]
        for document in documents
        for statement in document["Statement"]
        if _is_about(statement, action, resource) and _holds(statement.get("Condition", {}), context or {})
    }
    return effects == {"Allow"}


def trusts(document: Mapping[str, Any], provider: str, claims: Mapping[str, str]) -> bool:
    """Whether a trust policy lets a token of a provider take the role on; claims by their names in the token."""
    issuer = provider.partition("oidc-provider/")[2]
    context = {f"{issuer}:{name}": value for name, value in claims.items()}
    return any(
        statement["Effect"] == "Allow"
        and statement["Action"] == "sts:AssumeRoleWithWebIdentity"
        and statement["Principal"] == {"Federated": provider}
        and _holds(statement["Condition"], context)
        for statement in document["Statement"]
    )


def _is_about(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    if not any(fnmatchcase(action.lower(), one.lower()) for one in _listed(statement["Action"])):
        return False
    if "NotResource" in statement:
        return not any(fnmatchcase(resource, one) for one in _listed(statement["NotResource"]))
    return any(fnmatchcase(resource, one) for one in _listed(statement["Resource"]))


def _holds(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    """All operators hold; a key that the request has not makes the positive ones fail, and the negative ones hold."""
    for operator, keys in conditions.items():
        for key, wanted in keys.items():
            value, values = context.get(key), _listed(wanted)
            match operator:
                case "StringEquals":
                    good = value in values
                case "StringLike" | "ArnLike":
                    good = value is not None and any(fnmatchcase(value, one) for one in values)
                case "StringNotEquals":
                    good = value not in values
                case _:
                    msg = f"operator {operator} is not known here"
                    raise ValueError(msg)
            if not good:
                return False
    return True


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
