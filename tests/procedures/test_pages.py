"""Pages name only commands that exist, with options that these have."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import botocore.session
import click
import pytest
from botocore import xform_name

from infra.cli import COMMANDS
from tests.procedures.pages import PAGES, ROOT, commands, flags

CLIENT_SIDE = {("eks", "update-kubeconfig")}
"""Commands of the AWS CLI itself, of which no API knows."""
ALIASES = {"s3api": "s3"}
GLOBAL = {"--region", "--profile", "--output", "--query"}
PROCEDURES = ("restore", "lose-a-region", "lose-a-zone", "lose-the-cache", "rotate-a-secret", "move-a-slot")


def _command(name: str) -> click.Command:
    module, attribute, _ = COMMANDS[name]
    found: click.Command = getattr(importlib.import_module(module), attribute)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_ours_exists_with_its_options(page: Path) -> None:
    for words in commands(page, "headroom"):
        assert words[0] in COMMANDS, f"{page.name}: headroom {words[0]}"
        command = _command(words[0])
        if isinstance(command, click.Group):
            command = command.commands[words[1]]
        known = {option for parameter in command.params for option in parameter.opts}
        assert [flag for flag in flags(words) if flag not in known] == [], f"{page.name}: headroom {' '.join(words)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_aws_exists_with_its_options(page: Path) -> None:
    session = botocore.session.get_session()
    for words in commands(page, "aws"):
        service, command = words[:2]
        if (service, command) in CLIENT_SIDE:
            continue
        model = session.get_service_model(ALIASES.get(service, service))
        operations = {xform_name(name, "-"): model.operation_model(name) for name in model.operation_names}
        assert command in operations, f"{page.name}: aws {service} {command}"
        shape = operations[command].input_shape
        known = {f"--{xform_name(name, '-')}" for name in (shape.members if shape else ())}
        # A flag of the CLI has a second form that says no; a copy from another region is signed by the CLI.
        known |= GLOBAL | {f"--no-{one.removeprefix('--')}" for one in known} | {"--source-region"}
        # Where botocore splits a name otherwise than the CLI: DBInstanceIdentifier, MultiAZ.
        plain = {one.replace("-", "") for one in known}
        unknown = [flag for flag in flags(words) if flag.replace("-", "") not in plain]
        assert unknown == [], f"{page.name}: aws {' '.join(words)}"


@pytest.mark.parametrize("name", PROCEDURES)
def test_a_procedure_says_what_to_do_and_how_to_check(name: str) -> None:
    text = (ROOT / f"docs/procedures/{name}.md").read_text()
    headings = set(re.findall(r"^## (\w+)", text, re.MULTILINE))
    assert {"Do", "Check"} <= headings


def test_the_index_leads_to_every_procedure() -> None:
    index = (ROOT / "docs/procedures/README.md").read_text()
    pages = {page.name for page in (ROOT / "docs/procedures").glob("*.md")} - {"README.md"}
    assert {page for page in pages if f"]({page})" not in index} == set()


@pytest.mark.parametrize(
    ("runbook", "procedure"),
    [
        ("backup-failed", "restore"),
        ("database-remote-replica-lag", "lose-a-region"),
        ("region-unhealthy", "lose-a-region"),
        ("region-unhealthy", "lose-a-zone"),
        ("cache-evictions", "lose-the-cache"),
        ("cache-replication-lag", "lose-a-region"),
        ("security-finding", "rotate-a-secret"),
        ("database-cpu", "move-a-slot"),
    ],
)
def test_an_alarm_leads_to_the_procedure_for_its_worst_case(runbook: str, procedure: str) -> None:
    assert f"../procedures/{procedure}.md" in (ROOT / f"docs/runbooks/{runbook}.md").read_text()
