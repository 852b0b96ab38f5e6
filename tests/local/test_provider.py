"""The provider protocol over gRPC, with kinds made for the purpose."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from infra.errors import UserError
from infra.local.aws.kind import Incomplete
from infra.local.foreseen import drifted
from infra.local.provider import Call, Provider, ResourceKind, Values, serve
from infra.local.values import UNKNOWN, Secret, decode_struct, encode_struct

PLANTED = 'planted "secret" value'
TOKEN = "test:index/thing:Thing"
URN = f"urn:pulumi:t::t::{TOKEN}::box"


class Thing:
    """Keeps what it got; fails as its input `fail` says."""

    computed = ("arn", "endpoint.port")

    def __init__(self) -> None:
        """Start without any call."""
        self.seen: list[Values] = []
        self.now: Values | None = None

    def create(self, ctx: Call, inputs: Values) -> tuple[str, Values]:
        self.seen.append(inputs)
        match inputs.get("fail"):
            case "refused":
                reason = f"{inputs['password']} is too\nweak"
                raise UserError(reason)
            case "bug":
                raise KeyError(inputs["password"])
            case "half":
                reason = f"tagging {inputs['password']} failed"
                raise Incomplete(reason, "half-made", {**inputs, "arn": "a"})
            case "odd":
                return "odd", {**inputs, "arn": object()}
        return f"{ctx.name}-1", {**inputs, "arn": "arn:1", "url": f"https://u:{inputs.get('password')}@host"}

    def read(self, ctx: Call, id: str, outputs: Values) -> Values | None:  # noqa: A002, ARG002 - the protocol's signature
        return self.now

    def update(self, ctx: Call, id: str, outputs: Values, old: Values, new: Values) -> Values:  # noqa: A002, ARG002 - the protocol's signature
        self.seen.append({"outputs": outputs, "old": old, "new": new})
        return {**outputs, **new}

    def delete(self, ctx: Call, id: str, outputs: Values) -> None:  # noqa: A002, ARG002 - the protocol's signature
        self.seen.append(outputs)


class TestProvider(Provider):
    __test__ = False
    package = "test"
    version = "1.2.3"

    def __init__(self) -> None:
        """Start with one kind."""
        super().__init__()
        self.thing = Thing()

    def kind(self, token: str) -> ResourceKind | None:
        return self.thing if token == TOKEN else None

    def context(self, call: Call) -> Call:
        return call

    def invoke(self, token: str, args: Values, config: Values) -> Values:
        if token == "test:index/getNothing:getNothing":
            reason = f"no {args['key']}"
            raise UserError(reason)
        return {"echo": args["key"], "region": config.get("region")}


class Engine:
    """Talks to a provider as the engine does."""

    def __init__(self, provider: TestProvider, port: int) -> None:
        """Connect to the provider's server."""
        self.thing = provider.thing
        self.port = port
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.stub = provider_pb2_grpc.ResourceProviderStub(self.channel)

    def create(self, inputs: Values, *, preview: bool = False) -> tuple[str, Values]:
        request = provider_pb2.CreateRequest(
            urn=URN, type=TOKEN, name="box", properties=encode_struct(inputs), preview=preview
        )
        answer = self.stub.Create(request)
        return answer.id, decode_struct(answer.properties)

    def update(self, olds: Values, old: Values, new: Values, *, preview: bool = False) -> Values:
        request = provider_pb2.UpdateRequest(
            id="box-1",
            urn=URN,
            type=TOKEN,
            name="box",
            olds=encode_struct(olds),
            old_inputs=encode_struct(old),
            news=encode_struct(new),
            preview=preview,
        )
        return decode_struct(self.stub.Update(request).properties)

    def read(self, properties: Values, inputs: Values) -> tuple[str, Values, Values]:
        request = provider_pb2.ReadRequest(
            id="box-1",
            urn=URN,
            type=TOKEN,
            name="box",
            properties=encode_struct(properties),
            inputs=encode_struct(inputs),
        )
        answer = self.stub.Read(request)
        return answer.id, decode_struct(answer.properties), decode_struct(answer.inputs)


@pytest.fixture
def engine() -> Iterator[Engine]:
    provider = TestProvider()
    server, port = serve(provider)
    engine = Engine(provider, port)
    yield engine
    engine.channel.close()
    server.stop(0).wait()


