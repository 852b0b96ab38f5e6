"""What is priced, and for which phase: a plan, or what the engine prints of a stack."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pulumi.runtime import rpc

from infra.config import Settings
from infra.errors import UserError
from infra.growth import state as states
from infra.plan import UNKNOWN, PlannedResource, make_plan
from infra.stack_file import StackFile
from stacks.phase import Phase, PhaseName
from stacks.phases import phase

STAYS: Final = frozenset(
    {"same", "create", "update", "replace", "create-replacement", "import", "import-replacement", "read"}
)
"""Steps that leave a resource behind, as `newState`; all others are about one that goes.

Source: https://github.com/pulumi/pulumi/blob/master/pkg/resource/deploy/step.go, `OpSame` and the following.
"""
PHASE_TAG: Final = "Phase"


@dataclass(frozen=True, slots=True)
class Source:
    """What is to be priced.

    Attributes:
        stack: its name.
        phase: whose users and band count.
        resources: all of them.
        usage: what the stack file says about usage, in camelCase.
    """

    stack: str
    phase: Phase
    resources: Sequence[PlannedResource]
    usage: Mapping[str, Any] = field(default_factory=dict)


def of_plan(stored: StackFile) -> Source:
    """The plan of a stack file.

    Raises:
        UserError: the configuration does not hold.
    """
    settings = Settings.parse(stored.raw, stack=stored.stack, encrypted=stored.encrypted)
    return Source(stored.stack, settings.spec, make_plan(stored).resources, settings.usage)


def of_file(path: Path, stored: StackFile | None = None) -> Source:
    """What `pulumi preview --json` or `pulumi stack export` wrote to a file.

    Args:
        path: the file.
        stored: the stack file, for what it says about phase and usage; otherwise the file's own phase and nothing else.

    Raises:
        UserError: it is neither of the two, or says nothing of a phase, or is of another stack.
    """
    state = _read(path)
    if stored is None:
        return Source(state.stack, phase(_phase_name(path, state)), state.resources)
    if state.stack != stored.stack:
        msg = f"{path} is of stack {state.stack}, not of {stored.stack}"
        raise UserError(msg)
    settings = Settings.parse(stored.raw, stack=stored.stack, encrypted=stored.encrypted)
    return Source(stored.stack, settings.spec, state.resources, settings.usage)


def _read(path: Path) -> states.State:
    try:
        found = json.loads(path.read_text(encoding="utf-8").replace(rpc.UNKNOWN, UNKNOWN))
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise UserError(msg) from None
    except ValueError:
        raise _neither(path) from None
    if not isinstance(found, dict) or not {"steps", "deployment", "checkpoint"} & found.keys():
        raise _neither(path)
    if "steps" not in found:
        return states.read(path)
    try:
        resources = _left(path, found)
        return states.of(resources)
    except (AttributeError, KeyError, TypeError):
        raise _neither(path) from None


def _neither(path: Path) -> UserError:
    msg = f"{path} is neither a preview nor a state"
    return UserError(
        msg,
        [
            f"a preview: `pulumi preview --stack STACK --json --show-sames > {path.name}`",
            f"a state: `pulumi stack export --stack STACK --file {path.name}`",
        ],
    )


def _left(path: Path, preview: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The resources that a preview leaves, each as a state has it."""
    seen = Counter(step["op"] for step in preview["steps"])
    unchanged = (preview.get("changeSummary") or {}).get("same", 0)
    if seen["same"] < unchanged:
        msg = f"{path} leaves out {unchanged - seen['same']} resources that stay as they are: they cost too"
        raise UserError(msg, [f"have them printed: `pulumi preview --stack STACK --json --show-sames > {path.name}`"])
    by_urn = {step["urn"]: step["newState"] for step in preview["steps"] if step["op"] in STAYS and "newState" in step}
    return list(by_urn.values())


def _phase_name(path: Path, state: states.State) -> PhaseName:
    """The phase from the stack's outputs, or else from most tags."""
    tags = Counter(
        tag for one in state.resources if isinstance(tag := (one.inputs.get("tags") or {}).get(PHASE_TAG), str)
    )
    for name in (state.phase, *(tag for tag, _ in tags.most_common(1))):
        if name in list(PhaseName):
            return PhaseName(name)
    msg = f"{path} does not say which phase it is of"
    raise UserError(msg, [f"name the stack too: `headroom cost {state.stack} --from {path.name}`"])
