"""Kinds as rows of a table: which operations of which service, and where in the answers the outputs are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.local.aws.calls import Call, Change, fill, input_shape, is_gone, search
from infra.local.aws.kind import ACCOUNT_ID, PARTITION, Context, Incomplete, KindError, Values
from infra.local.aws.shape import member, same, to_api
from infra.local.aws.tagging import TAGGING

GLOBAL_REGION = "us-east-1"


def locate(source: str, found: Any, values: Mapping[str, Any]) -> Any:
    """What a table row's `source` says: a JMESPath into `found`, or after `=` a template of `found` and `values`."""
    return fill(source[1:], {**found, **values}) if source.startswith("=") else search(source, found)


def arn(service: str, resource: str) -> str:
    """Source of the ARN of a resource in its region."""
    return f"=arn:{{partition}}:{service}:{{region}}:{{account}}:{resource}"


def as_is(_: Context, values: Values) -> Values:
    """Send the properties as they are."""
    return values


def nothing_more(_: Context, __: str, ___: Values, ____: Values) -> None:
    """No step besides the row's operations."""


def no_others(_: Context, __: str, ___: Values, ____: Values) -> Values:
    """No outputs besides the row's."""
    return {}


@dataclass(frozen=True, kw_only=True)
class Row:
    """What the table says of every type, be it moto's or remembered here.

    Attributes:
        outputs: property to its source (see `locate`).
        named: the property with the physical name and the longest that it may be, when Pulumi would choose one.
        world: belongs to a service without regions.
    """

    outputs: Mapping[str, Any] = field(default_factory=dict)
    named: tuple[str, int] | None = None
    world: bool = False

    def place(self, ctx: Context) -> Context:
        """The region that the type's API lives in."""
        return replace(ctx, region=GLOBAL_REGION) if self.world else ctx

    def name(self, ctx: Context, inputs: Values) -> Values:
        """The inputs, with the physical name that Pulumi would choose if there is none."""
        if self.named is None or inputs.get(self.named[0]):
            return inputs
        return {**inputs, self.named[0]: ctx.autoname(self.named[1], inputs.get(f"{self.named[0]}Prefix"))}

    def keep_name(self, inputs: Values, outputs: Values) -> Values:
        """The inputs of an update, with the name that the creation chose."""
        if self.named is None or inputs.get(self.named[0]):
            return inputs
        return {**inputs, self.named[0]: outputs[self.named[0]]}

    def known(self, ctx: Context, values: Values, **more: Any) -> Values:
        """What the templates of a row may use."""
        return {**values, "region": ctx.region, "account": ACCOUNT_ID, "partition": PARTITION, **more}


