"""What somebody or something has changed in the account: each difference judged, no secret shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from infra.local.values import SIGNATURE
from policies.view import Resource, anybody, listed

URN_TAG: Final = "Urn"
"""The tag that says which resource of which stack an object is."""
SECRET: Final = "[secret]"  # noqa: S105 what the engine writes in a secret's place
HERE: Final = "there"
"""What stands before and after where the thing itself came or went."""
GONE: Final = "nothing"
WORLD: Final = frozenset({"0.0.0.0/0", "::/0"})
SHOWN_CHARACTERS: Final = 160

_GROUPS: Final = frozenset({"aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"})
_RULES_INSIDE: Final = frozenset({"ingress", "egress"})
"""Of a group: AWS lists there what other resources have added, so the rules are read one by one instead."""
_PUBLIC_BLOCK: Final = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
_BUCKET: Final = "aws:s3/bucket:Bucket"
_OUTBOUND: Final = frozenset({"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", "aws:ec2/route:Route"})
"""Ways out; a network that is open to the world there lets nobody in."""
_CLOSED_WHEN_TRUE: Final = frozenset(
    {"blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"}
)
_OPEN_WHEN_TRUE: Final = frozenset({"publiclyAccessible", "mapPublicIpOnLaunch", "endpointPublicAccess"})
_PUBLIC_ACLS: Final = frozenset({"public-read", "public-read-write", "authenticated-read"})
_BOOKKEEPING: Final = frozenset({"__defaults", "__internal", "tagsAll"})


class Kind(StrEnum):
    """What became of a resource."""

    DELETED = "deleted"
    OPENED = "opened to the world"
    CHANGED = "changed"
    UNTAGGED = "untagged"
    UNMANAGED = "of nobody"
    """A rule in a group of ours that no resource stands for."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """One resource, as the state has it and as the provider has just read it.

    Attributes:
        urn: its URN.
        type: its type token.
        before: inputs of the state; secrets closed.
        after: inputs as they are now; None where it is gone.
        touched: top-level inputs that the provider says differ. A changed secret is in no other place.
        open_before: outputs that could be open to the world, where the program leaves them to AWS.
        open_after: the same now.
    """

    urn: str
    type: str
    before: Mapping[str, Any]
    after: Mapping[str, Any] | None
    touched: tuple[str, ...] = ()
    open_before: Mapping[str, Any] = field(default_factory=dict)
    open_after: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference.

    Attributes:
        kind: what it is.
        urn: of the resource; of the group, for a rule of nobody.
        type: its type token.
        what: path of the property, or the rule; empty where the whole resource is gone.
        before: what the state has, short enough to read.
        after: what there is.
    """

    kind: Kind
    urn: str
    type: str
    what: str
    before: str
    after: str

    @property
    def name(self) -> str:
        """Logical name of the resource."""
        return self.urn.rpartition("::")[2]


def of_events(events: Sequence[Any]) -> list[Refreshed]:
    """What differs, from the engine's events of a refresh; each resource ends with one."""
    found = []
    for event in events:
        if event.res_outputs_event is None:
            continue
        step = event.res_outputs_event.metadata
        if str(getattr(step.op, "value", step.op)) not in {"update", "delete"} or step.old is None:
            continue
        old, new = step.old, step.new
        touched = {path.split(".")[0].split("[")[0] for path in (*(step.diffs or ()), *(step.detailed_diff or {}))}
        found.append(
            Refreshed(
                urn=step.urn,
                type=step.type,
                before=_closed(old.inputs or {}),
                after=None if new is None else _closed(new.inputs or {}),
                touched=tuple(sorted(touched)),
                open_before=_openable(old.outputs),
                open_after=_openable(new.outputs if new is not None else None),
            )
        )
    return found


def _closed(value: Any) -> Any:
    """Values without the engine's wrapping of secrets."""
    if isinstance(value, Mapping):
        return SECRET if SIGNATURE in value else {key: _closed(inside) for key, inside in value.items()}
    return [_closed(inside) for inside in value] if isinstance(value, list) else value


def _openable(outputs: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (outputs or {}).items() if key in _OPEN_WHEN_TRUE | _CLOSED_WHEN_TRUE}


def judge(refreshed: Sequence[Refreshed]) -> list[Drift]:
    """Every difference, in the order of the resources.

    Outputs that no input asks for do not count: AWS fills them in, and other resources write there (the rules of a
    group, the policy of a bucket), but for the few that let the world in.
    """
    deleted = {one.urn for one in refreshed if one.after is None}
    return [drift for one in refreshed for drift in _differences(one, refreshed, deleted)]


