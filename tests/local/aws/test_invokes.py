"""Functions answer what no resource can know."""

from __future__ import annotations

import pytest

from infra.local.aws import KindError, invoke
from tests.local.aws.scene import Scene


def test_functions_answer(scene: Scene) -> None:
    context = scene.context("")
    assert invoke(context, "aws:index/getCallerIdentity:getCallerIdentity", {})["accountId"] == "123456789012"
    prefixes = invoke(
        context,
        "aws:ec2/getManagedPrefixList:getManagedPrefixList",
        {"name": "com.amazonaws.global.cloudfront.origin-facing"},
    )
    assert prefixes["id"].startswith("pl-")
    assert prefixes["entries"]
    for function, name, id_ in (
        ("CachePolicy", "Managed-CachingDisabled", "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"),
        ("OriginRequestPolicy", "Managed-AllViewer", "216adef6-5c7f-47e4-b989-5492eafa07d3"),
    ):
        token = f"aws:cloudfront/get{function}:get{function}"
        assert invoke(context, token, {"name": name})["id"] == id_
        with pytest.raises(KindError, match=r"AWS has no .* Managed-Nothing; it has"):
            invoke(context, token, {"name": "Managed-Nothing"})


def test_an_unknown_function_is_named(scene: Scene) -> None:
    with pytest.raises(KindError, match="no answer for aws:ec2/getAmi:getAmi"):
        invoke(scene.context(""), "aws:ec2/getAmi:getAmi", {})


def test_a_prefix_list_that_is_not_there_is_an_error(scene: Scene) -> None:
    with pytest.raises(KindError, match="0 managed prefix lists match nothing"):
        invoke(scene.context(""), "aws:ec2/getManagedPrefixList:getManagedPrefixList", {"name": "nothing"})
