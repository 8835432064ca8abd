"""Access checks that run before each view: service ownership, the `view` permission, the CSRF token, staff."""

from __future__ import annotations

from flask import Blueprint, abort, g, request
from flask.typing import ResponseReturnValue

from .. import host as hosts
from ..context import Context
from ..host import Actor
from ..models import Service, is_valid_id
from . import forms


def guard(blueprint: Blueprint, context: Context) -> None:
    """Add the check for client pages: 404 unless signed in as owner or staff, 403 without `view`.

    A visitor who is not signed in gets the answer of `Host.unauthorized`, whether the service exists or not. Stores
    the actor in `g.puq_backups_actor`, the service in `g.puq_backups_service` and, for a POST, the CSRF error or None
    in `g.puq_backups_csrf_error`.
    """

    @blueprint.before_request
    def check() -> ResponseReturnValue | None:
        if request.endpoint == "puq_backups.static":
            return None
        actor = context.signed_in()
        if actor is None:
            return _sign_in(context)
        admit(context, actor, str((request.view_args or {}).get("service_id", "")))
        if request.method == "POST":
            g.puq_backups_csrf_error = forms.csrf_error()
        return None


def admit(context: Context, actor: Actor, service_id: str) -> None:
    """Store the actor and the service as `g.puq_backups_actor` and `g.puq_backups_service`.

    Aborts with 404 if the service is not theirs, and with 403 without the right to view it.
    """
    with context.database.open() as session:
        service = session.get(Service, service_id) if is_valid_id(service_id) else None
    if service is None or (not actor.is_staff and actor.client_id != service.client_id):
        abort(404)
    if not actor.may("view"):
        abort(403)
    g.puq_backups_actor, g.puq_backups_service = actor, service


def guard_staff(blueprint: Blueprint, context: Context) -> None:
    """Add the check for staff pages: 404 unless staff is signed in. Stores the actor in `g.puq_backups_actor`.

    A visitor who is not signed in gets the answer of `Host.unauthorized`.
    """

    @blueprint.before_request
    def check() -> ResponseReturnValue | None:
        actor = context.signed_in()
        if actor is None:
            return _sign_in(context)
        if not actor.is_staff:
            abort(404)
        g.puq_backups_actor = actor
        return None


def _sign_in(context: Context) -> ResponseReturnValue:
    """Return the host's answer to a visitor who is not signed in, else 404."""
    answer: ResponseReturnValue | None = hosts.unauthorized(context.host)
    if answer is None:
        abort(404)
    return answer