def _differences(one: Refreshed, all_: Sequence[Refreshed], deleted: set[str]) -> Iterator[Drift]:
    if one.after is None:
        yield Drift(_kind_of_deletion(one, all_, deleted), one.urn, one.type, "", HERE, GONE)
        return
    before, after = _asked(one, one.before), _asked(one, one.after)
    if URN_TAG in (before.get("tags") or {}) and URN_TAG not in (after.get("tags") or {}):
        yield Drift(Kind.UNTAGGED, one.urn, one.type, "tags", f"{URN_TAG} and others", _shown(after.get("tags")))
        before.pop("tags")
        after.pop("tags", None)
    seen: set[str] = set()
    for path, old, new in different(before, after):
        seen.add(path.split(".")[0].split("[")[0])
        kind = Kind.OPENED if opens(one.type, path, old, new) else Kind.CHANGED
        yield Drift(kind, one.urn, one.type, path, *_apart(old, new))
    for path, new in one.open_after.items():
        old = one.open_before.get(path)
        if path not in before and path not in seen and opens(one.type, path, old, new):
            yield Drift(Kind.OPENED, one.urn, one.type, path, _shown(old), _shown(new))
    for name in one.touched:  # both sides of a secret read the same
        if name not in seen and SECRET in json.dumps([before.get(name), after.get(name)]):
            yield Drift(Kind.CHANGED, one.urn, one.type, name, SECRET, "another " + SECRET)


def _kind_of_deletion(one: Refreshed, all_: Sequence[Refreshed], deleted: set[str]) -> Kind:
    """A bucket without its block lets the world in; together with the bucket the block is only gone."""
    if one.type != _PUBLIC_BLOCK:
        return Kind.DELETED
    buckets = {other.before.get("bucket") for other in all_ if other.type == _BUCKET and other.urn in deleted}
    return Kind.DELETED if one.before.get("bucket") in buckets else Kind.OPENED


def _asked(one: Refreshed, inputs: Mapping[str, Any]) -> dict[str, Any]:
    filled = {*_BOOKKEEPING, *(_RULES_INSIDE if one.type in _GROUPS else ())}
    return {key: value for key, value in inputs.items() if key not in filled}


def different(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every place where two values differ: path, the one, the other (None where there is none).

    JSON texts are compared by what they say; lists of plain values by what is in them, as AWS answers in any order.
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after} - _BOOKKEEPING):
            yield from different(before.get(key), after.get(key), f"{path}.{key}" if path else key)
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) == len(after) and any(isinstance(item, dict) for item in before):
            for index, pair in enumerate(zip(before, after, strict=True)):
                yield from different(*pair, f"{path}[{index}]")
        elif sorted(map(_shown, before)) != sorted(map(_shown, after)):
            yield path, before, after
    elif before != after and _document(before) != _document(after):
        yield path, before, after


def _document(value: Any) -> Any:
    """A JSON text opened, anything else as it is."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def opens(token: str, path: str, before: Any, after: Any) -> bool:
    """Whether a change lets in whoever was kept out: all addresses, a policy for everybody, a lifted block."""
    leaf = path.rpartition(".")[2].split("[")[0]
    if leaf in _CLOSED_WHEN_TRUE:
        return before is True and after is not True
    if leaf in _OPEN_WHEN_TRUE:
        return before is not True and after is True
    if leaf == "acl":
        return after in _PUBLIC_ACLS
    if token not in _OUTBOUND and _leaves(after) & WORLD - _leaves(before):
        return True
    return len(_public(token, after)) > len(_public(token, before))


def _leaves(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        return {leaf for inside in value.values() for leaf in _leaves(inside)}
    if isinstance(value, list):
        return {leaf for inside in value for leaf in _leaves(inside)}
    return {value} if isinstance(value, str) else set()


def _public(token: str, value: Any) -> list[Resource]:
    """The statements of a policy that allow something to everybody."""
    opened = _document(value)
    if not isinstance(opened, Mapping):
        return []
    whole = Resource("", token, "", opened)
    return [statement for statement in whole.items("Statement") if anybody(statement)]


def _apart(before: Any, after: Any) -> tuple[str, str]:
    """Two values to be read beside each other; of two policies, the statements that the other has not."""
    one, other = _document(before), _document(after)
    if isinstance(one, Mapping) and isinstance(other, Mapping) and "Statement" in one and "Statement" in other:
        olds, news = listed(one["Statement"]), listed(other["Statement"])
        return (
            _shown([statement for statement in olds if statement not in news]),
            _shown([statement for statement in news if statement not in olds]),
        )
    return _shown(before), _shown(after)


def _shown(value: Any) -> str:
    if value is None or value == []:
        return GONE
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=repr)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]} ..."


def now(resources: Sequence[Mapping[str, Any]], refreshed: Sequence[Refreshed]) -> list[dict[str, Any]]:
    """A state's resources, as the engine stores them, with the inputs of just now, and without what is gone."""
    read = {one.urn: one.after for one in refreshed}
    there = (one for one in resources if read.get(one["urn"], one) is not None)
    return [{**one, "inputs": read.get(one["urn"], one.get("inputs"))} for one in there]
