"""Documentation is generated from what it is about, and is current."""

import re
from pathlib import Path

import pytest

from stacks.phase import PhaseName
from tools import docs


@pytest.mark.parametrize("page", docs.pages(), ids=lambda page: page.name)
def test_generated_parts_are_current(page: Path) -> None:
    assert page.read_text() == docs.current(page.read_text()), "run: make docs"


def test_the_readme_has_all_parts() -> None:
    text = (docs.ROOT / "README.md").read_text()
    assert {part["name"] for part in docs.PART.finditer(text)} == {"phases", "picture-10k", "keys"}


def test_the_guide_has_a_picture_and_the_promises_of_every_phase() -> None:
    written = {
        part["name"]
        for page in docs.pages()
        if page.parent.name == "docs"
        for part in docs.PART.finditer(page.read_text())
    }
    assert written >= {f"{kind}-{name}" for kind in ("picture", "promises") for name in PhaseName}


def test_links_between_pages_lead_somewhere() -> None:
    for page in [docs.ROOT / "README.md", *(docs.ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
