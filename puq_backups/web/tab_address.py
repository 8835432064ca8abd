"""The address of a host's page that has ours in a tab: forms carry it, and lead back to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from flask import request

VIEW = ("kind", "page")
"""Query parameters of the list. Forms send them too, so that the page after them shows the same part of it."""


def here() -> str:
    """Path and query of the page that is being answered, without the query parameters that are ours."""
    query = [(name, value) for name, value in request.args.items(multi=True) if name not in (*VIEW, "edit")]
    return request.script_root + request.path + (f"?{urlencode(query)}" if query else "")


def asked() -> str:
    """The host's page that the form being answered is on, "" for our own; a path of this site only."""
    at = request.args.get("tab", "") if request.method == "POST" else ""
    local = at.startswith("/") and not at.startswith(("//", "/\\")) and at.isprintable()
    return at if local else ""


def address(at: str, query: Mapping[str, Any], row: str | None = None) -> str:
    """The host's page `at`, with query parameters of ours and scrolled to a row."""
    more = urlencode(query)
    joined = f"{at}{'&' if '?' in at else '?'}{more}" if more else at
    return f"{joined}#{row}" if row else joined
