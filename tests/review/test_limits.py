"""The table `[tool.headroom.review]`, and the exit codes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from infra.config import ROOT
from infra.errors import UserError
from infra.review.command import command
from infra.review.limits import Limits, Reason, read


def written(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def test_without_a_table_the_defaults_hold(tmp_path: Path) -> None:
    assert read(tmp_path) == Limits()
    assert read(written(tmp_path, "[tool.other]\nkey = 1\n")) == Limits()
    assert Limits().fail_on == tuple(Reason)


def test_the_table_is_read(tmp_path: Path) -> None:
    found = read(
        written(tmp_path, '[tool.headroom.review]\nincrease-usd = 12.5\nincrease-percent = 3\nfail-on = ["stateful"]\n')
    )

    assert found == Limits(increase_usd=Decimal("12.5"), increase_percent=Decimal(3), fail_on=(Reason.STATEFUL,))


def test_every_mistake_in_the_table_is_told_at_once(tmp_path: Path) -> None:
    text = '[tool.headroom.review]\nincrease-usd = -1\nincrease-euro = 1\nfail-on = ["sometimes"]\n'

    with pytest.raises(UserError) as caught:
        read(written(tmp_path, text))

    told = str(caught.value)
    assert "its keys are increase-usd, increase-percent, fail-on" in told
    assert "increase-usd = -1" in told
    assert "increase-euro = 1" in told
    assert "fail-on.0 = 'sometimes'" in told
    assert "'stateful'" in told


@pytest.mark.parametrize("text", ["[tool", "[tool.headroom]\nreview = 3\n"])
def test_what_is_no_table_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"pyproject.toml"):
        read(written(tmp_path, text))


def test_the_project_s_own_table_is_the_defaults_written_out() -> None:
    assert read(ROOT) == Limits()


def test_every_reason_has_an_exit_code_of_its_own_in_help_and_documentation() -> None:
    codes = [reason.exit_code for reason in Reason]
    told = CliRunner().invoke(command, ["--help"]).output
    page = (ROOT / "docs" / "review.md").read_text(encoding="utf-8")

    assert codes == list(range(10, 10 + len(codes)))
    for reason in Reason:
        assert f"{reason.exit_code}  {reason.value}" in told
        assert f"| {reason.exit_code} | `{reason.value}` |" in page
