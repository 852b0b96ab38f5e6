"""A Pulumi resource provider in Python: the gRPC protocol once, for the four providers of the local cloud.

A provider names its kinds (one per resource type) and makes the context that a kind works in; everything
that Pulumi's protocol asks for is here: secrets, unknowns, previews, diffs, drift, errors.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Protocol

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from infra.errors import UserError
from infra.local.aws.kind import Incomplete
from infra.local.diff import Change, Kind, compare
from infra.local.failure import FAILURES, crash, init_failed, message, reported
from infra.local.faults import CrashError, Faults
from infra.local.foreseen import carried, drifted, foreseen
from infra.local.ledger import TOKEN, Ledger, Made
from infra.local.values import (
    decode_struct,
    encode_struct,
    has_unknown,
    plain,
    redact,
    rewrap,
    secret_strings,
)

MESSAGE_BYTES: Final = 400 * 1024 * 1024
"""The engine's own limit for one gRPC message."""
CONNECTIONS_KEPT: Final = 256
WORKERS: Final = 32

Values = dict[str, Any]
DETAIL: Final = {
    (Kind.ADD, False): provider_pb2.PropertyDiff.ADD,
    (Kind.ADD, True): provider_pb2.PropertyDiff.ADD_REPLACE,
    (Kind.UPDATE, False): provider_pb2.PropertyDiff.UPDATE,
    (Kind.UPDATE, True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
    (Kind.DELETE, False): provider_pb2.PropertyDiff.DELETE,
    (Kind.DELETE, True): provider_pb2.PropertyDiff.DELETE_REPLACE,
}


class ResourceKind(Protocol):
    """One resource type: inputs and outputs are plain values under the SDK's camelCase names."""

    @property
    def computed(self) -> tuple[str, ...]:
        """Outputs that nobody knows before the object exists; `a.b` is the property `b` inside `a`."""

    def create(self, ctx: Any, inputs: Values) -> tuple[str, Values]:
        """Make the object; its id and outputs."""

    def read(self, ctx: Any, id: str, outputs: Values) -> Values | None:  # noqa: A002
        """The object's outputs as they are now; None when it is gone."""

    def update(self, ctx: Any, id: str, outputs: Values, old: Values, new: Values) -> Values:  # noqa: A002
        """Change the object from the inputs `old` to `new`; its new outputs."""

    def delete(self, ctx: Any, id: str, outputs: Values) -> None:  # noqa: A002
        """Delete the object; one that is gone already is fine."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call about one resource.

    Attributes:
        token: the resource's type.
        name: its logical name.
        properties: its plain inputs, or its outputs where the call carries no inputs.
        config: the configuration of the provider instance that the engine called through.
    """

    token: str
    name: str
    properties: Values
    config: Values


class Provider(provider_pb2_grpc.ResourceProviderServicer, ABC):
    """Base of the four providers."""

    package: str
    version: str
    faults: Faults | None = None
    """What is to fail, where somebody wants to see that."""
    ledger: Ledger | None = None
    """What was made; None for a provider that makes nothing outside of the state."""

    def __init__(self) -> None:
        """Start without any configured instance."""
        self._configs: OrderedDict[str, Values] = OrderedDict()
        self._lock = threading.Lock()

    @abstractmethod
    def kind(self, token: str) -> ResourceKind | None:
        """The kind that implements `token`; None for a type that this provider does not have."""

    @abstractmethod
    def context(self, call: Call) -> Any:
        """What the kind's methods get as `ctx`."""

    @abstractmethod
    def invoke(self, token: str, args: Values, config: Values) -> Values:
        """Answer a function call of the program."""

    def problems(self, call: Call) -> Iterator[tuple[str, str]]:
        """Whatever is wrong with the inputs before any object is touched: (property path, reason)."""
        if self.kind(call.token) is None:
            yield "", f"the local cloud has no type {call.token}: add a kind for it to infra/local/{self.package}"

    def config_replaces(self, old: Values, new: Values) -> list[str]:
        """Configuration keys whose change makes this a provider of other objects."""
        return []

    def judged_as(self, token: str, config: Values) -> str:
        """The type whose replacement rules hold for `token` under this configuration."""
        return token

    # The protocol, in the order of a run.

    def Handshake(self, request: provider_pb2.ProviderHandshakeRequest, context: Any) -> Any:
        """Agree on features: secrets are kept apart, outputs and resource references come as plain values."""
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def Attach(self, request: plugin_pb2.PluginAttach, context: Any) -> Any:
        """Accept the engine; this process outlives it and needs nothing from it."""
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: empty_pb2.Empty, context: Any) -> Any:
        """Say which version of the official plugin this one stands for."""
        return plugin_pb2.PluginInfo(version=self.version)

    def GetSchema(self, request: provider_pb2.GetSchemaRequest, context: Any) -> Any:
        """Give an empty schema: programs bring their SDK."""
        return provider_pb2.GetSchemaResponse(schema="{}")

    def CheckConfig(self, request: provider_pb2.CheckRequest, context: Any) -> Any:
        """Accept any configuration."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: Any) -> Any:
        """Compare two configurations of one provider instance."""
        old, new = decode_struct(request.old_inputs), decode_struct(request.news)
        difference = compare(f"pulumi:providers:{self.package}", old, new)
        return _diff_response(difference.changes, self.config_replaces(plain(old), plain(new)), delete_first=False)

    def Configure(self, request: provider_pb2.ConfigureRequest, context: Any) -> Any:
        """Remember the configuration for the connection that it came on.

        The engine opens one connection per provider instance, and later calls on it carry no other mark.
        """
        with self._lock:
            self._configs[context.peer()] = plain(decode_struct(request.args))
            while len(self._configs) > CONNECTIONS_KEPT:
                self._configs.popitem(last=False)
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Invoke(self, request: provider_pb2.InvokeRequest, context: Any) -> Any:
        """Answer a function; what came in secret goes out secret."""
        args = decode_struct(request.args)
        with reported(context, f"{request.tok}", "invoke", args):
            if request.tok == TOKEN:
                return provider_pb2.InvokeResponse(**{"return": encode_struct(self._ledger(str(args["prefix"])))})
            answer = self.invoke(request.tok, plain(args), self._config(context))
            return provider_pb2.InvokeResponse(**{"return": encode_struct(rewrap(answer, args))})

    def Check(self, request: provider_pb2.CheckRequest, context: Any) -> Any:
        """Accept the inputs as the program gave them, or say what is wrong with them."""
        news = decode_struct(request.news)
        with reported(context, _subject(request), "check", news):
            call = Call(request.type, request.name, plain(news), self._config(context))
            secrets = secret_strings(news)
            failures = [
                provider_pb2.CheckFailure(property=path, reason=redact(reason, secrets))
                for path, reason in self.problems(call)
            ]
            return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    def Diff(self, request: provider_pb2.DiffRequest, context: Any) -> Any:
        """Compare the stored inputs with the program's."""
        old, new = decode_struct(request.old_inputs), decode_struct(request.news)
        with reported(context, _subject(request), "diff", old, new):
            difference = compare(self.judged_as(request.type, self._config(context)), old, new)
            if difference.refusals:
                raise UserError("; ".join(difference.refusals))
            return _diff_response(difference.changes, difference.replaces, delete_first=difference.delete_first)

    def Create(self, request: provider_pb2.CreateRequest, context: Any) -> Any:
        """Make the object; in a preview only say which outputs are known."""
        inputs = decode_struct(request.properties)
        with reported(context, _subject(request), "create", inputs):
            kind = self._kind(request.type)
            if request.preview:
                return provider_pb2.CreateResponse(properties=encode_struct(foreseen(inputs, kind.computed)))
            _known(inputs)
            ctx = self._context(request, plain(inputs), context)
            number = self._before(request, context)
            try:
                made, outputs = kind.create(ctx, plain(inputs))
            except Incomplete as error:
                made, outputs, reason = error.id, error.outputs, error.message
            else:
                reason = self._cut_short(number)
            properties, reason = _encoded(outputs, inputs, reason)
            self._record(request, made, properties, context)
            self._after(number, context)
            if reason:
                told = message(_subject(request), "create", reason, [inputs])
                init_failed(context, told, id=made, properties=properties, inputs=request.properties)
            return provider_pb2.CreateResponse(id=made, properties=properties)

    def Read(self, request: provider_pb2.ReadRequest, context: Any) -> Any:
        """Look the object up; stored inputs that no longer hold are replaced by what is there."""
        olds, inputs = decode_struct(request.properties), decode_struct(request.inputs)
        with reported(context, _subject(request), "read", olds, inputs):
            kind = self._kind(request.type)
            before = plain(olds)
            ctx = self._context(request, {**before, **plain(inputs)}, context)
            outputs = kind.read(ctx, request.id, before)
            if outputs is None:
                return provider_pb2.ReadResponse()
            if before:
                actual = drifted(inputs, before, outputs)
            else:  # An import, or a `get`: whatever the object has that could be an input.
                actual = {name: value for name, value in outputs.items() if name not in kind.computed}
            return provider_pb2.ReadResponse(
                id=request.id,
                properties=encode_struct(rewrap(outputs, inputs, olds)),
                inputs=encode_struct(rewrap(actual, inputs)),
            )

    def Update(self, request: provider_pb2.UpdateRequest, context: Any) -> Any:
        """Change the object in place; in a preview the outputs that nobody sets stay as they are."""
        olds, news = decode_struct(request.olds), decode_struct(request.news)
        old_inputs = decode_struct(request.old_inputs)
        with reported(context, _subject(request), "update", olds, news, old_inputs):
            kind = self._kind(request.type)
            kept = {name: value for name, value in olds.items() if name not in old_inputs and name not in news}
            if request.preview:
                outputs = carried({**kept, **news}, olds, kind.computed)
                return provider_pb2.UpdateResponse(properties=encode_struct(outputs))
            _known(news)
            ctx = self._context(request, plain(news), context)
            number = self._before(request, context)
            outputs = kind.update(ctx, request.id, plain(olds), plain(old_inputs), plain(news))
            properties = encode_struct(rewrap(outputs, news, kept))
            self._record(request, request.id, properties, context)
            self._after(number, context)
            return provider_pb2.UpdateResponse(properties=properties)

    def Delete(self, request: provider_pb2.DeleteRequest, context: Any) -> Any:
        """Delete the object."""
        olds = decode_struct(request.properties)
        with reported(context, _subject(request), "delete", olds):
            before = plain(olds)
            number = self._before(request, context)
            self._kind(request.type).delete(self._context(request, before, context), request.id, before)
            self._after(number, context)
            return empty_pb2.Empty()

    def Cancel(self, request: empty_pb2.Empty, context: Any) -> Any:
        """Nothing runs for long here; calls under way finish."""
        return empty_pb2.Empty()

    # Planted faults, and the ledger.

    def _before(self, request: Any, context: Any) -> int:
        try:
            return self.faults.before(request.urn) if self.faults else 0
        except CrashError:
            return crash(context)

    def _after(self, number: int, context: Any) -> None:
        try:
            if self.faults:
                self.faults.after(number)
        except CrashError:
            crash(context)

    def _cut_short(self, number: int) -> str:
        return "a planted fault: ends half-way" if self.faults and self.faults.is_incomplete(number) else ""

    def _record(self, request: Any, id_: str, properties: struct_pb2.Struct, context: Any) -> None:
        if self.ledger is not None:
            self.ledger.record(request.urn, request.type, id_, decode_struct(properties), self._config(context))

    def _ledger(self, prefix: str) -> Values:
        if self.ledger is None:
            return {"made": [], "changes": 0}
        made = [one.to_dict() for one in self.ledger.living(prefix, self._exists)]
        return {"made": made, "changes": self.ledger.changes}

    def _exists(self, made: Made, config: Values) -> bool:
        call = Call(made.type, made.urn.rpartition("::")[2], made.properties, config)
        try:
            return self._kind(made.type).read(self.context(call), made.id, made.properties) is not None
        except FAILURES:
            return True  # It answers, if only with a refusal: better looked at twice than lost.

    def _kind(self, token: str) -> ResourceKind:
        kind = self.kind(token)
        if kind is None:
            msg = "the local cloud has no such type"
            raise UserError(msg)
        return kind

    def _config(self, context: Any) -> Values:
        with self._lock:
            return self._configs.get(context.peer(), {})

    def _context(self, request: Any, properties: Values, context: Any) -> Any:
        return self.context(Call(request.type, request.name, properties, self._config(context)))


