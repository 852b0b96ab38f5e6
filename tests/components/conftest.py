"""Components under test are recorded the way a plan records them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from components.alarms import AlarmTopics
from components.component import Site, register_defaults
from infra.naming import Names
from infra.plan import PlannedResource, record
from infra.stack_file import StackFile

ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Recorded:
    """What a component registered."""

    resources: list[PlannedResource]

    def of(self, kind: str) -> list[PlannedResource]:
        """All resources whose type token ends in `kind`, such as `rds/instance:Instance` or `Instance`."""
        endings = (f":{kind}", f"/{kind}")
        return [one for one in self.resources if one.type.endswith(endings) and not one.is_component]

    def one(self, kind: str) -> PlannedResource:
        """The only resource of `kind`."""
        (found,) = self.of(kind)
        return found

    def named(self, name: str, kind: str = "") -> PlannedResource:
        """The resource with this logical name, and type ending where two types share the name."""
        (found,) = [resource for resource in self.resources if resource.name == name and resource.type.endswith(kind)]
        return found

    def inputs(self, name: str, kind: str = "") -> dict[str, Any]:
        """Inputs of `named`."""
        return self.named(name, kind).inputs


@pytest.fixture
def site() -> Site:
    """A production site in the home region."""
    return Site(
        region="us-east-1",
        names=Names("headroom", "10k"),
        tags={"Environment": "production"},
        protected=True,
        retained=True,
    )


@pytest.fixture
def topics() -> AlarmTopics:
    """Topics that exist already."""
    arn = f"arn:aws:sns:us-east-1:{ACCOUNT}"
    return AlarmTopics(page_arn=f"{arn}:page", ticket_arn=f"{arn}:ticket")


@pytest.fixture
def recorded() -> Callable[[Callable[[], object]], Recorded]:
    """Run a function that builds components; returns what it registered."""

    def run(build: Callable[[], object]) -> Recorded:
        async def program() -> None:
            register_defaults()
            build()

        resources, _ = record(program, StackFile(stack="10k", raw={}, encrypted=frozenset()))
        return Recorded(resources)

    return run
