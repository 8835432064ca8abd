"""Headers that protect our pages in a browser, and the check that a form comes from our own site."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Response, current_app, request

from ..context import Context

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
"""Content-Security-Policy of pages in our own base template. A host's base template may need more than this."""

HEADERS = {
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
FOREIGN_SITES = frozenset({"cross-site", "same-site"})
"""Values of Sec-Fetch-Site of a form that another site sent; `same-site` is another host name of the domain."""


def add_headers(blueprint: Blueprint, context: Context, base_template: str) -> None:
    """Add HEADERS to each answer that lacks them, and the Content-Security-Policy to each page.

    The policy is `PUQ_BACKUPS_CSP`; without it POLICY, unless the host replaced `base_template`.
    """

    @blueprint.after_request
    def protect(answer: Response) -> Response:
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)
        policy = context.settings.csp or (POLICY if _is_ours(base_template) else "")
        if policy and answer.mimetype == "text/html":
            answer.headers.setdefault("Content-Security-Policy", policy)
        return answer


def _is_ours(template: str) -> bool:
    """Return whether the host leaves this template to us."""
    found = current_app.jinja_env.get_template(template).filename
    return found is not None and Path(found).is_relative_to(str(files("puq_backups.templates")))


def comes_from_elsewhere() -> bool:
    """Return whether the browser says that another site sent this request."""
    return request.headers.get("Sec-Fetch-Site") in FOREIGN_SITES
