"""Common parts of the staff pages: navigation, translator, CSRF token, messages and errors."""

from __future__ import annotations

from typing import Any

from flask import Response, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from ...context import Context
from ...errors import BackupsError, BadInput
from ...i18n.translator import N_, Translator
from ...staff import paging
from .. import forms, page_frame

NAVIGATION: tuple[tuple[str, str], ...] = (
    ("overview", N_("Overview")),
    ("services", N_("Services")),
    ("servers", N_("Servers")),
    ("activity", N_("Activity")),
    ("emails", N_("E-mails")),
)
"""Endpoint of the first page of each section, and its label."""


def translator(context: Context) -> Translator:
    """Return a translator with the locale and time zone of the signed-in staff member."""
    actor = g.puq_backups_actor
    return context.translator(actor.locale, actor.timezone or context.settings.timezone)


def page(
    context: Context, section: str, template: str, *, error: BackupsError | None = None,
    form: dict[str, str] | None = None, **facts: Any,
) -> ResponseReturnValue:  # fmt: skip
    """Render a template of `puq_backups/admin/` in the navigation section `section` (an endpoint of NAVIGATION).

    With `error` the response has its HTTP status and shows its text; `form` holds the submitted fields.
    """
    t = translator(context)
    wrong = error if isinstance(error, BadInput) and error.field != "csrf_token" else None
    files = [url_for("puq_backups_static.static", filename=f"{name}.css") for name in ("backups", "admin")]
    values = {
        **facts, "csrf_token": forms.csrf_token(), "section": section, "navigation": _navigation(),
        "actor": g.puq_backups_actor, "form": form or {}, "message": forms.take_message(),
        "errors": {wrong.field: wrong.message} if wrong else {},
        "refusal": error.message if error and not wrong else None,
        "stylesheets": files,
    }  # fmt: skip
    html = page_frame.render(f"puq_backups/admin/{template}", values, t)
    return Response(html, status=error.status if error else 200, headers=forms.retry_after(error))


def cursor() -> paging.Cursor:
    """Return the list cursor from the query (`before`, `after`)."""
    return paging.Cursor(request.args.get("before", ""), request.args.get("after", ""))


def _navigation() -> list[dict[str, str]]:
    return [{"endpoint": endpoint, "label": label, "url": url_for(f".{endpoint}")} for endpoint, label in NAVIGATION]


def error_page(context: Context, error: BackupsError) -> ResponseReturnValue:
    """Return a page with the error and the submitted fields: an expired token must not lose a long text."""
    return page(context, "", "error.html", error=error, form=request.form.to_dict())


def redirect_to(said: str, endpoint: str, **ids: Any) -> ResponseReturnValue:
    """Redirect (303) to a staff page that shows the message `said`."""
    forms.set_message(said)
    return redirect(url_for(f".{endpoint}", **ids), 303)
