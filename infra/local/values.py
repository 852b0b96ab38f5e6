"""Property values on the wire: a protobuf Struct to plain Python and back, with secrets and unknowns kept apart.

Pulumi marks special values inside a Struct with a signature key. A secret becomes `Secret`, an unknown
becomes `UNKNOWN`, an asset or archive becomes `Blob`; everything else is a dict, list, str, int, float,
bool. Source of the signatures: `pulumi/runtime/rpc.py` of the Python SDK (a test compares them).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi
from google.protobuf import struct_pb2

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a marker, no secret
ASSET: Final = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE: Final = "0def7320c3a5731c473e5ecbe6d01bc7"
RESOURCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_WIRE: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
UNKNOWNS_WIRE: Final = frozenset(
    {
        UNKNOWN_WIRE,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # boolean
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)
"""The engine may type an unknown; source: `sdk/go/common/resource/plugin/rpc.go` of pulumi/pulumi."""

TAINT_LENGTH: Final = 8
"""A string output that contains a secret this long is itself made secret; shorter ones must be equal."""


class Unknown:
    """The type of `UNKNOWN`: a value that only the real run will know."""

    def __repr__(self) -> str:
        """Read well in a test's failure."""
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that must stay encrypted in the state."""

    value: Any

    def __repr__(self) -> str:
        """Never show the value, wherever this lands."""
        return "Secret([secret])"


@dataclass(frozen=True, slots=True)
class Blob:
    """An asset or archive: the SDK's object for whoever reads it, and the wire form (with its hash) to echo."""

    content: pulumi.Asset | pulumi.Archive
    wire: struct_pb2.Struct

    def __eq__(self, other: object) -> bool:
        """Blobs are equal when their hash is; the path that they were read from does not count."""
        return isinstance(other, Blob) and self.digest == other.digest

    def __hash__(self) -> int:
        """Agree with equality."""
        return hash(self.digest)

    @property
    def digest(self) -> str:
        """Hash of the content, as the engine computed it; the wire form itself where it sent none."""
        hashed = "hash" in self.wire.fields  # asked first: reading an absent key of a protobuf map creates it
        return self.wire.fields["hash"].string_value if hashed else str(self.wire)


