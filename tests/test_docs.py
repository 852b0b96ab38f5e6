"""Documentation is generated from what it is about, and is current."""

from pathlib import Path

import pytest

from tools import docs


@pytest.mark.parametrize("page", docs.pages(), ids=lambda page: page.name)
def test_generated_parts_are_current(page: Path) -> None:
    assert page.read_text() == docs.current(page.read_text()), "run: make docs"


def test_the_readme_has_all_parts() -> None:
    text = (docs.ROOT / "README.md").read_text()
    assert {part["name"] for part in docs.PART.finditer(text)} == {"phases", "picture-10k", "keys"}
