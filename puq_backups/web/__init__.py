"""The pages: a way in, no decisions."""

from __future__ import annotations

from flask import Blueprint

from ..toolbox import Toolbox
from . import access, client, confirming, custom


def blueprint(toolbox: Toolbox) -> Blueprint:
    """The client's pages."""
    found = Blueprint("puq_backups", "puq_backups.templates", template_folder=".")
    access.guard(found, toolbox)
    client.add_pages(found, toolbox)
    confirming.add_route(found, toolbox)
    custom.add_routes(found, toolbox)
    return found


def static_files() -> Blueprint:
    """Stylesheet and script, the same for every service."""
    return Blueprint("puq_backups_static", __name__, static_folder="static", static_url_path="/puq-backups/static")
