"""Views of the client's Backups page: the page, `/state`, and a POST for each form, which calls a module function."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from ..client_area import backup_list
from ..client_area.schedule import ScheduleChanged
from ..client_area.state import state_json
from ..client_area.state_tag import state_tag
from ..context import Context
from ..errors import BackupsError, NotAllowed, NotFound
from ..i18n.translator import N_
from ..models import Service
from ..operations import node_watch
from ..whmcs.dispatch import NOT_OFFERED, call_authorized, offered_functions
from . import forms, page_frame, tab_address
from .hook_output import hook_output
from .tab_address import VIEW

FORMS: tuple[tuple[str, str, str], ...] = (
    ("schedule", "SaveSchedule", N_("The schedule is saved.")),
    ("create", "BackupNow", N_("Your backup is starting.")),
    ("<backup_id>/restore", "RestoreBackup", N_("Your restore is starting.")),
    ("<backup_id>/remove", "RemoveBackup", N_("The backup will be removed.")),
    ("<backup_id>/undo", "UndoRemove", N_("The backup is back.")),
    ("<backup_id>/delete", "DeleteBackup", N_("The backup is being removed.")),
    ("<backup_id>/release", "ReleaseBackup", N_("This backup counts now.")),
    ("<backup_id>/note", "EditNote", N_("The description is saved.")),
    ("<backup_id>/keep", "KeepBackup", N_("Backup kept.")),
    ("reinstall", "Reinstall", N_("The reinstallation is starting.")),
    ("operations/<operation_id>/retry", "RetryRestore", N_("Your restore is starting again.")),
    ("operations/<operation_id>/back", "BackToBefore", N_("The restore is being undone.")),
    ("operations/<operation_id>/cancel", "CancelOperation", N_("It is being stopped.")),
)
"""For each form: path below the page, module function that it calls, and the success message."""

ErrorPage = Callable[..., ResponseReturnValue]
"""A view that shows a refused request: called with context, service id, `error` and `form`."""

SUCCESS_MESSAGES = {function: said for _, function, said in FORMS}
ANY_ID = "0" * 32
"""Stands for the id of a backup in an address."""
IN_ROW = frozenset({"EditNote", "KeepBackup", "UndoRemove"})
"""Functions after which the page opens at the row of the backup."""
GONE = NotFound("It is no longer there. The page shows what is there now.")
CONFIRMED = frozenset({"<backup_id>/restore", "<backup_id>/remove"})
"""Paths that `confirm_pages` adds: a GET there shows a page that confirms the form."""


def add_pages(blueprint: Blueprint, context: Context) -> None:
    """Add the routes of the page, of `/state` and of each form in FORMS."""

    # By name: Flask-Limiter and others recognize a view by its function's name.
    @blueprint.route("/", endpoint="page", strict_slashes=False)
    def page_view(service_id: str) -> ResponseReturnValue:
        return page(context, service_id)

    @blueprint.route("/state", endpoint="state")
    def state_view(**_: str) -> ResponseReturnValue:
        return state(context, g.puq_backups_service)

    for path, function, _ in FORMS:
        if path in CONFIRMED:
            continue
        blueprint.add_url_rule(f"/{path}", function, _form_view(context, function), methods=["POST"])
        # A browser that reloads the URL of a form gets the page, not a bare 405.
        blueprint.add_url_rule(f"/{path}", f"reload_{function}", _to_page)


def _to_page(service_id: str, **_: str) -> ResponseReturnValue:
    return redirect(url_for(".page", service_id=service_id), 303)


def _form_view(context: Context, function: str) -> Callable[..., ResponseReturnValue]:
    def post(service_id: str, **ids: str) -> ResponseReturnValue:
        return call_function(context, service_id, function, {**request.form.to_dict(), **ids})

    return post


def call_function(
    context: Context, service_id: str, function: str, form: dict[str, str], error_page: ErrorPage | None = None
) -> ResponseReturnValue:
    """Call a custom function as the signed-in actor: redirect (303) with a message, or return the page with an error.

    A function that answers with a template gets that template rendered instead. `error_page` is the view that shows
    an error; the default is the client's page.
    """
    answers: list[Any] = []
    params = {name: value for name, value in form.items() if name not in VIEW} | {"serviceid": service_id}
    error = g.get("puq_backups_csrf_error") or forms.catch_error(
        lambda: answers.append(_call(context, function, params))
    )
    if error:
        error = GONE if isinstance(error, NotFound) else error
        return (error_page or page)(context, service_id, error=error, form=form)
    if isinstance(answers[0], Mapping):
        return _render_answer(context, answers[0])
    forms.set_message(_success_message(function, form))
    view: dict[str, Any] = {name: form[name] for name in VIEW if form.get(name)}
    row = f"puqb-backup-{form['backup_id']}" if function in IN_ROW and form.get("backup_id") else None
    if at := tab_address.asked():
        return redirect(tab_address.address(at, view, row), 303)
    return redirect(url_for(".page", service_id=service_id, _anchor=row, **view), 303)


def _success_message(function: str, form: dict[str, str]) -> str:
    if function == "KeepBackup" and form.get("kept") == "0":
        return N_("No longer kept.")
    return SUCCESS_MESSAGES.get(function, N_("It is done."))


def _call(context: Context, function: str, params: dict[str, str]) -> Any:
    actor = g.puq_backups_actor
    if function not in offered_functions(context, actor):
        raise NotAllowed(NOT_OFFERED.text)
    return call_authorized(context, function, params, actor)


def page(
    context: Context, service_id: str, *, error: BackupsError | None = None, form: dict[str, str] | None = None
) -> ResponseReturnValue:
    """Return the Backups page. With `error`: its HTTP status and text, and the form as it was submitted."""
    area = call_authorized(context, "ClientArea", {**view(), "serviceid": service_id}, g.puq_backups_actor)
    found = page_values(context, area["vars"], service_id, tab_address.asked(), error, form)
    html = render(context, area["templatefile"], found, found["schedule"]["timezone"])
    return html, error.status if error else 200, forms.retry_after(error)


def view() -> dict[str, str]:
    """Return the query parameters of the list."""
    return {name: request.values.get(name, "") for name in VIEW}


def page_values(
    context: Context, facts: dict[str, Any], service_id: str, at: str = "",
    error: BackupsError | None = None, form: dict[str, str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the variables of the page's template; `at` is the host's page that has it in a tab, "" for our own."""
    found = with_urls(facts, service_id, at) | hook_output(context, facts["service"], g.puq_backups_actor)
    found |= {**forms.shown_error(error), "message": forms.take_message(), "form": form or {}}
    return found | request_facts(found, error, form or {})


