"""The command line: what it prints, its exit codes, and that it starts fast."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from infra import cli
from infra.local import cloud as local_cloud
from infra.local.cloud import Cloud, Paths
from infra.local.progress import Progress
from infra.local.stack import LocalStack, Outcome

PROJECT = Path(cli.__file__).resolve().parent.parent
HERE = Cloud("1", 42, "http://127.0.0.1:5000", {"aws": 1}, "2026-11-21T00:00:00+00:00")


def headroom(*args: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a shell does."""
    command = [sys.executable, "-m", "infra.cli", *args]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60)


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[str, str]:
    """Run the command in this process; its output and errors."""
    cli.headroom(list(args), standalone_mode=False)
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_every_command_of_the_table_exists_and_describes_itself() -> None:
    for name in cli.COMMANDS:
        command = cli.headroom.get_command(click.Context(cli.headroom), name)
        assert command is not None
        assert command.help


def test_help_lists_the_commands_without_importing_pulumi_or_boto3() -> None:
    code = "import sys, infra.cli as c\ntry: c.headroom(['--help'])\nexcept SystemExit: pass\n"
    code += "print([m for m in ('pulumi', 'boto3', 'grpc', 'rich') if m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert all(f"  {name}" in done.stdout for name in cli.COMMANDS)
    assert done.stderr.strip() == "[]"


def test_a_command_that_does_not_exist_is_a_usage_error() -> None:
    done = headroom("fly")
    assert done.returncode == 2
    assert "No such command 'fly'" in done.stderr


@pytest.mark.parametrize("operation", ["up", "preview", "refresh", "destroy"])
def test_without_local_an_operation_is_the_official_clis_work(operation: str) -> None:
    done = headroom(operation, "10k")
    assert done.returncode == 2
    assert f"`pulumi {operation} -s 10k`" in done.stderr
    assert f"`headroom {operation} 10k --local`" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_a_user_can_mend_ends_with_its_exit_code_and_no_traceback() -> None:
    done = headroom("preview", "nosuchstack", "--local")
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no stack nosuchstack: Pulumi.nosuchstack.yaml does not exist")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A project without a cloud, in place of the real one."""
    paths = Paths(tmp_path)
    paths.state.mkdir(parents=True)
    monkeypatch.setattr(local_cloud, "PROJECT", tmp_path)
    monkeypatch.setattr(local_cloud.find, "__defaults__", (tmp_path,))
    monkeypatch.setattr(local_cloud.stacks, "__defaults__", (tmp_path,))
    return paths


def test_status_says_what_runs_and_where(
    project: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_cloud, "find", lambda: HERE)
    project.owner("10k").write_text("1", encoding="utf-8")
    out, err = run(capsys, "local", "status")
    assert "running since 2026-11-21T00:00:00+00:00 (pid 42), AWS at http://127.0.0.1:5000" in out
    assert "aws --region us-east-1 --endpoint-url http://127.0.0.1:5000 s3 ls" in out
    assert "stack 10k: up" in out
    assert err == ""


def test_status_without_a_cloud_warns_about_stacks_that_it_held(
    project: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    project.owner("10k").write_text("1", encoding="utf-8")
    out, err = run(capsys, "local", "status")
    assert "the local cloud is not running" in out
    assert "stack 10k: its cloud is gone" in out
    assert "headroom local reset" in err


def test_status_for_machines_is_json(project: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    project.owner("10k").write_text("1", encoding="utf-8")
    out, _ = run(capsys, "local", "status", "--json")
    assert json.loads(out) == {"cloud": None, "stacks": {"10k": "lost"}}


@pytest.fixture
def advice(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the policy pack says of the next preview, which needs no engine; nothing without the pack."""
    lines: list[str] = []

    class Judged(LocalStack):
        def preview(self, plan: Path | None = None) -> Outcome:
            del plan
            progress = Progress("preview 10k", self.console)
            if self._policies == PROJECT / "policies":
                progress.advice += lines
            return Outcome("preview", progress, {}, 1.0)

    monkeypatch.setattr("infra.local.stack.LocalStack", Judged)
    return lines


def test_some_advice_is_shown_line_by_line(capsys: pytest.CaptureFixture[str], advice: list[str]) -> None:
    advice += ["rds-multi-az: db-0: it has no standby; set multiAz", "64 checks wait"]
    out, _ = run(capsys, "preview", "10k", "--local", "--policies")
    assert [line for line in out.splitlines() if line.startswith("advice: ")] == [f"advice: {one}" for one in advice]


def test_much_advice_is_counted_by_rule(capsys: pytest.CaptureFixture[str], advice: list[str]) -> None:
    advice += ["64 checks wait", *(f"rds-multi-az: db-{index}: it has no standby; set multiAz" for index in range(5))]
    out, _ = run(capsys, "preview", "10k", "--local", "--policies")
    counted, waits, whole = [line for line in out.splitlines() if line.startswith("advice: ")]
    assert counted == "advice: rds-multi-az, 5 times"
    assert waits == "advice: 64 checks wait"
    assert "`--json`" in whole


def test_advice_for_machines_is_whole(capsys: pytest.CaptureFixture[str], advice: list[str]) -> None:
    advice += [f"rds-multi-az: db-{index}: it has no standby; set multiAz" for index in range(9)]
    out, _ = run(capsys, "preview", "10k", "--local", "--policies", "--json")
    assert json.loads(out)["advice"] == advice


def test_without_the_flag_nobody_judges(capsys: pytest.CaptureFixture[str], advice: list[str]) -> None:
    advice.append("64 checks wait")
    out, _ = run(capsys, "preview", "10k", "--local", "--json")
    assert "advice" not in json.loads(out)
