"""Which commits are compared, and the worktrees they are looked at in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from infra.errors import UserError
from infra.review.trees import checked_out, fork


def git(folder: Path, *args: str) -> str:
    """Run git as somebody without any configuration of their own."""
    own = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    command = ["git", *own, *args]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path, **files: str) -> str:
    """Write files and commit them; its hash."""
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "x")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit on main."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "Pulumi.yaml").write_text("name: headroom\n", encoding="utf-8")
    commit(folder, infra__a="1")
    return folder


def worktrees(folder: Path) -> int:
    return len(git(folder, "worktree", "list").splitlines())


def test_a_change_is_compared_with_where_it_left_its_base(repository: Path) -> None:
    left = git(repository, "rev-parse", "HEAD")
    git(repository, "checkout", "-q", "-b", "change")
    tip = commit(repository, infra__a="2")
    git(repository, "checkout", "-q", "main")
    commit(repository, infra__b="newer")
    git(repository, "checkout", "-q", "change")

    assert fork(repository, "main", None) == (left, None)
    assert fork(repository, "main", "change") == (left, tip)


def test_names_that_git_does_not_know_are_all_told_with_the_mend(repository: Path) -> None:
    with pytest.raises(UserError) as caught:
        fork(repository, "origin/none", "--upload-pack=x")

    assert "no commit origin/none, --upload-pack=x" in str(caught.value)
    assert "fetch-depth: 0" in str(caught.value)


def test_histories_without_a_commit_in_common_are_told(repository: Path) -> None:
    git(repository, "checkout", "-q", "--orphan", "other")
    commit(repository, infra__a="3")

    with pytest.raises(UserError, match="no commit in common"):
        fork(repository, "main", None)


def test_a_folder_without_a_repository_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    with pytest.raises(UserError, match="knows no commit main"):
        fork(tmp_path, "main", None)


def test_without_git_the_user_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UserError, match="git is not installed"):
        fork(tmp_path, "main", None)


def test_a_commit_is_looked_at_in_a_worktree_that_goes_away(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    commit(repository, infra__a="2")

    with checked_out(repository, first) as found:
        assert (found.path / "infra" / "a").read_text(encoding="utf-8") == "1"
        assert found.label == first[:12]
        assert worktrees(repository) == 2

    assert worktrees(repository) == 1
    assert not found.path.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError("x")])
def test_the_worktree_goes_away_whatever_happens(repository: Path, error: BaseException) -> None:
    with pytest.raises((KeyboardInterrupt, UserError)), checked_out(repository, git(repository, "rev-parse", "HEAD")):
        raise error

    assert worktrees(repository) == 1


def test_the_project_as_it_lies_there_is_no_worktree(repository: Path) -> None:
    with checked_out(repository, None) as found:
        assert (found.path, found.commit, found.content) == (repository, None, None)
        assert found.label == "the working tree"


def test_hooks_of_the_repository_do_not_run(repository: Path) -> None:
    hook = repository / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {repository}/ran\n", encoding="utf-8")
    hook.chmod(0o755)

    with checked_out(repository, git(repository, "rev-parse", "HEAD")):
        assert not (repository / "ran").exists()


def test_inside_a_hook_of_git_the_right_folder_is_looked_at(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")

    assert fork(repository, "main", None)[1] is None


def test_a_project_in_a_folder_of_its_repository_is_found(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    tip = commit(tmp_path, product__Pulumi_yaml="", other__file="1")
    (tmp_path / "product" / "Pulumi.yaml").write_text("", encoding="utf-8")
    tip = commit(tmp_path, product__infra__a="1")
    with checked_out(tmp_path / "product", tip) as first:
        assert (first.path / "infra" / "a").is_file()
    with checked_out(tmp_path / "product", commit(tmp_path, other__file="2")) as second:
        assert second.content == first.content


def test_commits_that_differ_in_documents_only_have_the_same_content(repository: Path) -> None:
    one = commit(repository, docs__page="1", infra__a="1")
    two = commit(repository, docs__page="2")
    three = commit(repository, infra__a="3")
    found = []
    for each in (one, two, three):
        with checked_out(repository, each) as seen:
            found.append(seen.content)

    assert found[0] == found[1] != found[2]


def test_a_commit_before_the_project_is_told(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    empty = commit(tmp_path, file="1")

    with pytest.raises(UserError, match=r"no Pulumi.yaml in the root"), checked_out(tmp_path, empty):
        pass
    assert worktrees(tmp_path) == 1
