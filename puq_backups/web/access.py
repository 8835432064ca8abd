"""Who may come in: nobody learns of a service that is not theirs, and no form is taken without its token."""

from __future__ import annotations

from flask import Blueprint, abort, current_app, g, request
from flask_wtf.csrf import ValidationError, validate_csrf

from ..errors import BadInput
from ..models import Service, is_id
from ..toolbox import Toolbox


def guard(blueprint: Blueprint, toolbox: Toolbox) -> None:
    """Check, before each page: signed in and yours (404), may view (403), CSRF token on a POST (400)."""

    @blueprint.before_request
    def check() -> None:
        if request.endpoint == "puq_backups.static":
            return
        actor = toolbox.host.current_actor()
        service_id = str((request.view_args or {}).get("service_id", ""))
        with toolbox.database.open() as session:
            service = session.get(Service, service_id) if is_id(service_id) else None
        if actor is None or service is None or (not actor.is_staff and actor.client_id != service.client_id):
            abort(404)
        if not actor.may("view"):
            abort(403)
        g.puq_backups_actor = actor
        if request.method == "POST":
            g.puq_backups_csrf = _csrf()


def _csrf() -> BadInput | None:
    """What is wrong with the form's token, checked even where the host forgot CSRFProtect."""
    if current_app.testing and not current_app.config.get("WTF_CSRF_ENABLED", True):
        return None
    try:
        validate_csrf(request.form.get("csrf_token") or request.headers.get("X-CSRFToken"))
    except ValidationError:
        return BadInput(
            "csrf_token",
            "The form had expired or did not come from this page (csrf_token). Nothing was done; try again.",
        )
    return None
