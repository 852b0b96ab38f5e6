"""The AWS provider: hands each call to the kind of its type, which talks to moto or remembers."""

from __future__ import annotations

from typing import Any, Final

from infra.local import aws
from infra.local.aws.kind import Context
from infra.local.provider import Call, Provider, ResourceKind, Values

DEFAULT_REGION: Final = "us-east-1"


class AwsProvider(Provider):
    """The provider `aws`, over the moto server at `endpoint`."""

    package = "aws"
    version = "7.0.0"

    def __init__(self, endpoint: str) -> None:
        """Remember where moto listens."""
        super().__init__()
        self.endpoint = endpoint

    def kind(self, token: str) -> ResourceKind | None:
        """Look the type up."""
        return aws.KINDS.get(token)

    def context(self, call: Call) -> Context:
        """Place the call: the resource's own region before the provider's."""
        return self._place(call.properties, call.config, call.name)

    def config_replaces(self, old: Values, new: Values) -> list[str]:
        """Another region means other objects."""
        return ["region"] if old.get("region") and old.get("region") != new.get("region") else []

    def invoke(self, token: str, args: Values, config: Values) -> Values:
        """Answer a function."""
        return aws.invoke(self._place(args, config, ""), token, args)

    def _place(self, properties: Values, config: Values, name: str) -> Context:
        region: Any = properties.get("region") or config.get("region") or DEFAULT_REGION
        return Context(self.endpoint, str(region), name)
