"""What the workflows' steps do when they run.

`gh`, `pulumi` and `headroom` are stubs that write down how they were called; the shell, jq, unzip and git are real.
"""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / ".github" / "scripts"

MARKER = "<!-- headroom-review -->"
SHA = "1" * 40
PULL = {"number": 7, "head": {"sha": SHA, "repo": {"full_name": "fork/product"}}}
STUB = """#!/usr/bin/env python3
import json, os, sys
home = os.environ["STUBS"]
name, args = os.path.basename(sys.argv[0]), sys.argv[1:]
body = next((args[i + 1] for i, one in enumerate(args) if one == "--input"), None)
with open(home + "/calls", "a") as calls:
    calls.write(json.dumps([name, *args, *([json.load(open(body))] if body else [])]) + "\\n")
for words, out, code in json.load(open(home + "/answers")):
    if all(word in [name, *args] for word in words):
        if isinstance(out, dict) and "file" in out:
            sys.stdout.buffer.write(open(out["file"], "rb").read())
        elif isinstance(out, dict) and "write" in out:
            open(args[args.index("--file") + 1], "w").write(out["write"])
        else:
            sys.stdout.write(out if isinstance(out, str) else json.dumps(out))
        sys.exit(code)
"""


class Shell:
    """Runs a step's script with stubs; answers are tried in their order."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.bin = home / "bin"
        self.bin.mkdir()
        self.answers: list[tuple[list[str], Any, int]] = []
        for name in ("gh", "pulumi", "headroom"):
            (self.bin / name).write_text(STUB)
            (self.bin / name).chmod(0o755)
        for name in ("output", "summary"):
            (home / name).write_text("")
        self.environ = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "STUBS": str(home),
            "RUNNER_TEMP": str(home),
            "GITHUB_OUTPUT": str(home / "output"),
            "GITHUB_STEP_SUMMARY": str(home / "summary"),
        }

    def answer(self, *words: str, out: Any = "", code: int = 0) -> None:
        self.answers.append(([*words], out, code))

    def run(self, script: str, environ: Mapping[str, str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        (self.home / "answers").write_text(json.dumps(self.answers))
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]  # as `shell: bash` does
        return subprocess.run(
            shell, env={**self.environ, **environ}, cwd=cwd, capture_output=True, text=True, check=False, timeout=60
        )

    @property
    def calls(self) -> list[list[Any]]:
        path = self.home / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def comment_step(index: int) -> str:
    found = yaml.safe_load((ROOT / ".github" / "workflows" / "comment.yml").read_text())
    run: str = found["jobs"]["comment"]["steps"][index]["run"]
    return run


CONTEXT = {
    "REPOSITORY": "us/product",
    "RUN": "99",
    "RUN_URL": "https://github.example/run/99",
    "HEAD_SHA": SHA,
    "HEAD_BRANCH": "feature/$(touch pwned)",
    "HEAD_OWNER": "fork",
    "HEAD_REPOSITORY": "fork/product",
    "MARKER": MARKER,
    "NUMBER": "7",
}


def find(shell: Shell, *pulls: Mapping[str, Any]) -> str:
    shell.answer("gh", "repos/us/product/pulls", out=list(pulls))
    done = shell.run(comment_step(0), CONTEXT)
    assert done.returncode == 0, done.stderr
    return (shell.home / "output").read_text()


def test_the_pull_request_is_looked_up_by_the_head_that_github_names(shell: Shell) -> None:
    assert find(shell, PULL) == "number=7\n"
    assert "head=fork:feature/$(touch pwned)" in shell.calls[0]


@pytest.mark.parametrize(
    "pulls",
    [
        [],
        [{**PULL, "head": {**PULL["head"], "sha": "2" * 40}}],  # type: ignore[dict-item]
        [{**PULL, "head": {"sha": SHA, "repo": {"full_name": "fork/other"}}}],
        [PULL, {**PULL, "number": 8}],
    ],
    ids=["none", "moved on", "another repository", "two"],
)
def test_without_exactly_one_such_pull_request_nothing_is_posted(shell: Shell, pulls: list[dict[str, Any]]) -> None:
    assert find(shell, *pulls) == ""


def take(shell: Shell, content: bytes, *, name: str = "review.md", size: int = 1000) -> tuple[int, str]:
    archive = shell.home / "made.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(name, content)
    listed = {"artifacts": [{"id": 5, "name": "review", "expired": False, "size_in_bytes": size}]}
    shell.answer("gh", "repos/us/product/actions/runs/99/artifacts", out=listed)
    shell.answer("gh", "repos/us/product/actions/artifacts/5/zip", out={"file": str(archive)})
    done = shell.run(comment_step(1), CONTEXT)
    return done.returncode, done.stdout + (shell.home / "output").read_text()


def test_a_good_comment_is_taken(shell: Shell) -> None:
    assert take(shell, f"{MARKER}\nNothing changes.\n".encode()) == (0, "taken=yes\n")
    assert (shell.home / "review.md").read_text() == f"{MARKER}\nNothing changes.\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (f"{MARKER}\n".encode() + b"a" * 65_000, "longer than 65,000 bytes"),
        (f"{MARKER}\n".encode() + b"\0" * 5_000_000, "longer than 65,000 bytes"),
        (f"{MARKER}\n".encode() + b"\xff\xfe", "not UTF-8"),
        (b"Buy now!\n", "without the marker"),
        (b"", "without the marker"),
    ],
    ids=["long", "bomb", "binary", "no marker", "empty"],
)
def test_a_bad_comment_is_refused(shell: Shell, content: bytes, why: str) -> None:
    code, output = take(shell, content)
    assert code == 1
    assert why in output
    assert "taken" not in output


def test_a_large_artifact_is_not_even_fetched(shell: Shell) -> None:
    code, output = take(shell, MARKER.encode(), size=20_000_001)
    assert code == 1
    assert "too large" in output
    assert len(shell.calls) == 1


def test_paths_inside_the_artifact_lead_nowhere(shell: Shell) -> None:
    code, _ = take(shell, f"{MARKER}\n".encode(), name="../../review.md")
    assert code == 1


def test_a_review_that_left_nothing_is_no_failure(shell: Shell) -> None:
    shell.answer("gh", "repos/us/product/actions/runs/99/artifacts", out={"artifacts": []})
    done = shell.run(comment_step(1), CONTEXT)
    assert done.returncode == 0
    assert "the review left nothing" in done.stdout


def post(shell: Shell, comments: list[dict[str, Any]], content: str) -> list[Any]:
    (shell.home / "review.md").write_text(content)
    shell.answer("gh", "repos/us/product/issues/7/comments?per_page=100", out=comments)
    done = shell.run(comment_step(2), CONTEXT)
    assert done.returncode == 0, done.stderr
    return shell.calls[-1]


OURS = {"id": 3, "user": {"login": "github-actions[bot]"}, "body": f"{MARKER}\nold"}
THEIRS = {"id": 2, "user": {"login": "somebody"}, "body": f"{MARKER}\nfake"}


def test_the_first_review_makes_a_comment(shell: Shell) -> None:
    call = post(shell, [THEIRS], f"{MARKER}\nNothing changes.\n")
    assert call[:5] == ["gh", "api", "--method", "POST", "repos/us/product/issues/7/comments"]


def test_the_next_review_updates_our_own_comment(shell: Shell) -> None:
    call = post(shell, [THEIRS, OURS, {**OURS, "id": 4}], f"{MARKER}\nNothing changes.\n")
    assert call[:5] == ["gh", "api", "--method", "PATCH", "repos/us/product/issues/comments/3"]


def test_a_comment_says_where_it_is_from_and_calls_nobody(shell: Shell) -> None:
    body = post(shell, [], f'{MARKER}\n@everyone "; $(touch pwned) `x`\n')[-1]["body"]
    assert body.startswith(f'{MARKER}\n@\u200beveryone "; $(touch pwned) `x`\n')
    assert body.endswith(f"Written by the code of {SHA} in [its own run](https://github.example/run/99).</sub>\n")
    assert len(body) - len(MARKER) < 536


# The other scripts.


def script(shell: Shell, name: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    words = " ".join(f"'{one}'" for one in (str(SCRIPTS / name), *arguments))
    return shell.run(words, CONTEXT, cwd)


def exported(*resources: Mapping[str, Any]) -> dict[str, str]:
    return {"write": json.dumps({"version": 3, "deployment": {"resources": [*resources]} if resources else {}})}


def test_the_gate_judges_the_stack_file_against_the_real_state(shell: Shell) -> None:
    shell.answer("pulumi", "export", out=exported({"urn": "urn"}))
    shell.answer("pulumi", "headroom:phase", out="50k\n")
    assert script(shell, "gate.sh", "prod").returncode == 0
    grow = shell.calls[-1]
    assert grow[:7] == ["headroom", "grow", "prod", "--from", "50k", "--to", "50k"]
    assert "--show-secrets" not in json.dumps(shell.calls)
    assert not Path(grow[-1]).exists()


def test_the_gate_is_shut_where_something_would_be_lost(shell: Shell) -> None:
    shell.answer("pulumi", "export", out=exported({"urn": "urn"}))
    shell.answer("headroom", code=1)
    assert script(shell, "gate.sh", "prod").returncode == 1


def test_the_gate_is_shut_where_the_state_cannot_be_read(shell: Shell) -> None:
    shell.answer("pulumi", "export", code=1)
    assert script(shell, "gate.sh", "prod").returncode == 1


def test_the_gate_is_open_for_a_stack_that_was_never_up(shell: Shell) -> None:
    shell.answer("pulumi", "export", out=exported())
    assert script(shell, "gate.sh", "prod").returncode == 0
    assert [call[0] for call in shell.calls] == ["pulumi"]


def test_a_preview_goes_to_the_summary_and_fails_where_pulumi_fails(shell: Shell) -> None:
    shell.answer("pulumi", out="Resources: 3 to create", code=4)
    assert script(shell, "preview.sh", "prod").returncode == 4
    assert "### preview of prod" in (shell.home / "summary").read_text()
    assert "Resources: 3 to create" in (shell.home / "summary").read_text()


@pytest.mark.parametrize(("code", "ends", "kept"), [(0, 0, ""), (1, 0, "~ bucket"), (2, 2, "~ bucket")])
def test_drift_is_told_from_a_failure(shell: Shell, code: int, ends: int, kept: str) -> None:
    shell.answer("headroom", out="~ bucket", code=code)
    assert script(shell, "drift.sh", "prod", f"{shell.home}/drift.txt").returncode == ends
    assert (shell.home / "drift.txt").read_text() == kept
    assert shell.calls[0][1:] == ["drift", "prod"]


ISSUES = "repos/us/product/issues?state=open&per_page=100"
ISSUE = {"number": 11, "user": {"login": "github-actions[bot]"}, "body": "<!-- headroom-drift prod -->\nold"}


@pytest.mark.parametrize(
    ("issues", "drift", "expected"),
    [
        ([], "~ bucket", ["POST", "repos/us/product/issues"]),
        ([ISSUE], "~ bucket", ["PATCH", "repos/us/product/issues/11"]),
        ([{**ISSUE, "user": {"login": "somebody"}}], "~ bucket", ["POST", "repos/us/product/issues"]),
        ([{**ISSUE, "body": None}], "~ bucket", ["POST", "repos/us/product/issues"]),
        ([{**ISSUE, "body": "<!-- headroom-drift staging -->"}], "~ bucket", ["POST", "repos/us/product/issues"]),
        ([{**ISSUE, "pull_request": {}}], "~ bucket", ["POST", "repos/us/product/issues"]),
    ],
    ids=["first", "again", "somebody's", "empty", "another stack's", "a pull request"],
)
def test_drift_has_one_issue_a_stack(
    shell: Shell, issues: list[dict[str, Any]], drift: str, expected: list[str]
) -> None:
    shell.answer("gh", ISSUES, out=issues)
    (shell.home / "drift.txt").write_text(drift)
    assert script(shell, "drift-issue.sh", "prod", f"{shell.home}/drift.txt").returncode == 0
    call = shell.calls[-1]
    assert call[3:5] == expected
    assert call[-1]["title"] == "prod has drifted"
    assert call[-1]["body"].startswith("<!-- headroom-drift prod -->\n")
    assert "~ bucket" in call[-1]["body"]


def test_the_issue_is_closed_when_nothing_differs_any_more(shell: Shell) -> None:
    shell.answer("gh", ISSUES, out=[ISSUE])
    (shell.home / "drift.txt").write_text("")
    assert script(shell, "drift-issue.sh", "prod", f"{shell.home}/drift.txt").returncode == 0
    assert "state=closed" in shell.calls[-1]


def test_without_drift_and_without_an_issue_nothing_is_written(shell: Shell) -> None:
    shell.answer("gh", ISSUES, out=[])
    (shell.home / "drift.txt").write_text("")
    assert script(shell, "drift-issue.sh", "prod", f"{shell.home}/drift.txt").returncode == 0
    assert len(shell.calls) == 1


def git(where: Path, *arguments: str) -> str:
    words = ["git", *arguments]
    return subprocess.run(words, cwd=where, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of a repository that holds a price book."""
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(clone))
    (clone / "infra" / "cost" / "prices").mkdir(parents=True)
    (clone / "infra" / "cost" / "prices" / "a.csv").write_text("old\n")
    (clone / "other").write_text("old\n")
    git(clone, "add", ".")
    git(clone, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "first")
    git(clone, "remote", "add", "origin", str(origin))
    git(clone, "push", "--quiet", "origin", "main")
    (tmp_path / "changes.txt").write_text("nat/hour 0.045 0.046")
    return clone


@pytest.mark.parametrize(("opened", "verb"), [("", "create"), ("12\n", "edit")])
def test_changed_prices_go_to_their_branch_and_one_pull_request(
    shell: Shell, clone: Path, opened: str, verb: str
) -> None:
    (clone / "infra" / "cost" / "prices" / "a.csv").write_text("new\n")
    (clone / "other").write_text("new\n")
    shell.answer("gh", "list", out=opened)
    done = script(shell, "prices-pull-request.sh", f"{shell.home}/changes.txt", cwd=clone)
    assert done.returncode == 0, done.stderr
    assert git(clone, "diff", "--name-only", "origin/main", "origin/prices") == "infra/cost/prices/a.csv\n"
    assert [call[2] for call in shell.calls if call[1] == "pr"] == ["list", verb]


def test_unchanged_prices_open_nothing(shell: Shell, clone: Path) -> None:
    (clone / "other").write_text("new\n")
    done = script(shell, "prices-pull-request.sh", f"{shell.home}/changes.txt", cwd=clone)
    assert (done.returncode, done.stdout) == (0, "no price has changed\n")
    assert shell.calls == []
    assert "prices" not in git(clone, "branch", "--all")