def test_the_handshake_asks_for_secrets_and_previews(engine: Engine) -> None:
    assert engine.stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address="x")).accept_secrets
    configured = engine.stub.Configure(provider_pb2.ConfigureRequest())
    assert (configured.acceptSecrets, configured.supportsPreview) == (True, True)
    assert engine.stub.GetPluginInfo(empty_pb2.Empty()).version == "1.2.3"
    assert engine.stub.GetSchema(provider_pb2.GetSchemaRequest()).schema == "{}"
    assert engine.stub.Attach(plugin_pb2.PluginAttach(address="x")) == empty_pb2.Empty()
    assert engine.stub.Cancel(empty_pb2.Empty()) == empty_pb2.Empty()


def test_a_kind_gets_plain_values_and_secrets_come_back_secret(engine: Engine) -> None:
    id_, outputs = engine.create({"password": Secret(PLANTED), "size": 5})
    assert id_ == "box-1"
    assert engine.thing.seen == [{"password": PLANTED, "size": 5}]
    assert outputs["password"] == Secret(PLANTED)
    assert isinstance(outputs["url"], Secret)
    assert outputs["arn"] == "arn:1"


def test_a_preview_knows_the_inputs_and_leaves_the_rest_unknown(engine: Engine) -> None:
    id_, outputs = engine.create({"name": UNKNOWN, "tags": {"a": UNKNOWN}, "endpoint": {"host": "h"}}, preview=True)
    assert id_ == ""
    assert outputs["arn"] is UNKNOWN
    assert outputs["name"] is UNKNOWN
    assert outputs["tags"] == {"a": UNKNOWN}
    assert outputs["endpoint"] == {"host": "h", "port": UNKNOWN}
    assert engine.thing.seen == []


def test_an_update_preview_keeps_what_nobody_changes(engine: Engine) -> None:
    olds = {"arn": "arn:1", "size": 5, "gone": "x", "endpoint": {"host": "h", "port": 1}}
    old = {"size": 5, "gone": "x", "endpoint": {"host": "h"}}
    outputs = engine.update(olds, old, {"size": UNKNOWN, "endpoint": {"host": "i"}}, preview=True)
    assert outputs == {"arn": "arn:1", "size": UNKNOWN, "endpoint": {"host": "i", "port": 1}}
    assert engine.thing.seen == []


def test_an_update_gets_old_and_new_and_keeps_secrets_that_the_object_made(engine: Engine) -> None:
    olds = {"arn": "arn:1", "size": 5, "token": Secret("made by the object")}
    outputs = engine.update(olds, {"size": 5}, {"size": 6, "password": Secret(PLANTED)})
    assert engine.thing.seen[0]["old"] == {"size": 5}
    assert engine.thing.seen[0]["outputs"]["token"] == "made by the object"
    assert outputs["token"] == Secret("made by the object")
    assert outputs["password"] == Secret(PLANTED)