def request_facts(found: dict[str, Any], error: BackupsError | None, form: dict[str, str]) -> dict[str, Any]:
    """Return what the page shows of this request: the row being edited, and both schedules after a stale save."""
    schedule = found["schedule"]
    if isinstance(error, ScheduleChanged):
        days = [
            {"day": day, "enabled": f"day_{day}" in form, "time": form.get(f"time_{day}", "")} for day in range(7)
        ]
        schedule = {**schedule, "changed": True, "submitted": days}
    return {"edit": request.args.get("edit", ""), "schedule": schedule}


def render(context: Context, template: str, values: dict[str, Any], timezone: str | None = None) -> Response:
    """Render a template with `values`, the translator of the signed-in actor and the CSRF token."""
    actor = g.puq_backups_actor
    t = context.translator(actor.locale, actor.timezone or timezone)
    html = page_frame.render(template, {**values, "csrf_token": forms.csrf_token()}, t)
    return Response(html, headers={"Cache-Control": "no-store"})


def _render_answer(context: Context, answer: Mapping[str, Any]) -> Response:
    """Render the template that a custom function answered with."""
    actor = g.puq_backups_actor
    t = context.translator(actor.locale, actor.timezone)
    values, common = dict(answer.get("vars") or {}), {"csrf_token": forms.csrf_token()}
    html = page_frame.render_hosts(answer["templatefile"], values, common, t)
    return Response(html, headers={"Cache-Control": "no-store"})


def with_urls(found: dict[str, Any], service_id: str, at: str = "") -> dict[str, Any]:
    """Return the page facts with the form URLs of the current blueprint (client or staff) added as `urls`.

    With `at`, a page of the host that has ours in a tab, they lead back to it.
    """

    def to(endpoint: str, **ids: Any) -> str:
        if not at:
            return url_for(f".{endpoint}", service_id=service_id, **ids)
        if endpoint == "page":
            return tab_address.address(at, ids)
        return url_for(f"puq_backups.{endpoint}", service_id=service_id, tab=at, **ids)

    forms = {
        "restore": "RestoreBackup", "remove": "RemoveBackup", "note": "EditNote", "keep": "KeepBackup",
        "undo": "UndoRemove", "delete": "DeleteBackup", "release": "ReleaseBackup", "look": "restore_preview",
    }  # fmt: skip
    going = [backup for run in found["runs"] for backup in run["removes"]]
    # Built once: a page has some two hundred of them.
    of_any = {name: to(endpoint, backup_id=ANY_ID) for name, endpoint in forms.items()}
    for backup in (*found["backups"], *going):
        backup["urls"] = {name: url.replace(ANY_ID, backup["id"], 1) for name, url in of_any.items()}
    for operation in (found["operation"], found["last_operation"], found["restore_failed"]):
        if operation:
            key = operation.get("id") or operation["operation_id"]
            operation["urls"] = {
                "retry": to("RetryRestore", operation_id=key), "back": to("BackToBefore", operation_id=key),
                "cancel": to("CancelOperation", operation_id=key),
            }  # fmt: skip
    listing = backup_list.urls(found["listing"], lambda **query: to("page", **query))
    urls = {
        "page": to("page"), "here": listing["here"], "state": to("state", **backup_list.query(found["listing"])),
        "schedule": to("SaveSchedule"), "create": to("BackupNow"),
        "reinstall": to("Reinstall"),
        "stylesheet": url_for("puq_backups_static.static", filename="backups.css"),
        "script": url_for("puq_backups_static.static", filename="backups.js"),
    }  # fmt: skip
    return {**found, "urls": urls, "listing": {**found["listing"], **listing}}


def state(context: Context, service: Service) -> ResponseReturnValue:
    """Return the page facts as JSON with an ETag: of the backups those of one page. Makes no Proxmox call.

    The tag of a quiet service is its `state_tag`, so that 304 needs no answer to be made.
    """
    with context.database.open() as session:
        tag = state_tag(session, service)
    if tag and (selected := [value for value in view().values() if value]):
        # Another page of the list is another answer.
        tag = hashlib.sha256(repr((tag, selected)).encode()).hexdigest()[:32]
    headers = {"Cache-Control": "private, no-cache"}
    if tag and request.if_none_match.contains(tag):
        unchanged = Response(status=304, headers=headers)
        unchanged.set_etag(tag)
        return unchanged
    area = call_authorized(context, "ClientArea", {**view(), "serviceid": service.id}, g.puq_backups_actor)
    if (area["vars"]["operation"] or {}).get("state") in {"running", "stuck"}:
        node_watch.note_watched(context, service.id)
    body = json.dumps(state_json(area["vars"]), sort_keys=True)
    answer = Response(body, mimetype="application/json", headers=headers)
    answer.set_etag(tag or hashlib.sha256(body.encode()).hexdigest()[:32])
    return answer.make_conditional(request)
