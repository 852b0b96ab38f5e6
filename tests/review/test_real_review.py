"""A real review: the project itself in a repository of its own, with a change that nobody should merge."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.config import ROOT
from tests.review.test_trees import git

READER = {"database": {"localReplicas": 1}}
CHANGES = (
    ("stacks/phase_10k.py", r'replica_class="[a-z0-9.]+"', 'replica_class="db.r6g.xlarge"'),
    ("components/keys.py", "multi_region=True", "multi_region=False"),
    (
        "components/registry.py",
        r"        self.register_outputs\(",
        '        aws.transfer.Server(f"{name}-transfer", opts=self.child())\n        self.register_outputs(',
    ),
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project with its smallest stack, which has a reader here; all of it committed on main."""
    folder = tmp_path / "project"
    folder.mkdir()
    for part in ("components", "infra", "policies", "stacks"):
        shutil.copytree(ROOT / part, folder / part)  # with its bytecode
    for name in (".gitignore", "Pulumi.yaml", "pyproject.toml"):
        shutil.copy2(ROOT / name, folder / name)
    content = yaml.safe_load((ROOT / "Pulumi.10k.yaml").read_text(encoding="utf-8"))
    content["config"]["headroom:overrides"] = READER
    (folder / "Pulumi.10k.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "base")
    git(folder, "checkout", "-q", "-b", "change")
    return folder


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "infra.cli", "review", "--base", "main", *args]


def review(project: Path) -> tuple[int, str, dict[str, Any]]:
    """Exit code, comment and JSON of the working tree against main."""
    comment, found = project / "comment.md", project / "review.json"
    done = subprocess.run(
        command("--output", str(comment), "--json", str(found)),
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    text = comment.read_text(encoding="utf-8")
    comment.unlink()
    return done.returncode, text, json.loads(found.read_text(encoding="utf-8"))


def test_a_change_shows_what_it_loses_what_it_costs_and_what_nobody_knows(project: Path) -> None:
    for name, old, new in CHANGES:
        path = project / name
        text, count = re.subn(old, new, path.read_text(encoding="utf-8"), count=1)
        assert count == 1
        path.write_text(text, encoding="utf-8")

    code, comment, found = review(project)

    assert code == 15
    assert [one["reason"] for one in found["reasons"]][:3] == ["stateful", "policy", "unpriced"]
    assert "cost-priced: us-east-1-registry-transfer: the estimate knows no price of its type" in comment
    lost = comment.partition("### This must not happen")[2].partition("\n| stack |")[0]
    assert "- **kms.Key** would be replaced for multiRegion: nothing that it encrypted can be read without it" in lost
    assert "`us-east-1-db-0-primary` (10k)" in lost
    assert "- `aws:transfer/server:Server`, all (10k 1): no estimator knows" in comment
    driver = found["stacks"][0]["drivers"][0]
    assert driver["names"] == ["us-east-1-db-0-reader-0"]
    assert re.fullmatch(r"instanceClass: db\.\S+ -> db\.r6g\.xlarge", driver["moved"][0])
    assert driver["deltaUsd"] > 0
    assert f"| `{driver['moved'][0]}`" in comment
    assert git(project, "worktree", "list").count("\n") == 0

    path = project / "Pulumi.10k.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("owner: platform", "owner: ''"), encoding="utf-8")
    code, comment, found = review(project)

    assert code == 16
    assert "### 10k cannot be planned after the change" in comment
    assert "headroom:owner" in comment
    assert found["stacks"][0]["presence"] == "head-broken"
    assert len(list((project / ".headroom" / "review").iterdir())) == 1


def test_an_interrupted_review_leaves_no_worktree_and_no_process(project: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(project.parent)}
    running = subprocess.Popen(command(), cwd=project, env=environment, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if git(project, "worktree", "list").count("\n"):
                break
            time.sleep(0.05)
        time.sleep(0.5)  # until it has started to plan
        running.send_signal(signal.SIGTERM)

        assert running.wait(timeout=30) == 1
    finally:
        running.kill()
        running.wait()
    assert git(project, "worktree", "list").count("\n") == 0
    assert [one.name for one in project.parent.iterdir()] == ["project"]
