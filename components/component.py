"""What every component shares: where it stands, and what all of its resources carry.

Tags and region are put on in one place, by a stack transformation, so that no component can forget
them and none has to repeat them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import pulumi

from infra.naming import Names

DataClass = Literal["public", "internal", "confidential"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """The environment that a component stands in.

    Attributes:
        region: AWS region of the component's regional resources, such as `us-east-1`.
        names: deterministic physical names of this stack.
        tags: the tags every taggable resource gets besides DataClass and Urn.
        protected: stateful resources refuse replacement and deletion (false in development only).
        retained: stateful resources survive in AWS when they leave the program (production).
    """

    region: str
    names: Names
    tags: dict[str, str]
    protected: bool
    retained: bool


class Component(pulumi.ComponentResource):
    """Base of all components: `(name, site, ..., opts)`; children take `self.child()`.

    The component's own options are never handed down: `ignore_changes`, `depends_on` and the like
    are stated on the resource that they are about.
    """

    KIND: ClassVar[str]
    """Type token without the package: `data:Database`."""
    DATA_CLASS: ClassVar[DataClass] = "internal"

    def __init__(self, name: str, site: Site, opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the component under `headroom:{KIND}`."""
        super().__init__(f"headroom:{self.KIND}", name, {}, opts)
        self.site = site
        parent = opts.parent if opts else None
        prefix = f"{parent.qualified_type}$" if isinstance(parent, Component) else ""
        self.qualified_type: str = f"{prefix}headroom:{self.KIND}"

    def child(
        self,
        *,
        depends_on: list[pulumi.Resource] | None = None,
        provider: pulumi.ProviderResource | None = None,
        ignore_changes: list[str] | None = None,
        delete_before_replace: bool | None = None,
        custom_timeouts: pulumi.CustomTimeouts | None = None,
        additional_secret_outputs: list[str] | None = None,
    ) -> pulumi.ResourceOptions:
        """Options of a resource that this component owns and that AWS can rebuild without loss."""
        return pulumi.ResourceOptions(
            parent=self,
            depends_on=depends_on,
            provider=provider,
            ignore_changes=ignore_changes,
            delete_before_replace=delete_before_replace,
            custom_timeouts=custom_timeouts,
            additional_secret_outputs=additional_secret_outputs,
        )

    def stateful(
        self,
        *,
        depends_on: list[pulumi.Resource] | None = None,
        ignore_changes: list[str] | None = None,
        custom_timeouts: pulumi.CustomTimeouts | None = None,
    ) -> pulumi.ResourceOptions:
        """Options of a resource that holds data, or that data cannot be read without."""
        return pulumi.ResourceOptions(
            parent=self,
            protect=self.site.protected,
            retain_on_delete=self.site.retained,
            depends_on=depends_on,
            ignore_changes=ignore_changes,
            custom_timeouts=custom_timeouts,
        )


def register_defaults() -> None:
    """Give every AWS resource its component's region, and its tags where the type takes any.

    Call once per program, before the first resource. An AWS tag value may not hold `$`, which
    separates the types inside a URN, so the Urn tag has `+` in its place.
    Source of the character set: AWS Tagging best practices; https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html
    """
    stack, project = pulumi.get_stack(), pulumi.get_project()

    def transform(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        parent = args.opts.parent
        if not args.type_.startswith("aws:") or not isinstance(parent, Component):
            return None
        props = dict(args.props)
        if "region" in props and props["region"] is None:
            props["region"] = parent.site.region
        if "tags" in props:
            own: dict[str, str] = props["tags"] or {}  # type: ignore[assignment]
            urn = f"urn:pulumi:{stack}::{project}::{parent.qualified_type}${args.type_}::{args.name}"
            props["tags"] = {
                **parent.site.tags,
                "DataClass": parent.DATA_CLASS,
                "Urn": urn.replace("$", "+"),
                **own,
            }
        return pulumi.ResourceTransformationResult(props, args.opts)

    pulumi.runtime.register_stack_transformation(transform)
