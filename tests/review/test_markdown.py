"""Text from elsewhere stays in its place, and a comment stays below GitHub's limit."""

from __future__ import annotations

import pytest

from infra.review.markdown import LIMIT, LONGEST, Block, code, fitted, folded, plain, row, table


def test_a_name_can_be_no_markup_no_mention_and_no_reference() -> None:
    told = plain("<img> @everyone #12 **bold** `x` [a](b) |")

    assert "<img>" not in told
    assert "@everyone" not in told
    assert "#12" not in told
    assert "**bold**" not in told
    assert "\\|" in told


def test_a_value_cannot_leave_its_code_or_its_cell() -> None:
    assert code("a`b|c\nd") == "`a'b\\|c d`"
    assert code("") == ""


def test_a_long_value_is_cut() -> None:
    assert len(plain("x" * 10_000)) == LONGEST + 3
    assert len(code("x" * 10_000)) < LONGEST + 10


def test_a_table_is_github_s() -> None:
    assert table(("a", "b"), "lr") == ("| a | b |", "| --- | ---: |")
    assert row("xy") == "| x | y |"


def test_what_fits_is_shown_whole() -> None:
    text = fitted([Block("lines", ("top",), ("one", "two"), ("bottom",)), folded("lines", "more", ["- x"])])

    assert text == "top\none\ntwo\nbottom\n<details><summary>more</summary>\n\n- x\n\n</details>\n"


@pytest.mark.parametrize("text", ["x" * 100, "\N{SNOWMAN}" * 100])
def test_what_does_not_fit_is_cut_from_the_end_and_counted(text: str) -> None:
    many = tuple(f"- {number} {text}" for number in range(5_000))
    found = fitted([Block("heads", ("title",)), folded("changes", "first", many), folded("changes", "second", many)])

    assert len(found.encode()) < LIMIT
    shown = sum(line.startswith("- ") for line in found.splitlines())
    assert 100 < shown < 5_000
    assert f"(Cut, as GitHub takes no longer comment: {5_000 - shown:,} changes. The JSON has them all.)" in found
    assert found.count("<details>") == found.count("</details>")
    assert found.startswith("title\n")


def test_sections_without_any_room_are_counted_too() -> None:
    wide = Block("lines", ("x" * 400,))

    found = fitted([wide] * 10, limit=2_500)

    assert len(found) < 2_500
    assert "(Cut, as GitHub takes no longer comment: 7 sections. The JSON has them all.)" in found
