"""The container image, as far as it can be judged without an engine: its Dockerfile, its packages, its entry point."""

from __future__ import annotations

import ast
import json
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import NamedTuple

from components.pods import APP_PORT, USER_ID

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"(?P<name>[a-z0-9./-]+):(?P<tag>[a-z0-9.-]+)@sha256:[0-9a-f]{64}")


class Instruction(NamedTuple):
    keyword: str
    argument: str
    stage: int


def dockerfile() -> list[Instruction]:
    text = (ROOT / "app/Dockerfile").read_text()
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    found, stage = [], -1
    for line in filter(None, joined.splitlines()):
        keyword, _, argument = line.partition(" ")
        stage += keyword == "FROM"
        found.append(Instruction(keyword, argument.strip(), stage))
    return found


def last(keyword: str) -> str:
    return [one for one in dockerfile() if one.keyword == keyword][-1].argument


def pins(path: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / path).read_text(), re.MULTILINE))


def test_it_is_built_in_stages_from_bases_that_cannot_change() -> None:
    bases = [one.argument.split(" ")[0] for one in dockerfile() if one.keyword == "FROM"]
    assert len(bases) == 2
    assert all(PINNED.fullmatch(base) for base in bases), bases


def test_compiled_packages_meet_the_interpreter_they_were_chosen_for() -> None:
    """Debian 13 has Python 3.13."""
    build, final = (one.argument.split("@")[0] for one in dockerfile() if one.keyword == "FROM")
    assert re.fullmatch(r"docker.io/library/python:3\.13\.\d+-slim-trixie", build)
    assert final == "gcr.io/distroless/python3-debian13:nonroot"


def test_it_runs_as_the_user_that_the_pods_name_and_not_as_root() -> None:
    instructions = dockerfile()
    user = last("USER")
    assert user == f"{USER_ID}:{USER_ID}"
    assert [one.stage for one in instructions if one.keyword == "USER"] == [1]


def test_nothing_is_fetched_or_unpacked_behind_the_lock() -> None:
    assert {one.keyword for one in dockerfile()} == {
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "ENV",
        "USER",
        "EXPOSE",
        "ENTRYPOINT",
    }
    install = next(one.argument for one in dockerfile() if one.keyword == "RUN")
    assert {"--require-hashes", "--only-binary=:all:", "--requirement=requirements.lock"} <= set(json.loads(install))


def test_no_shell_takes_part() -> None:
    for one in dockerfile():
        if one.keyword in {"RUN", "ENTRYPOINT", "CMD"}:
            assert json.loads(one.argument), one
        assert not (one.keyword == "RUN" and one.stage == 1), "the last stage has no shell"


def test_python_is_process_1_and_runs_the_application() -> None:
    assert json.loads(last("ENTRYPOINT")) == ["/usr/bin/python3", "-m", "app"]
    assert last("EXPOSE") == str(APP_PORT)


def test_no_secret_and_nothing_else_than_the_application_goes_in() -> None:
    text = (ROOT / "app/Dockerfile").read_text()
    assert "ARG" not in {one.keyword for one in dockerfile()}
    assert re.search(r"(password|secret|token)\s*=", text, re.IGNORECASE) is None
    ignored = [line for line in (ROOT / "app/Dockerfile.dockerignore").read_text().splitlines() if line[0] != "#"]
    assert ignored[:2] == ["*", "!app"]
    sources = {one.argument.split()[0] for one in dockerfile() if one.keyword == "COPY"}
    assert sources == {"app/requirements.lock", "app", "--from=build"}


def test_the_lock_has_what_is_asked_for_in_the_versions_that_are_tested() -> None:
    asked = re.findall(r"^([a-z0-9-]+)", (ROOT / "app/requirements.in").read_text(), re.MULTILINE)
    image, tested = pins("app/requirements.lock"), pins("requirements.lock")
    assert set(asked) <= set(image)
    assert {name: tested.get(name) for name in image} == image
    blocks = re.split(r"\n(?=\S)", (ROOT / "app/requirements.lock").read_text())
    assert [block for block in blocks if "==" in block.splitlines()[0] and "--hash=sha256:" not in block] == []


def imported() -> set[str]:
    """Top-level packages that the application's modules name."""
    found: set[str] = set()
    for path in (ROOT / "app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names)


def test_whatever_the_application_imports_is_in_the_image() -> None:
    distributions, image = packages_distributions(), pins("app/requirements.lock")
    tops = imported() - {"app"}
    assert {"fastapi", "asyncpg", "redis"} <= tops
    owners = {top: {name.lower().replace("_", "-") for name in distributions.get(top, ())} for top in tops}
    assert [top for top in sorted(tops) if not owners[top] & set(image)] == []


def test_the_application_knows_nothing_of_the_program_that_deploys_it() -> None:
    assert imported() & {"infra", "components", "stacks", "policies", "tests", "pulumi"} == set()
