"""A restore before it is confirmed: a page of its own, whose parts the script puts into the dialog."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from flask.typing import ResponseReturnValue

from ..client_area import restore_preview
from ..context import Context
from ..errors import Message, NotAllowed, NotFound
from ..whmcs.dispatch import NOT_OFFERED, offered
from . import forms
from .client import Show, page, rendered

TEMPLATE = "puq_backups/client/restore.html"


def add_route(blueprint: Blueprint, context: Context, at: str = "", show: Show = page) -> None:
    """Add GET `/<backup_id>/restore`; `show` is the page that says why it is not shown."""

    def confirm(service_id: str, backup_id: str) -> ResponseReturnValue:
        return _confirm(context, service_id, backup_id, show)

    blueprint.add_url_rule(f"{at}/<backup_id>/restore", "confirm_restore", confirm)


def _confirm(context: Context, service_id: str, backup_id: str, show: Show) -> ResponseReturnValue:
    found: list[dict[str, Any]] = []
    error = forms.tried(lambda: found.append(_preview(context, service_id, backup_id)))
    if isinstance(error, NotFound):
        return Response(status=404)
    if error:
        return show(context, service_id, error=error)
    values = found[0] | {"blocked": _blocked(found[0]), "urls": _urls(service_id, backup_id), "form": {}}
    return rendered(context, TEMPLATE, values, values["timezone"])


def _preview(context: Context, service_id: str, backup_id: str) -> dict[str, Any]:
    actor = g.puq_backups_actor
    if "RestoreBackup" not in offered(context, actor):
        raise NotAllowed(NOT_OFFERED.text)
    return restore_preview.preview(context, service_id, actor, backup_id)


def _blocked(found: dict[str, Any]) -> list[Message]:
    """Why it would come to nothing: what Proxmox says, or that the safety copy has to be made and cannot."""
    reasons = list(found["plan"].reasons_against) if found["plan"] else []
    if found["safety_copy"] == "always" and found["safety_against"]:
        reasons.append(found["safety_against"])
    return reasons


def _urls(service_id: str, backup_id: str) -> dict[str, str]:
    return {
        "page": url_for(".page", service_id=service_id),
        "restore": url_for(".RestoreBackup", service_id=service_id, backup_id=backup_id),
        "stylesheet": url_for("puq_backups_static.static", filename="backups.css"),
    }
