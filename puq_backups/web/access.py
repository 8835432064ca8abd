"""Who may come in: nobody learns of a service that is not theirs, and no form is taken without its token."""

from __future__ import annotations

from flask import Blueprint, abort, g, request

from ..context import Context
from ..models import Service, is_valid_id
from . import forms


def guard(blueprint: Blueprint, context: Context) -> None:
    """Check, before each page: signed in and yours (404), may view (403), CSRF token on a POST (400)."""

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
        g.puq_backups_actor = actor
        if request.method == "POST":
            g.puq_backups_csrf = forms.wrong_token()


def guard_staff(blueprint: Blueprint, context: Context) -> None:
    """Check, before each page of staff, that staff is signed in: anybody else learns nothing (404)."""

    @blueprint.before_request
    def check() -> None:
        actor = context.signed_in()
        if actor is None or not actor.is_staff:
            abort(404)
        g.puq_backups_actor = actor
