"""Staff pages: one module for each subject with `add_pages(blueprint, context)`, listed in SUBJECTS.

Before each view: 404 for anybody but staff, 400 for a POST without a valid CSRF token.
"""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from ...context import Context
from .. import access, database_errors, forms, page_frame, security
from . import activity, emails, layout, outbox, overview, servers, service, services

NAME = "puq_backups_admin"
SUBJECTS = (overview, services, service, servers, activity, emails, outbox)


def blueprint(context: Context) -> Blueprint:
    """Return the blueprint of all staff pages. The client's blueprint provides the templates."""
    found = Blueprint(NAME, __name__)
    access.guard_staff(found, context)
    database_errors.handle(found, context)
    security.add_headers(found, context, page_frame.STAFF_BASE)

    @found.before_request
    def check_token() -> ResponseReturnValue | None:
        error = forms.csrf_error() if request.method == "POST" else None
        return layout.error_page(context, error) if error else None

    for subject in SUBJECTS:
        subject.add_pages(found, context)
    return found
