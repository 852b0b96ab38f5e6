"""What growth, or a release, changes in recorded components."""

from infra.local.diff import Difference, compare
from infra.local.kubernetes import MUTABLE
from infra.plan import PlannedResource
from tests.components.conftest import Recorded


def changes(before: Recorded, after: Recorded) -> dict[str, Difference]:
    """By URN, of the resources that are in both."""
    later = {one.urn: one for one in after.resources}
    found = {
        one.urn: compare(_token(one, before), one.inputs, later[one.urn].inputs)
        for one in before.resources
        if one.urn in later
    }
    return {urn: difference for urn, difference in found.items() if difference.changes or difference.refusals}


def gone(before: Recorded, after: Recorded) -> list[PlannedResource]:
    """What is only in `before`."""
    kept = {one.urn for one in after.resources}
    return [one for one in before.resources if one.urn not in kept]


def _token(one: PlannedResource, found: Recorded) -> str:
    """Data of a ConfigMap or Secret changes in place where the provider was told so."""
    if one.type not in MUTABLE:
        return one.type
    (provider,) = [each for each in found.resources if each.urn == one.options["provider"]]
    return f"{one.type}:mutable" if str(provider.inputs.get(MUTABLE[one.type])).lower() == "true" else one.type