def decode_struct(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Decode a map of properties; nulls are dropped, as an absent property means the same to every provider."""
    items = ((key, decode(value)) for key, value in struct.fields.items())
    return {key: value for key, value in items if value is not None}


def decode(value: struct_pb2.Value) -> Any:
    """Decode one value; whole numbers become int, for the wire only knows floating point."""
    match value.WhichOneof("kind"):
        case "bool_value":
            return value.bool_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return UNKNOWN if value.string_value in UNKNOWNS_WIRE else value.string_value
        case "list_value":
            return [decode(item) for item in value.list_value.values]
        case "struct_value":
            return _decode_special(value.struct_value)
        case _:
            return None


def _decode_special(struct: struct_pb2.Struct) -> Any:
    fields = struct.fields
    match fields[SIGNATURE].string_value if SIGNATURE in fields else None:
        case None:
            return decode_struct(struct)
        case v if v == SECRET:
            return Secret(decode(fields["value"]))
        case v if v == OUTPUT:
            inner = decode(fields["value"]) if "value" in fields else UNKNOWN
            return Secret(inner) if fields["secret"].bool_value else inner
        case v if v == ASSET:
            return Blob(_asset(fields), struct)
        case v if v == ARCHIVE:
            return Blob(_archive(fields), struct)
        case v if v == RESOURCE:
            return decode(fields["id"]) if "id" in fields else fields["urn"].string_value
        case other:
            msg = f"unknown property signature {other}"
            raise ValueError(msg)


def _asset(fields: Mapping[str, struct_pb2.Value]) -> pulumi.Asset:
    if "path" in fields and fields["path"].string_value:
        return pulumi.FileAsset(fields["path"].string_value)
    if "uri" in fields and fields["uri"].string_value:
        return pulumi.RemoteAsset(fields["uri"].string_value)
    return pulumi.StringAsset(fields["text"].string_value if "text" in fields else "")


def _archive(fields: Mapping[str, struct_pb2.Value]) -> pulumi.Archive:
    if "path" in fields and fields["path"].string_value:
        return pulumi.FileArchive(fields["path"].string_value)
    if "uri" in fields and fields["uri"].string_value:
        return pulumi.RemoteArchive(fields["uri"].string_value)
    assets = fields["assets"].struct_value.fields if "assets" in fields else {}
    return pulumi.AssetArchive({name: decode(value).content for name, value in assets.items()})


def encode_struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """Encode a map of properties."""
    return struct_pb2.Struct(fields={key: encode(value) for key, value in properties.items()})


def encode(value: Any) -> struct_pb2.Value:  # noqa: PLR0911 - one for each kind of value
    """Encode one value.

    Raises:
        TypeError: for a Python type that has no wire form (a provider's mistake; it names the type, never the value).
    """
    match value:
        case None:
            return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
        case bool():
            return struct_pb2.Value(bool_value=value)
        case int() | float():
            return struct_pb2.Value(number_value=value)
        case str():
            return struct_pb2.Value(string_value=value)
        case Unknown():
            return struct_pb2.Value(string_value=UNKNOWN_WIRE)
        case Secret():
            marked = {SIGNATURE: struct_pb2.Value(string_value=SECRET), "value": encode(value.value)}
            return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=marked))
        case Blob():
            return struct_pb2.Value(struct_value=value.wire)
        case Mapping():
            return struct_pb2.Value(struct_value=encode_struct(value))
        case Sequence():
            return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[encode(item) for item in value]))
        case _:
            msg = f"a value of type {type(value).__name__} cannot be sent to the engine"
            raise TypeError(msg)


def plain(value: Any) -> Any:
    """Unwrap secrets and blobs at any depth: what an API call wants. `UNKNOWN` stays."""
    match value:
        case Secret():
            return plain(value.value)
        case Blob():
            return value.content
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list():
            return [plain(item) for item in value]
        case _:
            return value


def has_unknown(value: Any) -> bool:
    """Whether an unknown is anywhere inside."""
    match value:
        case Unknown():
            return True
        case Secret():
            return has_unknown(value.value)
        case dict():
            return any(has_unknown(item) for item in value.values())
        case list():
            return any(has_unknown(item) for item in value)
        case _:
            return False


def secret_strings(*values: Any) -> frozenset[str]:
    """Every string (and number, as text) that stands inside a `Secret` in `values`."""
    found: set[str] = set()

    def walk(value: Any, *, secret: bool) -> None:
        match value:
            case Secret():
                walk(value.value, secret=True)
            case dict():
                for item in value.values():
                    walk(item, secret=secret)
            case list():
                for item in value:
                    walk(item, secret=secret)
            case str() | int() | float() if secret and not isinstance(value, bool) and str(value):
                found.add(str(value))

    for value in values:
        walk(value, secret=False)
    return frozenset(found)


def redact(text: str, secrets: Iterable[str]) -> str:
    """Replace each secret in `text`, also in the escaped forms that Python and JSON print."""
    forms = {form for s in secrets for form in (s, repr(s)[1:-1], json.dumps(s)[1:-1])}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "[secret]")
    return text


def rewrap(outputs: Any, *sources: Any) -> Any:
    """Give `outputs` (plain) the secrets and blobs of `sources` back.

    A place that is secret in a source is secret in the result, and so is any string that holds one of the
    sources' secrets, wherever the API put it.
    """
    for source in sources:
        outputs = _rewrap_one(outputs, source)
    return _taint(outputs, secret_strings(*sources))


def _rewrap_one(output: Any, source: Any) -> Any:
    match output, source:
        case (Secret() | Unknown(), _) | (_, None):
            return output
        case _, Secret():
            return Secret(_rewrap_one(output, source.value))
        case ((pulumi.Asset() | pulumi.Archive()), Blob()):
            return source
        case dict(), dict():
            return {key: _rewrap_one(item, source.get(key)) for key, item in output.items()}
        case list(), list():
            padded = [*source, *[None] * len(output)]
            return [_rewrap_one(item, origin) for item, origin in zip(output, padded, strict=False)]
        case _:
            return output


def _taint(value: Any, secrets: frozenset[str]) -> Any:
    if not secrets:
        return value
    match value:
        case str() if value in secrets or any(len(s) >= TAINT_LENGTH and s in value for s in secrets):
            return Secret(value)
        case dict():
            return {key: _taint(item, secrets) for key, item in value.items()}
        case list():
            return [_taint(item, secrets) for item in value]
        case _:
            return value
