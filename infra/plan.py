"""The plan: the same program that `pulumi up` runs, recorded in-process without engine, cloud or credentials.

It runs under Pulumi's own mock monitor with preview semantics: what only AWS can know stays unknown, and is
shown as such. The result is deterministic: the order is that of the program's registrations.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypedDict

import pulumi
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime import mocks, rpc
from pulumi.runtime import resource as sdk
from pulumi.runtime.proto import resource_pb2, source_pb2
from pulumi.runtime.settings import configure
from pulumi.runtime.stack import run_in_stack

from infra.naming import PROJECT
from infra.stack_file import StackFile
from infra.uncollected import uncollected

UNKNOWN = "[unknown]"
SECRET = "[secret]"  # noqa: S105 the marker that stands in a secret's place
STACK_TYPE = "pulumi:pulumi:Stack"


class Options(TypedDict, total=False):
    """Resource options as the engine sees them; those at their default are left out."""

    protect: bool
    retainOnDelete: bool
    deleteBeforeReplace: bool
    ignoreChanges: list[str]
    additionalSecretOutputs: list[str]
    aliases: list[str]
    customTimeouts: dict[str, str]
    provider: str


@dataclass(frozen=True, slots=True)
class PlannedResource:
    """One resource of the plan; `inputs` are camelCase, with `[unknown]` and `[secret]` in place of such values.

    `property_dependencies` names, for each input, the resources that its value comes from; what is only in
    `dependencies` is waited for without anything of it being used.
    """

    urn: str
    type: str
    name: str
    parent: str | None
    inputs: dict[str, Any]
    options: Options
    dependencies: list[str]
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_component(self) -> bool:
        """Whether it groups resources and is none itself."""
        return self.type.startswith("headroom:")


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything one stack would be."""

    stack: str
    phase: str
    resources: list[PlannedResource]
    outputs: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The plan as `headroom plan --json` prints it."""
        return {
            "stack": self.stack,
            "phase": self.phase,
            "resources": [
                {
                    "urn": resource.urn,
                    "type": resource.type,
                    "name": resource.name,
                    "parent": resource.parent,
                    "inputs": resource.inputs,
                    "options": resource.options,
                    "dependencies": resource.dependencies,
                }
                for resource in self.resources
            ],
            "outputs": self.outputs,
        }


def make_plan(stored: StackFile) -> Plan:
    """Run the program with a stack file's configuration and record what it registers.

    Raises:
        infra.errors.UserError: the program refuses the configuration; it names every problem.
    """
    from stacks.platform import program

    resources, outputs = record(program, stored)
    return Plan(stored.stack, outputs["phase"], resources, outputs)


def record(program: Callable[[], Awaitable[None]], stored: StackFile) -> tuple[list[PlannedResource], dict[str, Any]]:
    """Run any program as a plan does; returns its resources, in the program's order, and the stack's outputs."""
    monitor = _Recorder(PROJECT, stored.stack)
    _run(program, monitor, stored)
    return monitor.recorded(), monitor.outputs


def _run(program: Callable[[], Awaitable[None]], monitor: _Recorder, stored: StackFile) -> None:
    pulumi.runtime.set_all_config(stored.raw, list(stored.encrypted))
    described = monitor.GetDeploymentInfo(empty_pb2.Empty())  # type: ignore[no-untyped-call]
    configure(
        mocks.MockSettings(  # type: ignore[no-untyped-call]
            monitor=monitor,
            monitor_features=set(described.supportedFeatures),
            engine=mocks.MockEngine(logging.getLogger(__name__)),
            project=PROJECT,
            stack=stored.stack,
            dry_run=True,
            organization="organization",
            callbacks=None,
        )
    )
    pulumi.runtime.settings.set_root_resource(None)  # type: ignore[arg-type]

    async def ordered() -> None:
        pulumi.runtime.register_stack_transformation(monitor.note_order)
        await program()

    with uncollected(), _lean():
        asyncio.run(run_in_stack(ordered))


@contextmanager
def _lean() -> Iterator[None]:
    """Spare the SDK two things that nobody sees in a plan, and that take a fifth of its time.

    They are where in the source each resource was made, and a URN that only a monitor of no engine would need: this one
    answers with its own.
    """
    trace, urn = sdk._get_stack_trace, sdk.create_urn  # noqa: SLF001 the SDK has no switch for it
    sdk._get_stack_trace = source_pb2.StackTrace  # noqa: SLF001
    sdk.create_urn = lambda *_: _Nothing()  # type: ignore[assignment]
    try:
        yield
    finally:
        sdk._get_stack_trace, sdk.create_urn = trace, urn  # noqa: SLF001


class _Nothing:
    """Stands for an output that nobody reads."""

    async def future(self) -> None:
        """Know nothing, at once."""


class _NoMocks(mocks.Mocks):
    """Never asked: the recorder answers registrations itself."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        raise AssertionError(args.name)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise AssertionError(args.token)


