"""The style sheets and the script of the pages: their size, and what docs/pages.md says of them."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "pages.md").read_text()
MOST = 40_000
"""Bytes of the client page's style sheet and script together, as they are served."""


def asset(name: str) -> str:
    return (files("puq_backups.web") / "static" / name).read_text()


def test_style_sheet_and_script_of_the_client_page_are_small() -> None:
    assert len((asset("backups.css") + asset("backups.js")).encode()) < MOST


def test_custom_properties_are_documented_and_there_are_no_others() -> None:
    style = asset("backups.css")
    public = style[style.index(":where(.puqb) {") : style.index(".puqb:is(")]
    section = DOCS[DOCS.index("## Colours and sizes") :]
    said = set(re.findall(r"`(--puqb-[\w-]+)`", section))
    said |= {f"--puqb-{tone}{part}" for tone in ("ok", "warn", "bad") for part in ("-soft", "-fill")}

    assert said == set(re.findall(r"(--puqb-[\w-]+):", public))
    assert set(re.findall(r"var\((--puqb-[\w-]+)", style + asset("admin.css"))) <= said


def test_blocks_of_the_templates_are_documented_and_there_are_no_others() -> None:
    section = DOCS[DOCS.index("## Templates") : DOCS.index("## Colours and sizes")]
    there: set[str] = set()
    for name in ("client/backups.html", "client/base.html", "admin/base.html"):
        template = (ROOT / "templates" / "puq_backups" / name).read_text()
        there |= set(re.findall(r"{% block (\w+) %}", template))

    assert set(re.findall(r"`(title|head|content|puqb_\w+)`", section)) == there
