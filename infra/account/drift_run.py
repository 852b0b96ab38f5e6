"""A stack looked at: the engine's refresh as a preview, probes, rules, the phase's facts. Nothing is written."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from infra.account import drift, drift_probes
from infra.account.drift import Drift, Refreshed
from infra.config import Environment, Settings
from infra.errors import UserError
from infra.local.stack import LocalStack
from infra.local.values import SIGNATURE
from infra.verify.facts import Clients, Scope, Verdict
from infra.verify.run import Finding, verify
from policies.evaluate import Finding as Broken

STACK: Final = "pulumi:pulumi:Stack"
ERROR_LINES: Final = 5


@dataclass(frozen=True, slots=True)
class Deployed:
    """A stack that can be asked about.

    Attributes:
        name: its name, as the engine takes it.
        settings: its stack file.
        engine: the engine's executable.
        folder: where the engine runs.
        environment: what the engine gets besides the shell's.
        endpoint: URL of the local cloud; None for AWS.
    """

    name: str
    settings: Settings
    engine: Path
    folder: Path
    environment: Mapping[str, str]
    endpoint: str | None


@dataclass(frozen=True, slots=True)
class Look:
    """What was found.

    Attributes:
        stack: its name.
        resources: how many were read.
        drifts: every difference between the state and what is there.
        broken: rules of the policy pack that the stack kept, and keeps no more.
        facts: what the phase promises and is not so; the stack file may also be ahead of the stack.
    """

    stack: str
    resources: int
    drifts: tuple[Drift, ...]
    broken: tuple[Broken, ...]
    facts: tuple[Finding, ...]


class _Local(LocalStack):
    """A local stack that only looks."""

    def deployed(self, settings: Settings) -> Deployed:
        """How to ask about it.

        Raises:
            UserError: it is not up, its cloud is gone, or somebody works on it.
        """
        cloud = self._deployed("look at")
        self._refuse_locked()
        workspace = self._automation(cloud).workspace
        environment = {**workspace.env_vars, "PULUMI_HOME": str(workspace.pulumi_home)}
        engine = Path(self._engine().command)
        return Deployed(self.name, settings, engine, self.folder, environment, cloud.endpoint)


def local(stack: str, root: Path) -> Deployed:
    """The stack of that name on the local cloud of the project at `root`.

    Raises:
        UserError: it is not up, its cloud is gone, or somebody works on it.
    """
    return _Local(stack, root=root).deployed(Settings.of(stack, root))


def on_aws(stack: str, root: Path) -> Deployed:
    """The deployed stack of that name.

    Raises:
        UserError: there is no stack file, or no engine.
    """
    from infra.engine import find

    return Deployed(stack, Settings.of(stack, root), find(root).path, root, {}, None)


def look(deployed: Deployed) -> Look:
    """Compare the stack's state with what is there, without changing either.

    Raises:
        UserError: the engine or AWS cannot be asked.
    """
    stored = state(deployed)
    refreshed = refresh(deployed)
    clients = Clients(deployed.endpoint)
    drifts = drift.judge(refreshed)
    reported = {one.urn for one in drifts}
    custom = [one for one in stored if one.get("custom") and not one["type"].startswith("pulumi:")]
    drifts += drift_probes.rules(custom, clients, reported)
    if deployed.endpoint is not None:
        drifts += drift_probes.tags(custom, clients, reported)
    return Look(
        stack=deployed.name,
        resources=len(custom),
        drifts=tuple(drifts),
        broken=tuple(_broken(deployed, stored, refreshed)),
        facts=tuple(_facts(deployed, stored, clients)),
    )


def state(deployed: Deployed) -> list[dict[str, Any]]:
    """The resources of the stack's state, secrets closed.

    Raises:
        UserError: it cannot be read, or is empty.
    """
    found = json.loads(_engine(deployed, "stack", "export"))["deployment"].get("resources") or []
    if not any(one["type"] != STACK for one in found):
        msg = f"stack {deployed.name} is empty: nothing was brought up yet"
        raise UserError(msg, [f"run `pulumi up --stack {deployed.name}`"])
    return [one for one in found if not one.get("delete") and not one.get("external")]


def refresh(deployed: Deployed) -> list[Refreshed]:
    """What the engine's refresh would write into the state.

    A preview takes no lock and writes nothing:
    https://github.com/pulumi/pulumi/blob/v3.255.0/pkg/backend/diy/backend.go.

    Raises:
        UserError: something could not be read.
    """
    from pulumi.automation import EngineEvent

    with TemporaryDirectory() as folder:
        log = Path(folder, "events.json")
        _engine(deployed, "refresh", "--preview-only", "--suppress-outputs", "--event-log", str(log))
        lines = log.read_text(encoding="utf-8").splitlines()
    return drift.of_events([EngineEvent.from_json(json.loads(line)) for line in lines])


def _engine(deployed: Deployed, *arguments: str) -> str:
    # Without the first of these the engine does not know `--event-log`, by which the Automation API hears of events.
    switches = {"PULUMI_DEBUG_COMMANDS": "true", "PULUMI_SKIP_UPDATE_CHECK": "true"}
    answer = subprocess.run(
        [deployed.engine, *arguments, "--non-interactive", "--stack", deployed.name],
        cwd=deployed.folder,
        env={**os.environ, **deployed.environment, **switches},
        check=False,
        capture_output=True,
        text=True,
    )
    if answer.returncode == 0:
        return answer.stdout
    said = [line.strip() for line in (answer.stderr + answer.stdout).splitlines() if line.strip()]
    errors = [line.partition("error: ")[2] for line in said if "error: " in line]
    msg = f"stack {deployed.name} cannot be looked at: `pulumi {arguments[0]}` ended with code {answer.returncode}"
    raise UserError(msg, list(dict.fromkeys(errors))[:ERROR_LINES] or said[-ERROR_LINES:])


def _broken(deployed: Deployed, stored: Sequence[Mapping[str, Any]], refreshed: Sequence[Refreshed]) -> list[Broken]:
    """Findings of the policy pack that the state has not and the account has."""
    from infra.growth import state as states
    from infra.plan import Plan
    from policies.catalogue import RULES
    from policies.evaluate import Judge
    from policies.planned import stack_of

    production = deployed.settings.environment is Environment.PRODUCTION
    judge = Judge(RULES, production=production, today=datetime.now(tz=UTC).date())

    def judged(resources: Sequence[Mapping[str, Any]]) -> list[Broken]:
        plan = Plan(deployed.name, "", states.of(resources).resources, {})
        return list(judge.stack(stack_of(plan, production=production)).findings)

    known = {(one.rule.id, one.urn, one.message) for one in judged(stored)}
    found = judged(drift.now(stored, refreshed))
    return [one for one in found if (one.rule.id, one.urn, one.message) not in known]


def _facts(deployed: Deployed, stored: Sequence[Mapping[str, Any]], clients: Clients) -> list[Finding]:
    """What `headroom verify` would say that differs."""
    outputs: dict[str, Any] = next((_readable(one.get("outputs") or {}) for one in stored if one["type"] == STACK), {})
    settings = deployed.settings
    scope = Scope(
        region=settings.spec.home_region,
        outputs=outputs,
        phase=settings.spec,
        domain=settings.domain,
        protected=settings.environment is not Environment.DEVELOPMENT,
        clients=clients,
        local=deployed.endpoint is not None,
    )
    return [finding for finding in verify(scope) if finding.fact.verdict is Verdict.DIFFERS]


def _readable(value: Any) -> Any:
    """Outputs without what is encrypted."""
    if isinstance(value, dict):
        return {
            key: _readable(inside)
            for key, inside in value.items()
            if not (isinstance(inside, dict) and SIGNATURE in inside)
        }
    return value