class _Recorder(mocks.MockMonitor):
    """Pulumi's mock monitor, with the engine's URNs and every option kept."""

    def __init__(self, project: str, stack: str) -> None:
        super().__init__(_NoMocks())
        self._prefix = f"urn:pulumi:{stack}::{project}::"
        self._stack_urn = f"{self._prefix}{STACK_TYPE}::{project}-{stack}"
        self._recorded: list[PlannedResource] = []
        self._order: dict[tuple[str, str], int] = {}
        self.outputs: dict[str, Any] = {}

    def note_order(self, args: pulumi.ResourceTransformationArgs) -> None:
        """Constructors run in the program's order; registrations arrive from a pool of threads."""
        self._order.setdefault((args.type_, args.name), len(self._order))

    def recorded(self) -> list[PlannedResource]:
        """Everything registered, in the program's order."""
        return sorted(self._recorded, key=lambda resource: self._order[resource.type, resource.name])

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """The engine's rule: every parent's type but the stack's is in the URN."""
        if parent and parent != self._stack_urn:
            type_ = f"{parent.split('::')[2]}${type_}"
        return f"{self._prefix}{type_}::{name}"

    def RegisterResource(  # noqa: N802 the gRPC method's name
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        """Record the registration; echo its inputs, and leave the rest unknown as a preview does."""
        if request.type == STACK_TYPE:
            return resource_pb2.RegisterResourceResponse(urn=self._stack_urn)
        urn = self.make_urn(request.parent, request.type, request.name)
        self._recorded.append(
            PlannedResource(
                urn=urn,
                type=request.type,
                name=request.name,
                parent=request.parent if request.parent != self._stack_urn else None,
                inputs=_plain_struct(request.object),
                options=_options(request),
                dependencies=sorted(request.dependencies),
                property_dependencies={
                    name: sorted(found.urns) for name, found in request.propertyDependencies.items() if found.urns
                },
            )
        )
        return resource_pb2.RegisterResourceResponse(urn=urn, object=request.object)

    def Invoke(  # noqa: N802 the gRPC method's name
        self, request: resource_pb2.ResourceInvokeRequest
    ) -> resource_pb2.ResourceInvokeResponse:
        """Answer from `infra.invokes`; Pulumi's own method opens an event loop in each thread and never closes it."""
        from infra.invokes import answer

        response = resource_pb2.ResourceInvokeResponse()
        getattr(response, "return").update(answer(request.tok, _plain_struct(request.args)))
        return response

    def RegisterResourceOutputs(  # noqa: N802 the gRPC method's name
        self, request: resource_pb2.RegisterResourceOutputsRequest
    ) -> empty_pb2.Empty:
        """Keep the stack's outputs."""
        if request.urn == self._stack_urn:
            self.outputs = _plain_struct(request.outputs)
        return empty_pb2.Empty()


def _options(request: resource_pb2.RegisterResourceRequest) -> Options:
    options: Options = {}
    if request.protect:
        options["protect"] = True
    if request.retainOnDelete:
        options["retainOnDelete"] = True
    if request.deleteBeforeReplaceDefined:
        options["deleteBeforeReplace"] = request.deleteBeforeReplace
    if request.ignoreChanges:
        options["ignoreChanges"] = list(request.ignoreChanges)
    if request.additionalSecretOutputs:
        options["additionalSecretOutputs"] = list(request.additionalSecretOutputs)
    if request.aliases:
        options["aliases"] = [alias.urn or alias.spec.name for alias in request.aliases]
    if request.HasField("customTimeouts"):
        timeouts = request.customTimeouts
        given = {"create": timeouts.create, "update": timeouts.update, "delete": timeouts.delete}
        options["customTimeouts"] = {key: value for key, value in given.items() if value}
    if request.provider:
        options["provider"] = request.provider.rsplit("::", 1)[0]
    return options


def _plain_struct(struct: struct_pb2.Struct) -> dict[str, Any]:
    return {key: _plain(struct.fields[key]) for key in sorted(struct.fields)}


def _plain(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value == rpc.UNKNOWN else value.string_value
    if kind == "struct_value":
        return _plain_special(value.struct_value)
    if kind == "list_value":
        return [_plain(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    return None


def _plain_special(struct: struct_pb2.Struct) -> Any:
    """Secrets, resource references, assets and plain objects all travel as structs, told apart by a signature."""
    signature = struct.fields[rpc._special_sig_key].string_value if rpc._special_sig_key in struct.fields else ""  # noqa: SLF001
    if signature == rpc._special_secret_sig:  # noqa: SLF001 the SDK has no public name for these
        return SECRET
    if signature == rpc._special_resource_sig:  # noqa: SLF001
        return struct.fields["urn"].string_value
    plain = _plain_struct(struct)
    plain.pop(rpc._special_sig_key, None)  # noqa: SLF001
    return plain
