"""Links between the pages of docs/ and README lead somewhere, and each page is in the index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.services import ROOT

from .docs_pages import PAGES, page

FOLDERS = ("", "examples", "tests/support", "tests/faults")
LINKING = [*(ROOT / folder / "README.md" for folder in FOLDERS), *PAGES]


@pytest.mark.parametrize("path", [path for path in PAGES if path.name != "README.md"], ids=lambda path: path.name)
def test_page_is_linked_from_the_index(path: Path) -> None:
    assert f"]({path.name})" in page("README")


@pytest.mark.parametrize("path", LINKING, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        assert "://" in link or (path.parent / link).exists(), link


def anchors(path: Path) -> set[str]:
    """The names of a page's headings, as GitHub makes them."""
    prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", LINKING, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_anchors_name_a_heading(path: Path) -> None:
    for link, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", path.read_text()):
        assert anchor in anchors(path.parent / link if link else path), (link, anchor)
