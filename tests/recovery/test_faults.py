"""Faults that are planted in the local cloud, and the ledger of what it made."""

# ruff: noqa: ARG002 - the signatures are the interface's

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from infra.errors import UserError
from infra.local.faults import CrashError, Faults
from infra.local.ledger import TOKEN, Ledger
from infra.local.provider import Call, Provider, ResourceKind, Values, serve
from infra.local.values import Secret, decode_struct, encode_struct

URN = "urn:pulumi:a::b::c:d/e:F::g"


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    return Faults(tmp_path / "faults.json")


def test_nothing_is_planted_and_nothing_fails(faults: Faults) -> None:
    for number in (1, 2):
        assert faults.before(URN) == number
        faults.after(number)
        assert not faults.is_incomplete(number)


def test_changes_are_counted_from_the_planting(faults: Faults) -> None:
    faults.before(URN)
    faults.plant([2])
    faults.before(URN)
    with pytest.raises(UserError, match="change 2"):
        faults.before(URN)
    faults.clear()
    faults.before(URN)


def test_each_resource_is_refused_once(faults: Faults) -> None:
    faults.plant(fail_first=True)
    for urn in (URN, f"{URN}-2"):
        with pytest.raises(UserError, match="a planted fault"):
            faults.before(urn)
        faults.before(urn)
    faults.plant(fail_first=True)
    with pytest.raises(UserError):
        faults.before(URN)


def test_a_crash_comes_before_or_after_its_change(faults: Faults) -> None:
    faults.plant(crash_before=[2], crash_after=[1])
    number = faults.before(URN)
    with pytest.raises(CrashError):
        faults.after(number)
    with pytest.raises(CrashError):
        faults.before(URN)


def test_a_throttled_call_is_tried_again(faults: Faults) -> None:
    faults.plant(throttle_every=2)
    assert [faults.before(URN) for _ in range(5)] == [1, 2, 3, 4, 5]


def test_a_call_that_is_always_throttled_fails_in_the_end(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.local.faults.BACKOFF_SECONDS", 0.0)
    faults.plant(throttle_every=1)
    with pytest.raises(UserError, match="ThrottlingException"):
        faults.before(URN)


def test_changes_take_as_long_as_planted(faults: Faults) -> None:
    faults.plant(latency_seconds=0.05)
    began = time.monotonic()
    faults.before(URN)
    assert time.monotonic() - began >= 0.05


class Box:
    """A kind whose objects are a dictionary."""

    computed = ()

    def __init__(self) -> None:
        self.held: dict[str, Values] = {}

    def create(self, ctx: Call, inputs: Values) -> tuple[str, Values]:
        self.held[ctx.name] = {**inputs, "region": "us-east-1"}
        return ctx.name, self.held[ctx.name]

    def read(self, ctx: Call, id: str, outputs: Values) -> Values | None:  # noqa: A002
        return self.held.get(id)

    def update(self, ctx: Call, id: str, outputs: Values, old: Values, new: Values) -> Values:  # noqa: A002
        return new

    def delete(self, ctx: Call, id: str, outputs: Values) -> None:  # noqa: A002
        self.held.pop(id, None)


class BoxProvider(Provider):
    package = "test"
    version = "1.0.0"

    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self.box = Box()
        self.faults, self.ledger = faults, Ledger()

    def kind(self, token: str) -> ResourceKind | None:
        return self.box

    def context(self, call: Call) -> Call:
        return call

    def invoke(self, token: str, args: Values, config: Values) -> Values:
        return {}


@pytest.fixture
def provider(faults: Faults) -> Any:
    found = BoxProvider(faults)
    server, port = serve(found)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        found.stub = provider_pb2_grpc.ResourceProviderStub(channel)  # type: ignore[attr-defined]
        yield found
    server.stop(None).wait()


def create(provider: Any, name: str, **inputs: Any) -> Any:
    urn = f"urn:pulumi:s::p::test:index:Box::{name}"
    request = provider_pb2.CreateRequest(urn=urn, type="test:index:Box", name=name, properties=encode_struct(inputs))
    return provider.stub.Create(request)


def ledger(provider: Any, prefix: str = "urn:pulumi:s::p::") -> list[dict[str, Any]]:
    answer = provider.stub.Invoke(provider_pb2.InvokeRequest(tok=TOKEN, args=encode_struct({"prefix": prefix})))
    found: list[dict[str, Any]] = decode_struct(getattr(answer, "return"))["made"]
    return found


def test_the_ledger_knows_what_the_engine_never_heard_of(provider: Any) -> None:
    provider.faults.plant(crash_after=[1])
    with pytest.raises(grpc.RpcError) as caught:
        create(provider, "lost")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert [(one["id"], one["place"]) for one in ledger(provider)] == [("lost", "us-east-1")]


def test_a_crash_before_the_change_makes_nothing(provider: Any) -> None:
    provider.faults.plant(crash_before=[1])
    with pytest.raises(grpc.RpcError):
        create(provider, "never")
    assert ledger(provider) == []


def test_a_creation_that_ends_half_way_exists(provider: Any) -> None:
    provider.faults.plant(incomplete=[1])
    with pytest.raises(grpc.RpcError, match="ends half-way"):
        create(provider, "half")
    assert [one["id"] for one in ledger(provider)] == ["half"]


def test_the_ledger_leaves_out_what_is_gone_and_other_stacks(provider: Any) -> None:
    create(provider, "kept")
    create(provider, "gone")
    del provider.box.held["gone"]

    assert [one["id"] for one in ledger(provider)] == ["kept"]
    assert ledger(provider, "urn:pulumi:other::p::") == []


def test_the_ledger_tells_no_secret(provider: Any) -> None:
    create(provider, "vault", password=Secret("planted"), size=1)

    assert ledger(provider)[0]["properties"] == {"size": 1, "region": "us-east-1"}
