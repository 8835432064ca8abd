"""Access checks that run before each view: service ownership, the `view` permission, the CSRF token, staff."""

from __future__ import annotations

from flask import Blueprint, abort, g, request

from ..context import Context
from ..models import Service, is_valid_id
from . import forms


def guard(blueprint: Blueprint, context: Context) -> None:
    """Add the check for client pages: 404 unless signed in as owner or staff, 403 without `view`.

    Stores the actor in `g.puq_backups_actor`, the service in `g.puq_backups_service` and, for a POST, the CSRF error
    or None in `g.puq_backups_csrf_error`.
    """

    @blueprint.before_request
    def check() -> None:
        if request.endpoint == "puq_backups.static":
            return
        actor = context.signed_in()
        service_id = str((request.view_args or {}).get("service_id", ""))
        with context.database.open() as session:
            service = session.get(Service, service_id) if is_valid_id(service_id) else None
        if actor is None or service is None or (not actor.is_staff and actor.client_id != service.client_id):
            abort(404)
        if not actor.may("view"):
            abort(403)
        g.puq_backups_actor, g.puq_backups_service = actor, service
        if request.method == "POST":
            g.puq_backups_csrf_error = forms.csrf_error()


def guard_staff(blueprint: Blueprint, context: Context) -> None:
    """Add the check for staff pages: 404 unless staff is signed in. Stores the actor in `g.puq_backups_actor`."""

    @blueprint.before_request
    def check() -> None:
        actor = context.signed_in()
        if actor is None or not actor.is_staff:
            abort(404)
        g.puq_backups_actor = actor
