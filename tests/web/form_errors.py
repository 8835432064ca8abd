"""Checks of a form that was refused: status, sentence, and nothing changed."""

from __future__ import annotations

import re
from typing import Any

from werkzeug.test import TestResponse

from .client_pages import ClientPages, visible_text

WEEK: dict[str, Any] = {f"time_{day}": f"0{day}:30" for day in range(7)} | {"day_2": "1", "timezone": "Europe/Paris"}
SECRET = "5d0c9a1e-0000-4000-8000-999999999999"


def value(answer: TestResponse, name: str) -> str | None:
    """What stands in the first field `name` of the page."""
    tag = re.search(rf'<input[^>]*\sname="{name}"[^>]*>', answer.text)
    found = re.search(r'value="([^"]*)"', tag[0]) if tag else None
    return found[1] if found else None


def refuses_nothing_changed(pages: ClientPages, answer: TestResponse, status: int, *sentences: str) -> None:
    assert answer.status_code == status, visible_text(answer)
    for sentence in sentences:
        assert sentence in visible_text(answer)
    assert "Traceback" not in answer.text
    assert pages.world.proxmox.tasks() == []
    assert pages.world.operations() == []
