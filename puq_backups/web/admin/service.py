"""A service's page for staff: its facts and log, everything its client can do, and what only staff may."""

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
from ...rules import wall_time
from ...staff import adopt, live_status, resolve
from ...staff import service as service_facts
from .. import client, forms, restore_preview
from . import layout

AT = "/services/<service_id>"
Own = Callable[[Context, str, Actor, dict[str, str]], None]
OWN: tuple[tuple[str, str, Own, str, str], ...] = (
    (
        "settle", "settle", lambda context, key, actor, _: resolve.clear_failed_restore(context, key, actor),
        "page", N_("The failed restore is settled."),
    ),
    (
        "identity", "take_identity",
        lambda context, key, actor, form: resolve.take_identity(context, key, actor, form.get("identity", "")),
        "page", N_("This is the service's virtual machine from now on."),
    ),
    (
        "adopt", "adopt",
        lambda context, key, actor, form: adopt.adopt(
            context, key, actor, form.get("volid", ""), form.get("confirm", "")
        ),
        "look", N_("The archive is a backup of this service from now on."),
    ),
    (
        "hide", "hide",
        lambda context, key, actor, form: adopt.hide(
            context, key, actor, form.get("volid", ""), hidden=form.get("hidden") == "1"
        ),
        "look", N_("Saved."),
    ),
)  # fmt: skip
"""What only staff may do: path, endpoint, function, the page it belongs to, and what it says when it was done."""


def add_pages(blueprint: Blueprint, context: Context) -> None:
    """Add the page, the client's forms under the same paths and names, staff's own, and the looks at Proxmox."""
    pages = Pages(context)
    blueprint.add_url_rule(f"{AT}/", "page", pages.page, strict_slashes=False)
    blueprint.add_url_rule(f"{AT}/state", "state", pages.state)
    blueprint.add_url_rule(f"{AT}/proxmox", "look", pages.look)
    blueprint.add_url_rule(f"{AT}/operations/<operation_id>/task/<int:number>", "task", pages.task)
    for path, function, _ in client.POSTS:
        blueprint.add_url_rule(f"{AT}/{path}", function, pages.asking(function), methods=["POST"])
    restore_preview.add_route(blueprint, context, AT, pages.instead)
    for path, endpoint, own, back, said in OWN:
        blueprint.add_url_rule(f"{AT}/{path}", endpoint, pages.doing(own, back, said), methods=["POST"])


class Pages:
    """The pages with what they work with."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def page(
        self, service_id: str, *, error: BackupsError | None = None, form: dict[str, str] | None = None
    ) -> ResponseReturnValue:
        with self.context.database.open() as session:
            service = self._found(service_id)
            found = page_facts.facts(session, self.context, service, g.puq_backups_actor)
            more = service_facts.facts(session, self.context, service, layout.place())
        return layout.page(
            self.context, "services", "service.html", error=error, form=form, dossier=more,
            timezones=sorted(wall_time.zones()), trouble=Message.from_json(service.problem),
            **client.with_addresses(found, service_id),
        )  # fmt: skip

    def state(self, service_id: str) -> ResponseReturnValue:
        """What the script asks for, as on the client's page."""
        return client.state(self.context, self._found(service_id).id)

    def look(self, service_id: str, *, error: BackupsError | None = None) -> ResponseReturnValue:
        """The VM as Proxmox has it now."""
        service, seen = self._found(service_id), list[live_status.Look]()
        failure = forms.tried(lambda: seen.append(live_status.look(self.context, service_id)))
        return layout.page(
            self.context, "services", "look.html", error=error, service=service, look=seen[0] if seen else None,
            failure=failure.message if failure else None, all_shown=request.args.get("hidden") == "1",
        )  # fmt: skip

    def task(self, service_id: str, operation_id: str, number: int) -> ResponseReturnValue:
        """The log of a task that an operation started, as Proxmox has it now."""
        service, operation = self._found(service_id), self._operation(service_id, operation_id)
        upids = live_status.upids(operation)
        if not 0 < number <= len(upids):
            abort(404)
        seen: list[live_status.TaskLog] = []
        failure = forms.tried(lambda: seen.append(live_status.task_log(self.context, service, upids[number - 1])))
        return layout.page(
            self.context, "services", "task.html", service=service, operation=operation, upid=upids[number - 1],
            seen=seen[0] if seen else None, failure=failure.message if failure else None,
        )  # fmt: skip

    def instead(self, _: Context, service_id: str, **more: Any) -> ResponseReturnValue:
        """The page where the client's form or page was refused, as `client.Show` has it."""
        return self.page(service_id, **more)

    def asking(self, function: str) -> Callable[..., ResponseReturnValue]:
        """What a client's form asks for, in staff's name."""

        def post(service_id: str, **ids: str) -> ResponseReturnValue:
            self._found(service_id)
            form = {**request.form.to_dict(), **ids}
            return client.asked(self.context, service_id, function, form, self.instead)

        return post

    def doing(self, own: Own, back: str, said: str) -> Callable[..., ResponseReturnValue]:
        """What only staff may do; back to the page that its form is on."""

        def post(service_id: str) -> ResponseReturnValue:
            key, form = self._found(service_id).id, request.form.to_dict()
            error = forms.tried(lambda: own(self.context, key, g.puq_backups_actor, form))
            if error:
                return self.look(service_id, error=error) if back == "look" else self.page(service_id, error=error)
            return layout.done(said, back, service_id=service_id)

        return post

    def _found(self, service_id: str) -> Service:
        with self.context.database.open() as session:
            return (session.get(Service, service_id) if is_valid_id(service_id) else None) or abort(404)

    def _operation(self, service_id: str, operation_id: str) -> Operation:
        with self.context.database.open() as session:
            found = session.get(Operation, operation_id) if is_valid_id(operation_id) else None
        return found if found and found.service_id == service_id else abort(404)
