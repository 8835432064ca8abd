"""The frame around each staff page: navigation, language, token, and what came of the last form."""

from __future__ import annotations

from typing import Any

from flask import Response, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ...context import Context
from ...errors import BackupsError, BadInput
from ...i18n.translator import N_, Translator
from ...staff import paging
from .. import forms

NAVIGATION: tuple[tuple[str, str], ...] = (
    ("overview", N_("Overview")),
    ("services", N_("Services")),
    ("servers", N_("Servers")),
    ("activity", N_("Activity")),
    ("emails", N_("E-mails")),
)
"""The endpoint of each section's first page, and its label."""


def translator(context: Context) -> Translator:
    """The language and zone of the staff member who asks."""
    actor = g.puq_backups_actor
    return context.translator(actor.locale, actor.timezone or context.settings.timezone)


def page(
    context: Context, here: str, template: str, *, error: BackupsError | None = None,
    form: dict[str, str] | None = None, **facts: Any,
) -> ResponseReturnValue:  # fmt: skip
    """A page of the section `here` (an endpoint of NAVIGATION) from a template of `puq_backups/admin/`.

    With `error` it has the error's status and shows its reason; `form` is what was typed.
    """
    t = translator(context)
    wrong = error if isinstance(error, BadInput) and error.field != "csrf_token" else None
    html = render_template(
        f"puq_backups/admin/{template}", **facts, _=t.gettext, ngettext=t.ngettext, t=t, csrf_token=forms.token(),
        here=here, navigation=_navigation(), actor=g.puq_backups_actor, form=form or {}, message=forms.said(),
        errors={wrong.field: wrong.message} if wrong else {}, refusal=error.message if error and not wrong else None,
        stylesheets=[url_for("puq_backups_static.static", filename=f"{name}.css") for name in ("backups", "admin")],
    )  # fmt: skip
    return Response(html, status=error.status if error else 200, headers={"Cache-Control": "no-store"})


def place() -> paging.Place:
    """Where in a list the asked page begins."""
    return paging.Place(request.args.get("before", ""), request.args.get("after", ""))


def _navigation() -> list[dict[str, str]]:
    return [{"endpoint": endpoint, "label": label, "url": url_for(f".{endpoint}")} for endpoint, label in NAVIGATION]


def refuse(context: Context, error: BackupsError) -> ResponseReturnValue:
    """A page that says why it was not done, and what was typed: a token may expire over a long text."""
    return page(context, "", "error.html", error=error, form=request.form.to_dict())


def done(said: str, endpoint: str, **ids: Any) -> ResponseReturnValue:
    """Back to a page (303), which says that it was done."""
    forms.say(said)
    return redirect(url_for(f".{endpoint}", **ids), 303)
