"""The first page of staff: what runs, what waits, what went wrong."""

from __future__ import annotations

from flask import Blueprint

from ...toolbox import Toolbox
from . import frame


def add_pages(blueprint: Blueprint, toolbox: Toolbox) -> None:
    """Add the overview."""
    blueprint.add_url_rule(
        "/", "overview", lambda: frame.page(toolbox, "overview", "overview.html"), strict_slashes=False
    )