@pytest.mark.parametrize(
    ("fail", "cause"), [("refused", "[secret] is too weak"), ("bug", "KeyError: '[secret]'"), ("odd", "type object")]
)
def test_a_failure_is_one_line_that_names_everything_but_the_secret(engine: Engine, fail: str, cause: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        engine.create({"fail": fail, "password": Secret(PLANTED)})
    details = caught.value.details()
    assert details.startswith(f'{TOKEN} "box": create failed: ')
    assert cause in details
    assert "planted" not in details
    assert "\n" not in details


@pytest.mark.parametrize(("fail", "id_"), [("half", "half-made"), ("odd", "odd")])
def test_an_object_that_was_half_made_is_handed_to_the_engine(engine: Engine, fail: str, id_: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        engine.create({"fail": fail, "password": Secret(PLANTED)})
    status = status_pb2.Status()
    status.ParseFromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
    failed = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(failed)
    assert failed.id == id_
    assert decode_struct(failed.properties)["password"] == Secret(PLANTED)
    assert decode_struct(failed.inputs)["fail"] == fail
    assert "planted" not in failed.reasons[0]


def test_reading_an_unchanged_object_gives_the_stored_inputs(engine: Engine) -> None:
    engine.thing.now = {"arn": "arn:1", "size": 5, "tags": {"a": "b"}, "password": PLANTED, "zone": "filled in"}
    stored = {"size": 5, "tags": {"a": "b"}, "password": Secret(PLANTED)}
    outputs = {**stored, "arn": "arn:1", "zone": "filled in"}
    assert engine.read(outputs, stored) == ("box-1", outputs, stored)


def test_reading_a_changed_object_shows_the_drift_alone(engine: Engine) -> None:
    engine.thing.now = {"arn": "arn:1", "size": 9, "tags": {"a": "changed"}}
    before = {"arn": "arn:1", "size": 5, "tags": {"a": "b", "c": "d"}}
    inputs = {"size": 5, "tags": {"a": "b", "c": "d"}}
    assert engine.read(before, inputs)[2] == {"size": 9, "tags": {"a": "changed"}}


def test_reading_an_object_that_is_gone_gives_no_id(engine: Engine) -> None:
    assert engine.read({"arn": "arn:1"}, {"size": 5}) == ("", {}, {})


def test_reading_by_id_alone_gives_the_inputs_that_the_object_has(engine: Engine) -> None:
    engine.thing.now = {"arn": "arn:1", "size": 5}
    assert engine.read({}, {})[2] == {"size": 5}


def test_drift_is_nothing_where_the_provider_only_writes_a_value_differently() -> None:
    # The input is an id, the output an ARN: that is no drift as long as the output stays the same.
    assert drifted({"key": "1"}, {"key": "arn:1"}, {"key": "arn:1"}) == {"key": "1"}


def test_an_unknown_type_is_named_by_check(engine: Engine) -> None:
    token = "test:index/other:Other"
    answer = engine.stub.Check(provider_pb2.CheckRequest(urn=URN, type=token, name="box", news=encode_struct({})))
    assert [failure.reason for failure in answer.failures] == [
        f"the local cloud has no type {token}: add a kind for it to infra/local/test"
    ]


def test_check_gives_the_programs_inputs_back_unchanged(engine: Engine) -> None:
    news = encode_struct({"a": UNKNOWN, "b": [Secret("x")], "c": None, "d": 1.5})
    answer = engine.stub.Check(provider_pb2.CheckRequest(urn=URN, type=TOKEN, name="box", news=news))
    assert answer.inputs == news


def test_an_invoke_answers_in_its_connections_region_and_keeps_secrets(engine: Engine) -> None:
    other = grpc.insecure_channel(f"127.0.0.1:{engine.port}", [("grpc.use_local_subchannel_pool", 1)])
    stub = provider_pb2_grpc.ResourceProviderStub(other)
    stub.Configure(provider_pb2.ConfigureRequest(args=encode_struct({"region": "eu-west-1"})))
    engine.stub.Configure(provider_pb2.ConfigureRequest(args=encode_struct({"region": "us-east-1"})))
    request = provider_pb2.InvokeRequest(tok="test:index/get:get", args=encode_struct({"key": Secret(PLANTED)}))
    for asked, region in ((stub, "eu-west-1"), (engine.stub, "us-east-1")):
        answer = decode_struct(getattr(asked.Invoke(request), "return"))
        assert answer == {"echo": Secret(PLANTED), "region": region}
    other.close()


def test_a_failed_invoke_names_the_function(engine: Engine) -> None:
    token = "test:index/getNothing:getNothing"
    request = provider_pb2.InvokeRequest(tok=token, args=encode_struct({"key": Secret(PLANTED)}))
    with pytest.raises(grpc.RpcError) as caught:
        engine.stub.Invoke(request)
    assert caught.value.details() == f"{token}: invoke failed: no [secret]"


def test_delete_gets_the_outputs(engine: Engine) -> None:
    olds = encode_struct({"arn": "arn:1", "password": Secret(PLANTED)})
    engine.stub.Delete(provider_pb2.DeleteRequest(id="box-1", urn=URN, type=TOKEN, name="box", properties=olds))
    assert engine.thing.seen == [{"arn": "arn:1", "password": PLANTED}]


def test_a_value_that_is_unknown_in_a_real_run_is_refused(engine: Engine) -> None:
    with pytest.raises(grpc.RpcError, match="the engine sent no value for size"):
        engine.create({"size": [UNKNOWN]})
