"""Secrets: none is written into the program, where everybody reads it who reads the code or the state."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from collections import Counter
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from math import log2
from typing import Any, Final

from policies.manifests import CONFIG_MAP, WORKLOADS
from policies.rule import Level, Rules, Severity
from policies.view import Resource

RULES = Rules()
FUNCTION: Final = "aws:lambda/function:Function"
INSTANCE: Final = "aws:ec2/instance:Instance"
LAUNCH_TEMPLATE: Final = "aws:ec2/launchTemplate:LaunchTemplate"
RELEASE: Final = "kubernetes:helm.sh/v3:Release"

SHAPES: Final[Mapping[str, re.Pattern[str]]] = {
    "an AWS access key": re.compile(r"\b(AKIA|ASIA)[A-Z2-7]{16}\b"),
    "a private key": re.compile(r"-----BEGIN ([A-Z]+ )*PRIVATE KEY-----"),
    "a GitHub token": re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22})"),
    "a Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10}"),
    "a Stripe key": re.compile(r"\b[rs]k_live_[A-Za-z0-9]{16}"),
    "a Google key": re.compile(r"\bAIza[A-Za-z0-9_-]{35}"),
    "a signed token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\."),
    "a password in a URL": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@\"']+:[^\s:/@\"'$<{%]+@"),
}
"""What keys look like, as their makers document them."""
KEEPERS: Final = (
    "aws:secretsmanager/secretVersion:SecretVersion",
    "kubernetes:core/v1:Secret",
    "pulumi:providers:*",
    "random:*",
)
"""Types that secrets belong into. The engine shows rules what the program marked as secret."""
_NAMED: Final = re.compile(
    r"(passw(or)?d|pwd|secret|token|(api|access|private|signing)[_-]?key|credentials?)$", re.IGNORECASE
)
_ASSIGNED: Final = re.compile(
    r"\b(?:passw(?:or)?d|pwd|secret|token|(?:api|access|private)_?key)[\"']?[ \t]*(?:=|:(?=[ \t\"']))[ \t]*[\"']?"
    r"(?P<value>[^\s\"',;]{4,})",
    re.IGNORECASE,
)
_REFERENCE: Final = re.compile(
    r"^(arn:|https?://|/|\$|\{|<|\[|true$|false$|on$|off$|none$|null$|[0-9]+$)", re.IGNORECASE
)
"""Values that only say where a secret is, or are none."""
_OPAQUE: Final = re.compile(r"^(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9+/_=-]{20,}$")
_BITS: Final = 4.0
"""Shannon entropy of a character: English has about 4 in texts with spaces, 20 random characters have 4.1 and more."""


@RULES.on(
    "*",
    id="secrets-no-known-key",
    severity=Severity.CRITICAL,
    level=Level.MANDATORY,
    demands="No key, token or password in a URL is written into any input.",
    remedy="revoke it, put the new one into Secrets Manager, and read it from there",
    frameworks=("Checkov CKV_AWS_45", "Checkov CKV_AWS_46"),
)
def no_known_key(one: Resource) -> Iterator[str]:
    """A value that is not known yet comes from a resource or is marked as secret: it is no literal."""
    if any(fnmatchcase(one.type, keeper) for keeper in KEEPERS):
        return
    for path, text in _texts(one.props, ""):
        for what, shape in SHAPES.items():
            if shape.search(text):
                yield f"{what} stands in {path}"


@RULES.on(
    CONFIG_MAP,
    *WORKLOADS,
    FUNCTION,
    INSTANCE,
    LAUNCH_TEMPLATE,
    RELEASE,
    id="secrets-no-literal",
    severity=Severity.CRITICAL,
    level=Level.MANDATORY,
    demands="No password stands in environment variables, configuration files, chart values or start scripts.",
    remedy="put it into Secrets Manager, and give the program the secret's ARN or a file",
    frameworks=("Checkov CKV_AWS_45", "Checkov CKV_AWS_46"),
)
def no_literal(one: Resource) -> Iterator[str]:
    """It goes by what a setting is called, by `password=...` in a text, and by how random a value is.

    A value that is not known yet comes from a resource or is marked as secret: it is no literal.
    """
    for name, text in _settings(one):
        if _is_secret(name, text):
            yield f"the value of {name} looks like a secret"


def _is_secret(name: str, text: str) -> bool:
    if _NAMED.search(name) and text and not _REFERENCE.match(text):
        return True
    if any(not _REFERENCE.match(found["value"]) for found in _ASSIGNED.finditer(text)):
        return True
    return bool(_OPAQUE.match(text)) and _entropy(text) >= _BITS


def _entropy(text: str) -> float:
    return -sum(count / len(text) * log2(count / len(text)) for count in Counter(text).values())


def _settings(one: Resource) -> Iterator[tuple[str, str]]:
    """Names and values of what configures a program."""
    if one.type == FUNCTION:
        yield from _pairs("environment", one.props.get("environment"))
    elif one.type in (INSTANCE, LAUNCH_TEMPLATE):
        yield from _pairs("userData", _decoded(one.props.get("userData")))
    elif one.type == RELEASE:
        yield from _pairs("values", one.props.get("values"))
    elif one.type == CONFIG_MAP:
        yield from _pairs("data", one.props.get("data"))
    else:
        yield from _pairs("spec", one.props.get("spec"))


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Leaves with the name next to them; `{"name": ..., "value": ...}` is one pair, as Kubernetes writes variables."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, Mapping):
        if "name" in value and "value" in value:
            yield from _pairs(str(value["name"]), value["value"])
        else:
            for key, inside in value.items():
                yield from _pairs(str(key), inside)
    elif isinstance(value, list):
        for inside in value:
            yield from _pairs(name, inside)


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every text of a resource with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inside in value.items():
            yield from _texts(inside, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for inside in value:
            yield from _texts(inside, path)


def _decoded(value: Any) -> Any:
    """User data is Base64 in a launch template, and may be plain in an instance."""
    try:
        return b64decode(value, validate=True).decode() if isinstance(value, str) else value
    except (Error, ValueError):
        return value