@dataclass(frozen=True, kw_only=True)
class ApiKind(Row):
    """A type that moto implements.

    Attributes:
        service: boto3's name of the service.
        make: operation that creates it; the inputs become its parameters by their names.
        id: where the answer to `make` has the id (a source), or what makes it of answer and inputs.
        find: operation that describes it; `{part}` is what stands behind the last `|` of the id.
        watched: inputs whose value AWS may not have any more, to their sources; `outputs` are watched anyway.
        at: where the answer to `find` has the object (a JMESPath template); nothing there means that it is gone.
        drop: operation that deletes it; None when nothing needs to be done.
        changes: operations that change it, in order.
        rename: property to parameter, where they are not spelt alike.
        tags: key of `TAGGING` when it takes tags.
        ec2_type: its resource type in EC2's tag specifications.
        documents: inputs that are JSON, where AWS reads them and moto does not.
        prepare: makes inputs fit the operations.
        settle: what no row says; gets id, old and new inputs after a creation (old is empty) and in an update.
        derive: outputs that no source finds; gets id, the object and what is known.
        derived: names of these outputs.
        remove: instead of `drop`, where one operation is not enough.
        real: moto has it.
    """

    service: str
    make: Call
    id: str | Callable[[Values], str]
    find: Call
    at: str = "@"
    watched: Mapping[str, str] = field(default_factory=dict)
    drop: Call | None = None
    changes: tuple[Change, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    tags: str | None = None
    ec2_type: str | None = None
    documents: tuple[str, ...] = ()
    prepare: Callable[[Context, Values], Values] = as_is
    settle: Callable[[Context, str, Values, Values], None] = nothing_more
    derive: Callable[[Context, str, Values, Values], Values] = no_others
    derived: tuple[str, ...] = ()
    remove: Callable[[Context, str, Values], None] | None = None
    real: bool = field(default=True, init=False)

    @cached_property
    def computed(self) -> tuple[str, ...]:
        """Outputs that nobody knows before the object exists."""
        name = (self.named[0],) if self.named else ()
        tags = ("tagsAll",) if self.tags else ()
        return tuple(dict.fromkeys([*name, *self.outputs, *self.derived, *tags]))

    def operation(self, inputs: Values) -> Call:
        """The operation that creates it."""
        return self.make

    def create(self, ctx: Context, inputs: Values) -> tuple[str, Values]:
        """See `Kind`."""
        ctx = self.place(ctx)
        given = self.name(ctx, inputs)
        prepared = self._prepared(ctx, given)
        client = ctx.client(self.service)
        make = self.operation(prepared)
        answer = make(
            client,
            self.known(ctx, {**given, **prepared}),
            self._parameters(input_shape(client, make.operation), prepared),
        )
        id_ = self.id({**answer, **given}) if callable(self.id) else locate(self.id, answer, self.known(ctx, given))
        if id_ is None:  # EC2 reports some failures inside an answer that succeeds
            raise KindError(search("Unsuccessful[0].Error.Message", answer) or f"{make.operation} made nothing")
        known = self.known(ctx, {**answer, **given}, id=id_)
        try:
            for each in self.changes:
                if each.created:
                    each.apply(client, self.rename, known, {}, prepared)
            self.settle(ctx, id_, {}, given)
            outputs = self._outputs(ctx, id_, given, known)
            takes = self.ec2_type or member(input_shape(client, make.operation), "tags", self.rename)
            if self.tags and not takes:
                TAGGING[self.tags].apply(ctx, {**outputs, "id": id_}, {}, given.get("tags", {}))
        except (BotoCoreError, ClientError, KindError) as error:
            raise Incomplete(str(error), id_, given) from error
        return id_, outputs

    def read(self, ctx: Context, id: str, outputs: Values) -> Values | None:  # noqa: A002
        """See `Kind`."""
        ctx = self.place(ctx)
        observed = self._observed(ctx, id, outputs)
        if observed is None:
            return None
        fresh = dict(outputs)
        for key, value in observed.items():
            if value is None:
                fresh.pop(key, None)
            elif key not in fresh or not same(fresh[key], value):
                fresh[key] = {**fresh.get(key, {}), **value} if isinstance(value, dict) else value
        return fresh

    def update(self, ctx: Context, id: str, outputs: Values, old: Values, new: Values) -> Values:  # noqa: A002
        """See `Kind`."""
        ctx = self.place(ctx)
        client = ctx.client(self.service)
        before, after = self.keep_name(old, outputs), self.keep_name(new, outputs)
        known = self.known(ctx, {**outputs, **after}, id=id)
        prepared = self.prepare(ctx, before), self._prepared(ctx, after)
        for each in self.changes:
            each.apply(client, self.rename, known, *prepared)
        self.settle(ctx, id, before, after)
        if self.tags:
            TAGGING[self.tags].apply(ctx, known, old.get("tags") or {}, new.get("tags") or {})
        return self._outputs(ctx, id, after, known)

    def delete(self, ctx: Context, id: str, outputs: Values) -> None:  # noqa: A002
        """See `Kind`."""
        ctx = self.place(ctx)
        try:
            if self.remove:
                self.remove(ctx, id, outputs)
            elif self.drop:
                self.drop(ctx.client(self.service), self.known(ctx, outputs, id=id))
        except ClientError:
            if self._observed(ctx, id, outputs) is not None:
                raise

    def _prepared(self, ctx: Context, values: Values) -> Values:
        """Inputs as the operations take them, after the checks that moto leaves out."""
        for key in self.documents:
            try:
                json.loads(values.get(key) or "{}")
            except ValueError as error:
                message = f"{key} is not JSON: {error}"
                raise KindError(message) from error
        return self.prepare(ctx, values)

    def _parameters(self, shape: Any, values: Values) -> Values:
        """Inputs as parameters of the create operation."""
        parameters = to_api(shape, {key: value for key, value in values.items() if key != "region"}, self.rename)
        if self.ec2_type and values.get("tags"):
            pairs = [{"Key": key, "Value": value} for key, value in values["tags"].items()]
            parameters["TagSpecifications"] = [{"ResourceType": self.ec2_type, "Tags": pairs}]
        return parameters

    def _observed(self, ctx: Context, id_: str, values: Values) -> Values | None:
        """Outputs as AWS has them now; None when the object is gone."""
        known = self.known(ctx, values, id=id_, part=id_.rpartition("|")[2])
        try:
            answer = self.find(ctx.client(self.service), known)
            found = search(fill(self.at, known), answer)
            if not found:
                return None
            sources = {key: locate(each, found, known) for key, each in {**self.outputs, **self.watched}.items()}
            return {**sources, **self.derive(ctx, id_, found, {**known, **sources})}
        except ClientError as error:
            if is_gone(error):
                return None
            raise

    def _outputs(self, ctx: Context, id_: str, given: Values, known: Values) -> Values:
        observed = self._observed(ctx, id_, known)
        if observed is None:
            message = f"{id_} does not exist"
            raise KindError(message)
        tags = {"tagsAll": given.get("tags") or {}} if self.tags else {}
        region = {} if self.world else {"region": ctx.region}
        made = {key: each for key, each in observed.items() if each is not None}
        # What AWS adds inside a given property is an output; what was given stays as it was written.
        inside = {
            key: {**made[key], **given[key]} for key in made.keys() & given.keys() if isinstance(given[key], dict)
        }
        return {**made, **given, **inside, **tags, **region}