def serve(provider: Provider) -> tuple[grpc.Server, int]:
    """Start a gRPC server for `provider` on a free port of this machine; the caller stops it."""
    server = grpc.server(
        ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix=provider.package),
        options=[
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            ("grpc.max_send_message_length", MESSAGE_BYTES),
            ("grpc.so_reuseport", 0),
        ],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def _subject(request: Any) -> str:
    return f'{request.type} "{request.name}"'


def _known(inputs: Values) -> None:
    unknown = sorted(name for name, value in inputs.items() if has_unknown(value))
    if unknown:
        msg = f"the engine sent no value for {', '.join(unknown)}"
        raise UserError(msg)


def _encoded(outputs: Values, inputs: Values, reason: str) -> tuple[struct_pb2.Struct, str]:
    """Encode a new object's outputs; where that fails the object exists all the same, so its inputs stand in."""
    try:
        return encode_struct(rewrap(outputs, inputs)), reason
    except TypeError as error:
        return encode_struct(inputs), reason or str(error)


def _diff_response(changes: Sequence[Change], replaces: Sequence[str], *, delete_first: bool) -> Any:
    some, none = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
    detailed: Mapping[str, provider_pb2.PropertyDiff] = {
        change.path: provider_pb2.PropertyDiff(kind=DETAIL[change.kind, change.replaces], inputDiff=True)
        for change in changes
    }
    return provider_pb2.DiffResponse(
        changes=some if changes else none,
        diffs=list(dict.fromkeys(change.root for change in changes)),
        replaces=list(replaces),
        deleteBeforeReplace=delete_first and bool(replaces),
        detailedDiff=detailed,
        hasDetailedDiff=bool(changes),
    )
