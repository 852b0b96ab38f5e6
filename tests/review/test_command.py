"""`headroom review`: what it prints, what it writes, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from infra import config
from infra.errors import UserError
from infra.review import rules
from infra.review.command import command
from tests.review import test_planning, test_trees


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the smallest program there is, and a stack more than main has."""
    test_planning.tree(tmp_path, {"10k": "10k"})
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / ".gitignore").write_text("/.headroom/\ncount\n__pycache__\n", encoding="utf-8")
    test_trees.git(tmp_path, "init", "-q", "-b", "main")
    test_trees.commit(tmp_path)
    (tmp_path / "Pulumi.prod.yaml").write_text("50k", encoding="utf-8")
    monkeypatch.setattr(config, "ROOT", tmp_path)
    # A program of one resource breaks every rule about what a stack must have; test_real_review.py has the real rules.
    monkeypatch.setattr(rules, "violations", lambda *_: ())
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(command, args)


def test_the_comment_is_printed_and_the_exit_code_is_the_worst_reason_s(project: Path) -> None:
    found = run("--base", "main")

    assert found.exit_code == 12, found.output
    assert found.output.startswith("<!-- headroom-review -->\n")
    assert "| **prod** | 1 |" in found.output


def test_with_a_file_for_the_comment_only_the_headlines_are_printed(project: Path) -> None:
    comment, machines = project / "comment.md", project / "review.json"

    found = run("--base", "main", "--output", str(comment), "--json", str(machines))

    assert found.output.startswith("**Cost unknown** in prod: `aws:fake/thing:Thing`.\n")
    assert "<!--" not in found.output
    assert comment.read_text(encoding="utf-8").startswith("<!-- headroom-review -->\n")
    assert json.loads(machines.read_text(encoding="utf-8"))["exitCode"] == found.exit_code == 12


def test_two_commits_can_be_compared(project: Path) -> None:
    test_trees.git(project, "checkout", "-q", "-b", "change")
    test_trees.commit(project)
    (project / "Pulumi.prod.yaml").unlink()

    assert run("--base", "main", "--head", "main").exit_code == 0
    assert run("--base", "main", "--head", "change").exit_code == 12
    assert run("--base", "main").exit_code == 0


def test_limits_are_those_of_the_head(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.headroom.review]\nfail-on = []\n", encoding="utf-8")

    assert run("--base", "main").exit_code == 0


def test_what_a_user_can_mend_is_told(project: Path) -> None:
    found = run("--base", "nothing").exception

    assert isinstance(found, UserError)
    assert "no commit nothing" in str(found)
    assert run().exit_code == 2
