"""Staff views of a service: its page, the client's forms, the staff-only actions and the live status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, abort, g, request
from flask.typing import ResponseReturnValue

from ...client_area import page as page_facts
from ...context import Context
from ...errors import BackupsError, Message
from ...host import Actor
from ...i18n.translator import N_
from ...models import Operation, Service, is_valid_id
from ...models.conflicts import repeated
from ...rules import wall_time
from ...staff import adopt, live_status, resolve
from ...staff import service as service_facts
from .. import client, confirm_pages, forms
from . import layout

AT = "/services/<service_id>"
StaffAction = Callable[[Context, str, Actor, dict[str, str]], None]
STAFF_ACTIONS: tuple[tuple[str, str, StaffAction, str, str], ...] = (
    (
        "resolve", "resolve", lambda context, key, actor, _: resolve.clear_failed_restore(context, key, actor),
        "page", N_("The failed restore is settled."),
    ),
    (
        "identity", "accept_identity",
        lambda context, key, actor, form: resolve.accept_identity(context, key, actor, form.get("identity", "")),
        "page", N_("This is the service's virtual machine from now on."),
    ),
    (
        "adopt", "adopt",
        lambda context, key, actor, form: adopt.adopt(
            context, key, actor, form.get("volid", ""), form.get("confirm", "")
        ),
        "live_status", N_("The archive is a backup of this service from now on."),
    ),
    (
        "hide", "hide",
        lambda context, key, actor, form: adopt.hide(
            context, key, actor, form.get("volid", ""), hidden=form.get("hidden") == "1"
        ),
        "live_status", N_("Saved."),
    ),
)  # fmt: skip
"""Staff-only actions: path, endpoint, function, endpoint of the page with its form, and success message."""


def add_pages(blueprint: Blueprint, context: Context) -> None:
    """Add the routes of the page, the client's forms, the staff-only actions, live status and task logs."""
    pages = Pages(context)
    blueprint.add_url_rule(f"{AT}/", "page", pages.page, strict_slashes=False)
    blueprint.add_url_rule(f"{AT}/state", "state", pages.state)
    blueprint.add_url_rule(f"{AT}/proxmox", "live_status", pages.live_status)
    blueprint.add_url_rule(f"{AT}/operations/<operation_id>/task/<int:number>", "task", pages.task)
    for path, function, _ in client.FORMS:
        if path in client.CONFIRMED:
            continue
        blueprint.add_url_rule(f"{AT}/{path}", function, pages.client_form(function), methods=["POST"])
    confirm_pages.add_routes(blueprint, context, AT, pages.error_page)
    for path, endpoint, action, back, said in STAFF_ACTIONS:
        blueprint.add_url_rule(f"{AT}/{path}", endpoint, pages.staff_form(action, back, said), methods=["POST"])


class Pages:
    """The views, bound to a context."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def page(
        self, service_id: str, *, error: BackupsError | None = None, form: dict[str, str] | None = None
    ) -> ResponseReturnValue:
        with self.context.database.open() as session:
            service = self._found(service_id)
            found = page_facts.facts(session, self.context, service, g.puq_backups_actor, request.values)
            more = service_facts.facts(session, self.context, service, layout.cursor())
        found = client.with_urls(found, service_id)
        found |= client.request_facts(found, error, form or {})
        return layout.page(
            self.context, "services", "service.html", error=error, form=form, details=more,
            timezones=sorted(wall_time.zones()), trouble=Message.from_json(service.problem), **found,
        )  # fmt: skip

    def state(self, service_id: str) -> ResponseReturnValue:
        """Return the JSON that the page's script polls; the same as on the client's page."""
        return client.state(self.context, self._found(service_id))

    def live_status(self, service_id: str, *, error: BackupsError | None = None) -> ResponseReturnValue:
        """Return the page with the VM as Proxmox reports it now."""
        service, seen = self._found(service_id), list[live_status.LiveStatus]()
        failure = forms.catch_error(lambda: seen.append(live_status.fetch(self.context, service_id)))
        return layout.page(
            self.context, "services", "live_status.html", error=error, service=service,
            found=seen[0] if seen else None,
            failure=failure.message if failure else None, all_shown=request.args.get("hidden") == "1",
        )  # fmt: skip

    def task(self, service_id: str, operation_id: str, number: int) -> ResponseReturnValue:
        """Return the page with the log of a task of an operation (`number` from 1), read from Proxmox now."""
        service, operation = self._found(service_id), self._operation(service_id, operation_id)
        upids = live_status.upids(operation)
        if not 0 < number <= len(upids):
            abort(404)
        upid, seen = upids[number - 1], list[live_status.TaskLog]()
        failure = forms.catch_error(lambda: seen.append(live_status.task_log(self.context, service, upid)))
        return layout.page(
            self.context, "services", "task.html", service=service, operation=operation, upid=upid,
            seen=seen[0] if seen else None, failure=failure.message if failure else None,
        )  # fmt: skip

    def error_page(self, _: Context, service_id: str, **more: Any) -> ResponseReturnValue:
        """Return the service page with an error; a `client.ErrorPage`."""
        return self.page(service_id, **more)

    def client_form(self, function: str) -> Callable[..., ResponseReturnValue]:
        """Return the view of a client's form, called as the signed-in staff member."""

        def post(service_id: str, **ids: str) -> ResponseReturnValue:
            self._found(service_id)
            form = {**request.form.to_dict(), **ids}
            return client.call_function(self.context, service_id, function, form, self.error_page)

        return post

    def staff_form(self, action: StaffAction, back: str, said: str) -> Callable[..., ResponseReturnValue]:
        """Return the view of a staff-only action. It redirects to the page `back` with the message `said`."""

        def post(service_id: str) -> ResponseReturnValue:
            key, form = self._found(service_id).id, request.form.to_dict()
            error = forms.catch_error(lambda: repeated(action)(self.context, key, g.puq_backups_actor, form))
            if error:
                return (
                    self.live_status(service_id, error=error)
                    if back == "live_status"
                    else self.page(service_id, error=error)
                )
            return layout.redirect_to(said, back, service_id=service_id)

        return post

    def _found(self, service_id: str) -> Service:
        with self.context.database.open() as session:
            return (session.get(Service, service_id) if is_valid_id(service_id) else None) or abort(404)

    def _operation(self, service_id: str, operation_id: str) -> Operation:
        with self.context.database.open() as session:
            found = session.get(Operation, operation_id) if is_valid_id(operation_id) else None
        return found if found and found.service_id == service_id else abort(404)
