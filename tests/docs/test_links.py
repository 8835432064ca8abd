"""Links between the pages of docs/ and README lead somewhere, and each page is in the index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.services import ROOT

from .docs_pages import PAGES, page


@pytest.mark.parametrize("path", [path for path in PAGES if path.name != "README.md"], ids=lambda path: path.name)
def test_page_is_linked_from_the_index(path: Path) -> None:
    assert f"]({path.name})" in page("README")


@pytest.mark.parametrize("path", [ROOT / "README.md", *PAGES], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        assert "://" in link or (path.parent / link).exists(), link
