"""Flask blueprints: the client's pages, static files, monitoring and, in `admin/`, the staff pages."""

from __future__ import annotations

from flask import Blueprint

from ..context import Context
from . import access, client, confirm_pages, database_errors, module_route, monitoring, page_frame, security


def blueprint(context: Context) -> Blueprint:
    """Return the blueprint of the client's pages, with access checks."""
    found = Blueprint("puq_backups", "puq_backups.templates", template_folder=".")
    access.guard(found, context)
    database_errors.handle(found, context)
    security.add_headers(found, context, page_frame.CLIENT_BASE)
    client.add_pages(found, context)
    confirm_pages.add_routes(found, context)
    module_route.add_routes(found, context)
    return found


def static_files() -> Blueprint:
    """Return the blueprint that serves the stylesheets and the script."""
    return Blueprint("puq_backups_static", __name__, static_folder="static", static_url_path="/puq-backups/static")


__all__ = ["blueprint", "monitoring", "static_files"]
