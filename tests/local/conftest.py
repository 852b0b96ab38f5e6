"""A throw-away project with a local cloud of its own, and small programs for the real engine."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.automation import PulumiCommand

from infra.engine import find
from infra.local import cloud as local_cloud
from infra.local.cloud import Cloud
from infra.local.stack import LocalStack

Program = Callable[[], Awaitable[Mapping[str, Any] | None]]


def resource(
    token: str, name: str, properties: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None, *outputs: str
) -> Any:
    """Register a resource by its token; `outputs` become attributes, as an SDK class has them."""
    cls = type("Raw", (pulumi.CustomResource,), {})
    return cls(token, name, {**dict.fromkeys(outputs), **properties}, opts)


def namespace(name: str, opts: pulumi.ResourceOptions | None = None, **labels: str) -> Any:
    """Register a Kubernetes namespace under the same logical and physical name."""
    metadata = {"name": name, "labels": labels}
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    return resource("kubernetes:core/v1:Namespace", name, manifest, opts)


@dataclass
class Lab:
    """One project; each test takes stacks with names of their own."""

    root: Path
    engine: PulumiCommand
    cloud: Cloud
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def stack(self, program: Program, **config: object) -> LocalStack:
        """Make a stack that runs `program` with `config` (keys of the namespace headroom)."""
        stack = LocalStack(f"t{next(self._numbers)}", root=self.root, program=program, engine=lambda: self.engine)
        self.configure(stack, **config)
        return stack

    def configure(self, stack: LocalStack, **config: object) -> None:
        """Write the stack file anew."""
        content = {"config": {f"headroom:{key}": value for key, value in config.items()}}
        (self.root / f"Pulumi.{stack.name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")

    def state(self, stack: LocalStack) -> str:
        """The state as it lies on the disk."""
        return (self.root / f".headroom/state/.pulumi/stacks/lab/{stack.name}.json").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def engine() -> PulumiCommand:
    """The engine that the project would use."""
    return find().command()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, engine: PulumiCommand) -> Iterator[Lab]:
    """A project whose local cloud runs."""
    root = tmp_path_factory.mktemp("lab")
    (root / "Pulumi.yaml").write_text("name: lab\nruntime: python\n", encoding="utf-8")
    cloud, _ = local_cloud.start(root)
    yield Lab(root, engine, cloud)
    local_cloud.stop(root)
