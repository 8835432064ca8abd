"""The pages that confirm a restore or a removal without script; the script puts their parts into its dialogs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Blueprint, g, request, url_for
from flask.typing import ResponseReturnValue

from ..client_area import removal_preview, restore_preview
from ..context import Context
from ..errors import BackupsError, BadInput, Message, NotAllowed, NotFound
from ..whmcs.dispatch import NOT_OFFERED, offered_functions
from . import forms, security
from .client import GONE, ErrorPage, call_function, page, render

TYPED = frozenset({"confirm", "safety_copy", "csrf_token"})
"""The fields of the page that confirms a restore: what is wrong with them is said there, with what was typed."""

Preview = Callable[[Context, str, Any, str], dict[str, Any]]


def add_routes(blueprint: Blueprint, context: Context, at: str = "", error_page: ErrorPage = page) -> None:
    """Add GET and POST of `/<backup_id>/restore` and `/<backup_id>/remove`.

    `error_page` is the view that shows an error.
    """

    def confirm_restore(service_id: str, backup_id: str) -> ResponseReturnValue:
        return _restore_page(context, service_id, backup_id, error_page)

    def restore(service_id: str, backup_id: str) -> ResponseReturnValue:
        def again(context: Context, service_id: str, **more: Any) -> ResponseReturnValue:
            wrong = isinstance(more["error"], BadInput) and more["error"].field in TYPED
            # Another site must not put the name there: it would leave one click to a restore.
            if wrong and not security.comes_from_elsewhere():
                return _restore_page(context, service_id, backup_id, error_page, **more)
            return error_page(context, service_id, **more)

        return call_function(context, service_id, "RestoreBackup", _form(backup_id), again)

    def confirm_remove(service_id: str, backup_id: str) -> ResponseReturnValue:
        found = _preview(context, service_id, backup_id, "RemoveBackup", removal_preview.preview)
        return _shown(context, service_id, backup_id, error_page, found, "remove")

    def remove(service_id: str, backup_id: str) -> ResponseReturnValue:
        return call_function(context, service_id, "RemoveBackup", _form(backup_id), error_page)

    blueprint.add_url_rule(f"{at}/<backup_id>/restore", "restore_preview", confirm_restore)
    blueprint.add_url_rule(f"{at}/<backup_id>/restore", "RestoreBackup", restore, methods=["POST"])
    blueprint.add_url_rule(f"{at}/<backup_id>/remove", "removal_preview", confirm_remove)
    blueprint.add_url_rule(f"{at}/<backup_id>/remove", "RemoveBackup", remove, methods=["POST"])


def _form(backup_id: str) -> dict[str, str]:
    return {**request.form.to_dict(), "backup_id": backup_id}


def _restore_page(
    context: Context, service_id: str, backup_id: str, error_page: ErrorPage,
    error: BackupsError | None = None, form: dict[str, str] | None = None,
) -> ResponseReturnValue:  # fmt: skip
    # A form without a valid token makes no call to Proxmox.
    preview = partial(restore_preview.preview, ask=not forms.is_csrf_error(error))
    found = _preview(context, service_id, backup_id, "RestoreBackup", preview)
    if isinstance(found, dict):
        found |= {"blocked": _blocked(found), "form": form or {}}
        found |= forms.shown_error(error)
    return _shown(context, service_id, backup_id, error_page, found, "restore", error.status if error else 200)


def _preview(
    context: Context, service_id: str, backup_id: str, function: str, preview: Preview
) -> dict[str, Any] | BackupsError:
    """What a page shows, or why it is not shown."""
    found: list[dict[str, Any]] = []

    def look() -> None:
        actor = g.puq_backups_actor
        if function not in offered_functions(context, actor):
            raise NotAllowed(NOT_OFFERED.text)
        context.limiter.check("preview", service_id, actor.label)
        found.append(preview(context, service_id, actor, backup_id))

    return forms.catch_error(look) or found[0]


def _shown(
    context: Context, service_id: str, backup_id: str, error_page: ErrorPage,
    found: dict[str, Any] | BackupsError, name: str, status: int = 200,
) -> ResponseReturnValue:  # fmt: skip
    if isinstance(found, BackupsError):
        return error_page(context, service_id, error=GONE if isinstance(found, NotFound) else found)
    urls = {
        "page": url_for(".page", service_id=service_id),
        "restore": url_for(".RestoreBackup", service_id=service_id, backup_id=backup_id),
        "remove": url_for(".RemoveBackup", service_id=service_id, backup_id=backup_id),
        "stylesheet": url_for("puq_backups_static.static", filename="backups.css"),
    }
    values = {"form": {}, "errors": {}, **found, "urls": urls}
    return render(context, f"puq_backups/client/{name}.html", values, found["timezone"]), status


def _blocked(found: dict[str, Any]) -> list[Message]:
    """Why it would come to nothing: what Proxmox says, or that the safety copy has to be made and cannot."""
    reasons = list(found["plan"].reasons_against) if found["plan"] else []
    if found["safety_copy"] == "always" and found["safety_against"]:
        reasons.append(found["safety_against"])
    return reasons
