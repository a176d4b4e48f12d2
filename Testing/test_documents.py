"""What the documents link to and show is in the repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENTS = [REPOSITORY / "README.md", REPOSITORY / "Testing" / "README.md", *(REPOSITORY / "Resources").glob("*.md")]


def anchors(path: Path) -> set[str]:
    """Names by which the headings of a page are linked to."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_links_lead_somewhere(document):
    for address in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if address.startswith(("https://", "http://")):
            continue
        name, _, anchor = address.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), f"{address} does not exist"
        assert not anchor or anchor in anchors(target), f"{address} has no such heading"


def test_files_that_the_checklist_names_exist():
    text = (REPOSITORY / "Resources" / "extension-checklist.md").read_text(encoding="utf-8")
    named = re.findall(r"`(Testing/[\w/.]+)`", text)
    assert named
    for name in named:
        assert (REPOSITORY / name).is_file(), f"{name} does not exist"


def test_the_tutorial_shows_every_picture_of_the_panel():
    text = (REPOSITORY / "Resources" / "Tutorial.md").read_text(encoding="utf-8")
    pictures = sorted(p.name for p in (REPOSITORY / "Resources" / "Screenshots").glob("test-shell-*.png"))
    assert pictures
    assert [name for name in pictures if f"(Screenshots/{name})" not in text] == []
