"""The client's page and its forms: form in, module function, answer out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from .. import overview
from ..errors import BackupsError, BadInput, NotYours
from ..i18n import N_, Translator
from ..module import run
from ..toolbox import Toolbox
from . import forms

POSTS: tuple[tuple[str, str, str], ...] = (
    ("schedule", "SaveSchedule", N_("The schedule is saved.")),
    ("create", "BackupNow", N_("The backup has been asked for.")),
    ("<backup_id>/restore", "RestoreBackup", N_("The restore has been asked for.")),
    ("<backup_id>/remove", "RemoveBackup", N_("The backup is being removed.")),
    ("<backup_id>/note", "EditNote", N_("The note is saved.")),
    ("<backup_id>/keep", "KeepBackup", N_("Saved.")),
    ("reinstall", "Reinstall", N_("The reinstallation has been asked for.")),
    ("operations/<operation_id>/retry", "RetryRestore", N_("The restore has been asked for again.")),
    ("operations/<operation_id>/cancel", "CancelOperation", N_("It is being cancelled.")),
)
"""Path below the page, the module function it calls, and what it says when that was accepted."""


def add_pages(blueprint: Blueprint, toolbox: Toolbox) -> None:
    """Add the page, `/state`, the two static files and a POST for each form."""
    blueprint.add_url_rule("/", "page", lambda service_id: page(toolbox, service_id), strict_slashes=False)
    blueprint.add_url_rule("/state", "state", lambda service_id: state(toolbox, service_id))
    for path, function, said in POSTS:
        endpoint = function
        blueprint.add_url_rule(f"/{path}", endpoint, _poster(toolbox, function, said), methods=["POST"])


def _poster(toolbox: Toolbox, function: str, said: str) -> Callable[..., ResponseReturnValue]:
    def post(service_id: str, **ids: str) -> ResponseReturnValue:
        form = {**request.form.to_dict(), **ids}
        params = {**form, "serviceid": service_id}
        error = g.puq_backups_csrf or forms.tried(lambda: run(toolbox, function, params, g.puq_backups_actor))
        if isinstance(error, NotYours):
            return Response(status=404)
        if error:
            return page(toolbox, service_id, error=error, form=form)
        forms.say(said)
        return redirect(url_for("puq_backups.page", service_id=service_id), 303)

    return post


def page(
    toolbox: Toolbox, service_id: str, *, error: BackupsError | None = None, form: dict[str, str] | None = None
) -> ResponseReturnValue:
    """The Backups page; with `error` its status and reason, and what was typed."""
    actor = g.puq_backups_actor
    area = run(toolbox, "ClientArea", {"serviceid": service_id}, actor)
    found = _with_addresses(area["vars"], service_id)
    t = Translator(actor.locale, actor.timezone or found["schedule"]["timezone"])
    refusal = error.message if error and not isinstance(error, BadInput) else None
    if isinstance(error, BadInput) and error.field == "csrf_token":
        refusal = error.message
    html = render_template(
        area["templatefile"], **found, _=t.gettext, ngettext=t.ngettext, t=t, csrf_token=forms.token(),
        errors={error.field: error.message} if isinstance(error, BadInput) else {}, refusal=refusal,
        message=forms.said(), form=form or {},
    )  # fmt: skip
    return Response(html, status=error.status if error else 200, headers={"Cache-Control": "no-store"})


def _with_addresses(found: dict[str, Any], service_id: str) -> dict[str, Any]:
    def to(endpoint: str, **ids: Any) -> str:
        return url_for(f"puq_backups.{endpoint}", service_id=service_id, **ids)

    for backup in found["backups"]:
        forms = {"restore": "RestoreBackup", "remove": "RemoveBackup", "note": "EditNote", "keep": "KeepBackup"}
        backup["urls"] = {name: to(endpoint, backup_id=backup["id"]) for name, endpoint in forms.items()}
    for operation in (found["operation"], found["last_operation"], found["restore_failed"]):
        if operation:
            key = operation.get("id") or operation["operation_id"]
            operation["urls"] = {
                "retry": to("RetryRestore", operation_id=key), "cancel": to("CancelOperation", operation_id=key),
            }  # fmt: skip
    urls = {
        "page": to("page"), "state": to("state"), "schedule": to("SaveSchedule"), "create": to("BackupNow"),
        "reinstall": to("Reinstall"),
        "stylesheet": url_for("puq_backups_static.static", filename="backups.css"),
        "script": url_for("puq_backups_static.static", filename="backups.js"),
    }  # fmt: skip
    return {**found, "urls": urls}


def state(toolbox: Toolbox, service_id: str) -> ResponseReturnValue:
    """The page's facts as JSON, with an ETag; no Proxmox call."""
    area = run(toolbox, "ClientArea", {"serviceid": service_id}, g.puq_backups_actor)
    body = json.dumps(overview.state(area["vars"]), sort_keys=True)
    answer = Response(body, mimetype="application/json", headers={"Cache-Control": "no-cache"})
    answer.set_etag(hashlib.sha256(body.encode()).hexdigest()[:32])
    return answer.make_conditional(request)
