"""The pages: a way in, no decisions."""

from __future__ import annotations

from flask import Blueprint
from flask.blueprints import BlueprintSetupState

from ..toolbox import Toolbox
from . import access, client


def blueprint(toolbox: Toolbox) -> Blueprint:
    """The client's pages. Registering it also registers the hooks: ours by name, then the host's."""
    found = Blueprint("puq_backups", "puq_backups.templates", template_folder=".")
    # The host runs points as well, and has no toolbox to give.
    toolbox.hooks.given["toolbox"] = toolbox

    def load_hooks(_: BlueprintSetupState) -> None:
        for package in ("puq_backups.hooks", *toolbox.settings.hooks):
            toolbox.hooks.load_package(package)

    found.record_once(load_hooks)
    access.guard(found, toolbox)
    client.add_pages(found, toolbox)
    return found


def static_files() -> Blueprint:
    """Stylesheet and script, the same for every service."""
    return Blueprint("puq_backups_static", __name__, static_folder="static", static_url_path="/puq-backups/static")
