"""Page that shows what a restore would do and confirms it. The script loads parts of it into the restore dialog."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from flask.typing import ResponseReturnValue

from ..client_area import restore_preview
from ..context import Context
from ..errors import Message, NotAllowed, NotFound
from ..whmcs.dispatch import NOT_OFFERED, offered_functions
from . import forms
from .client import ErrorPage, page, render

TEMPLATE = "puq_backups/client/restore.html"


def add_route(blueprint: Blueprint, context: Context, at: str = "", error_page: ErrorPage = page) -> None:
    """Add GET `/<backup_id>/restore`. `error_page` is the view that shows an error."""

    def view(service_id: str, backup_id: str) -> ResponseReturnValue:
        return _restore_page(context, service_id, backup_id, error_page)

    blueprint.add_url_rule(f"{at}/<backup_id>/restore", "restore_preview", view)


def _restore_page(context: Context, service_id: str, backup_id: str, error_page: ErrorPage) -> ResponseReturnValue:
    found: list[dict[str, Any]] = []
    error = forms.catch_error(lambda: found.append(_preview(context, service_id, backup_id)))
    if isinstance(error, NotFound):
        return Response(status=404)
    if error:
        return error_page(context, service_id, error=error)
    values = found[0] | {"blocked": _blocked(found[0]), "urls": _urls(service_id, backup_id), "form": {}}
    return render(context, TEMPLATE, values, values["timezone"])


def _preview(context: Context, service_id: str, backup_id: str) -> dict[str, Any]:
    actor = g.puq_backups_actor
    if "RestoreBackup" not in offered_functions(context, actor):
        raise NotAllowed(NOT_OFFERED.text)
    return restore_preview.preview(context, service_id, actor, backup_id)


def _blocked(found: dict[str, Any]) -> list[Message]:
    """Return why the restore cannot run: the plan's reasons, or that a required safety copy cannot be made."""
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
