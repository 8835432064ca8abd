"""The client's page and its forms: form in, module function, answer out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..client_area import page as page_facts
from ..context import Context
from ..errors import BackupsError, BadInput, NotAllowed, NotFound
from ..i18n.translator import N_
from ..whmcs.dispatch import NOT_OFFERED, offered, run
from . import forms
from .hook_output import extras

POSTS: tuple[tuple[str, str, str], ...] = (
    ("schedule", "SaveSchedule", N_("The schedule is saved.")),
    ("create", "BackupNow", N_("The backup has been asked for.")),
    ("<backup_id>/restore", "RestoreBackup", N_("The restore has been asked for.")),
    ("<backup_id>/remove", "RemoveBackup", N_("The backup is being removed.")),
    ("<backup_id>/note", "EditNote", N_("The note is saved.")),
    ("<backup_id>/keep", "KeepBackup", N_("Saved.")),
    ("reinstall", "Reinstall", N_("The reinstallation has been asked for.")),
    ("operations/<operation_id>/retry", "RetryRestore", N_("The restore has been asked for again.")),
    ("operations/<operation_id>/back", "BackToBefore", N_("The state before the restore is being brought back.")),
    ("operations/<operation_id>/cancel", "CancelOperation", N_("It is being cancelled.")),
)
"""Path below the page, the module function it calls, and what it says when that was accepted."""

Show = Callable[..., ResponseReturnValue]
"""A page that says why something was not done: it takes the context, the service, `error` and `form`."""

SAID = {function: said for _, function, said in POSTS}


def add_pages(blueprint: Blueprint, context: Context) -> None:
    """Add the page, `/state`, the two static files and a POST for each form."""
    blueprint.add_url_rule("/", "page", lambda service_id: page(context, service_id), strict_slashes=False)
    blueprint.add_url_rule("/state", "state", lambda service_id: state(context, service_id))
    for path, function, _ in POSTS:
        blueprint.add_url_rule(f"/{path}", function, _poster(context, function), methods=["POST"])


def _poster(context: Context, function: str) -> Callable[..., ResponseReturnValue]:
    def post(service_id: str, **ids: str) -> ResponseReturnValue:
        return asked(context, service_id, function, {**request.form.to_dict(), **ids})

    return post


def asked(
    context: Context, service_id: str, function: str, form: dict[str, str], show: Show | None = None
) -> ResponseReturnValue:
    """Call a custom function for who is signed in: back to the page with a message, or the page with the reason.

    A function that only shows something answers with a page of its own. `show` is the page of whose blueprint asks.
    """
    answers: list[Any] = []
    params = {**form, "serviceid": service_id}
    error = g.get("puq_backups_csrf") or forms.tried(lambda: answers.append(_call(context, function, params)))
    if isinstance(error, NotFound):
        return Response(status=404)
    if error:
        return (show or page)(context, service_id, error=error, form=form)
    if isinstance(answers[0], Mapping):
        return rendered(context, answers[0]["templatefile"], dict(answers[0].get("vars") or {}))
    forms.say(SAID.get(function, N_("It is done.")))
    return redirect(url_for(".page", service_id=service_id), 303)


def _call(context: Context, function: str, params: dict[str, str]) -> Any:
    actor = g.puq_backups_actor
    if function not in offered(context, actor):
        raise NotAllowed(NOT_OFFERED.text)
    return run(context, function, params, actor)


def page(
    context: Context, service_id: str, *, error: BackupsError | None = None, form: dict[str, str] | None = None
) -> ResponseReturnValue:
    """The Backups page; with `error` its status and reason, and what was typed."""
    actor = g.puq_backups_actor
    area = run(context, "ClientArea", {"serviceid": service_id}, actor)
    found = with_addresses(area["vars"], service_id) | extras(context, area["vars"]["service"], actor)
    refusal = error.message if error and not isinstance(error, BadInput) else None
    if isinstance(error, BadInput) and error.field == "csrf_token":
        refusal = error.message
    errors = {error.field: error.message} if isinstance(error, BadInput) else {}
    found |= {"errors": errors, "refusal": refusal, "message": forms.said(), "form": form or {}}
    html = rendered(context, area["templatefile"], found, found["schedule"]["timezone"])
    return html, error.status if error else 200


def rendered(context: Context, template: str, values: dict[str, Any], timezone: str | None = None) -> Response:
    """A template with its values and what every page has: texts in the reader's language, and the form's token."""
    actor = g.puq_backups_actor
    t = context.translator(actor.locale, actor.timezone or timezone)
    common = {"_": t.gettext, "ngettext": t.ngettext, "t": t, "csrf_token": forms.token()}
    return Response(render_template(template, **{**values, **common}), headers={"Cache-Control": "no-store"})


def with_addresses(found: dict[str, Any], service_id: str) -> dict[str, Any]:
    """The facts with the addresses of their forms, in the blueprint that is asked: the client's or staff's."""

    def to(endpoint: str, **ids: Any) -> str:
        return url_for(f".{endpoint}", service_id=service_id, **ids)

    for backup in found["backups"]:
        forms = {"restore": "RestoreBackup", "remove": "RemoveBackup", "note": "EditNote", "keep": "KeepBackup"}
        backup["urls"] = {name: to(endpoint, backup_id=backup["id"]) for name, endpoint in forms.items()}
        backup["urls"]["look"] = to("confirm_restore", backup_id=backup["id"])
    for operation in (found["operation"], found["last_operation"], found["restore_failed"]):
        if operation:
            key = operation.get("id") or operation["operation_id"]
            operation["urls"] = {
                "retry": to("RetryRestore", operation_id=key), "back": to("BackToBefore", operation_id=key),
                "cancel": to("CancelOperation", operation_id=key),
            }  # fmt: skip
    urls = {
        "page": to("page"), "state": to("state"), "schedule": to("SaveSchedule"), "create": to("BackupNow"),
        "reinstall": to("Reinstall"),
        "stylesheet": url_for("puq_backups_static.static", filename="backups.css"),
        "script": url_for("puq_backups_static.static", filename="backups.js"),
    }  # fmt: skip
    return {**found, "urls": urls}


def state(context: Context, service_id: str) -> ResponseReturnValue:
    """The page's facts as JSON, with an ETag; no Proxmox call."""
    area = run(context, "ClientArea", {"serviceid": service_id}, g.puq_backups_actor)
    body = json.dumps(page_facts.state_json(area["vars"]), sort_keys=True)
    answer = Response(body, mimetype="application/json", headers={"Cache-Control": "no-cache"})
    answer.set_etag(hashlib.sha256(body.encode()).hexdigest()[:32])
    return answer.make_conditional(request)
