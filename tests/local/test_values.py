"""Values on the wire, and secrets among them."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest
from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st
from pulumi.runtime import rpc

from infra.local import values
from infra.local.values import UNKNOWN, Blob, Secret, decode_struct, encode, encode_struct, plain, redact, rewrap

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=20)
TREES = st.recursive(
    SCALARS | st.just(UNKNOWN),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3) | st.builds(Secret, inner)
    ),
    max_leaves=12,
)


def without_nulls(value: Any) -> Any:
    match value:
        case dict():
            return {k: without_nulls(v) for k, v in value.items() if v is not None}
        case list():
            return [without_nulls(item) for item in value]
        case Secret():
            return Secret(without_nulls(value.value))
        case _:
            return value


@given(st.dictionaries(st.text(max_size=8), TREES, max_size=4))
def test_what_is_encoded_decodes_to_itself_but_for_nulls(tree: dict[str, Any]) -> None:
    assert decode_struct(encode_struct(tree)) == without_nulls(tree)


def test_the_signatures_are_the_sdks() -> None:
    assert rpc._special_sig_key == values.SIGNATURE
    assert rpc._special_secret_sig == values.SECRET
    assert rpc._special_asset_sig == values.ASSET
    assert rpc._special_archive_sig == values.ARCHIVE
    assert rpc._special_resource_sig == values.RESOURCE
    assert rpc._special_output_value_sig == values.OUTPUT
    assert rpc.UNKNOWN == values.UNKNOWN_WIRE


def test_an_output_value_is_its_value_its_secrecy_or_unknown() -> None:
    known = encode_struct({values.SIGNATURE: values.OUTPUT, "value": "x", "secret": True, "dependencies": []})
    unknown = encode_struct({values.SIGNATURE: values.OUTPUT})
    wire = struct_pb2.Struct(
        fields={"a": struct_pb2.Value(struct_value=known), "b": struct_pb2.Value(struct_value=unknown)}
    )
    assert decode_struct(wire) == {"a": Secret("x"), "b": UNKNOWN}


def test_an_asset_is_read_as_the_sdks_object_and_echoed_with_its_hash() -> None:
    wire = encode_struct({values.SIGNATURE: values.ASSET, "hash": "abc", "text": "hello"})
    decoded = decode_struct(struct_pb2.Struct(fields={"code": struct_pb2.Value(struct_value=wire)}))
    asset = plain(decoded)["code"]
    assert isinstance(asset, pulumi.StringAsset)
    assert asset.text == "hello"
    echoed = rewrap({"code": asset, "arn": "x"}, decoded)
    assert encode(echoed["code"]).struct_value == wire


def test_blobs_with_one_hash_are_equal_wherever_they_came_from() -> None:
    def blob(path: str, digest: str) -> Blob:
        return Blob(pulumi.FileAsset(path), encode_struct({"hash": digest, "path": path}))

    assert blob("/a/code.zip", "1") == blob("/b/code.zip", "1")
    assert blob("/a/code.zip", "1") != blob("/a/code.zip", "2")


def test_an_archive_of_assets_keeps_its_members() -> None:
    member = {values.SIGNATURE: values.ASSET, "hash": "1", "text": "def handler(): ..."}
    wire = encode_struct({values.SIGNATURE: values.ARCHIVE, "hash": "2", "assets": {"index.py": member}})
    decoded = decode_struct(struct_pb2.Struct(fields={"code": struct_pb2.Value(struct_value=wire)}))
    archive = plain(decoded)["code"]
    assert isinstance(archive, pulumi.AssetArchive)
    assert isinstance(archive.assets["index.py"], pulumi.StringAsset)


def test_a_place_that_was_secret_stays_secret_also_inside_lists() -> None:
    inputs = {"env": [{"name": "a", "value": Secret("x")}, {"name": "b", "value": "y"}]}
    outputs = {"env": [{"name": "a", "value": "x"}, {"name": "b", "value": "y"}], "id": "1"}
    assert rewrap(outputs, inputs) == {**inputs, "id": "1"}


def test_a_secret_that_turns_up_elsewhere_is_secret_there_too() -> None:
    inputs = {"password": Secret("correct horse")}
    outputs = {"password": "correct horse", "url": "postgres://app:correct horse@host", "name": "app"}
    wrapped = rewrap(outputs, inputs)
    assert wrapped["url"] == Secret("postgres://app:correct horse@host")
    assert wrapped["name"] == "app"


@given(st.text(min_size=4, max_size=30), st.text(max_size=20))
def test_a_redacted_text_holds_no_secret_in_any_quoting(secret: str, around: str) -> None:
    shown = redact(f"{around} {secret!r} {secret} {around}", [secret])
    assert secret not in shown.replace("[secret]", "") or secret in around * 2 or secret in "[secret]"


def test_a_secret_never_shows_in_a_representation() -> None:
    assert "hidden" not in repr({"a": Secret("hidden")})


def test_a_type_that_has_no_wire_form_is_named_without_its_value() -> None:
    with pytest.raises(TypeError, match="a value of type object cannot be sent"):
        encode(object())
