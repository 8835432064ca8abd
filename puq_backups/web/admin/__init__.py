"""The staff pages: one file a subject, each with `add_pages(blueprint, context)`. A new subject goes into SUBJECTS.

Whoever is not staff gets 404, and a form without its token 400, before a page of ours is asked.
"""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from ...context import Context
from .. import access, forms
from . import activity, emails, layout, outbox, overview, servers, service, services

NAME = "puq_backups_admin"
SUBJECTS = (overview, services, service, servers, activity, emails, outbox)


def blueprint(context: Context) -> Blueprint:
    """All pages of staff. Templates come with the client's blueprint."""
    found = Blueprint(NAME, __name__)
    access.guard_staff(found, context)

    @found.before_request
    def check_token() -> ResponseReturnValue | None:
        error = forms.wrong_token() if request.method == "POST" else None
        return layout.refuse(context, error) if error else None

    for subject in SUBJECTS:
        subject.add_pages(found, context)
    return found
