"""The two trees of a review: a commit in a git worktree of its own, or the project as it lies there."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from infra.errors import UserError

WITHOUT_EFFECT: Final = frozenset(
    {".ci", ".github", ".gitignore", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "docs", "tests", "tools"}
)
"""What of the project no plan reads: commits that differ in nothing else share their plans."""
INHERITED: Final = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_PREFIX")
"""A hook sets these, and git would then work on something else than the folder it is started in."""


@dataclass(frozen=True, slots=True)
class Tree:
    """One side of a review.

    Attributes:
        path: folder of the project in it.
        commit: full hash; None for the project as it lies there.
        content: hash of all that a plan reads; None for the project as it lies there.
    """

    path: Path
    commit: str | None
    content: str | None

    @property
    def label(self) -> str:
        """For people."""
        return self.commit[:12] if self.commit else "the working tree"


def fork(root: Path, base: str, head: str | None) -> tuple[str, str | None]:
    """The commit where `head` (or what is checked out) left `base`, and the commit of `head`.

    What `base` got since then is not the change's, and would show as taken back.

    Raises:
        UserError: a name is no commit, or the two have no commit in common.
    """
    if shutil.which("git") is None:
        msg = "git is not installed: the review takes the commit to compare with from it"
        raise UserError(msg)
    names = [base] if head is None else [base, head]
    found = {
        name: _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}") for name in names
    }
    if unknown := [name for name, commit in found.items() if commit is None]:
        msg = f"git knows no commit {', '.join(unknown)} in {root}"
        mend = "fetch it: `git fetch origin BRANCH`; in GitHub Actions, actions/checkout with `fetch-depth: 0`"
        raise UserError(msg, [mend])
    tip = found[head] if head else "HEAD"
    common = _git(root, "merge-base", str(found[base]), str(tip))
    if common is None:
        msg = f"{base} and {head or 'HEAD'} have no commit in common"
        mend = "a shallow clone lacks it: `git fetch --unshallow`, or actions/checkout with `fetch-depth: 0`"
        raise UserError(msg, [mend])
    return common, found[head] if head else None


@contextmanager
def checked_out(root: Path, commit: str | None) -> Iterator[Tree]:
    """The project at a commit, in a worktree that goes away afterwards; at None, the project itself.

    Raises:
        UserError: git cannot make the worktree, or the commit has no such project.
    """
    if commit is None:
        yield Tree(root, None, None)
        return
    folder = Path(tempfile.mkdtemp(prefix="headroom-review-"))
    try:
        inside = _needed(root, "rev-parse", "--show-prefix")
        # A repository's hooks are for people who switch branches.
        _needed(root, "-c", "core.hooksPath=/dev/null", "worktree", "add", "--detach", "--force", str(folder), commit)
        path = folder / inside
        if not (path / "Pulumi.yaml").is_file():
            msg = f"there is no Pulumi.yaml in {inside or 'the root'} at {commit[:12]}: compare with a later commit"
            raise UserError(msg)
        yield Tree(path, commit, _content(root, commit))
    finally:
        _git(root, "worktree", "remove", "--force", str(folder))
        shutil.rmtree(folder, ignore_errors=True)
        _git(root, "worktree", "prune")


def _content(root: Path, commit: str) -> str:
    """Hash of what a plan reads: git's own hashes of the project's files and folders."""
    entries = _needed(root, "ls-tree", commit).splitlines()
    read = [entry for entry in entries if entry.partition("\t")[2] not in WITHOUT_EFFECT]
    return sha256("\n".join(read).encode()).hexdigest()


def _needed(root: Path, *args: str) -> str:
    done = _run(root, *args)
    if done.returncode:
        msg = f"git {args[0]} failed in {root}: {done.stderr.strip() or done.returncode}"
        raise UserError(msg)
    return done.stdout.strip()


def _git(root: Path, *args: str) -> str | None:
    done = _run(root, *args)
    return done.stdout.strip() if done.returncode == 0 else None


def _run(root: Path, *args: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in INHERITED}
    return subprocess.run(
        ["git", *args],  # noqa: S607
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
