"""Staff views of the mail templates: list, editor for each language, preview and test mail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, abort, g, request, url_for
from flask.typing import ResponseReturnValue

from ...context import Context
from ...errors import BackupsError, BadInput
from ...hook_registry.decorators import Email
from ...i18n.locales import WHMCS_LANGUAGES
from ...i18n.translator import N_, Translator
from ...mail import outbox, template_editing, template_source, templates
from ...mail import preview as mail_preview
from ...models import EmailTemplate
from ...models.conflicts import repeated
from .. import forms, page_frame
from . import layout

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox"
)
"""Content-Security-Policy of a previewed mail: inline styles and images, no scripts, no forms."""


def add_pages(blueprint: Blueprint, context: Context) -> None:
    """Add the routes of the list, and of each mail's editor, preview, test mail and on/off switch."""
    pages = Pages(context)
    blueprint.add_url_rule("/emails", "emails", pages.all_mails)
    blueprint.add_url_rule("/emails/<slug>", "email", pages.text)
    blueprint.add_url_rule("/emails/<slug>/preview", "email_preview", pages.preview, methods=["GET", "POST"])
    for path, endpoint, post in (
        ("", "email_save", pages.save), ("/restore", "email_restore", pages.restore),
        ("/switch", "email_switch", pages.switch), ("/test", "email_test", pages.test),
    ):  # fmt: skip
        blueprint.add_url_rule(f"/emails/<slug>{path}", endpoint, post, methods=["POST"])


class Pages:
    """The views, bound to a context."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def all_mails(self) -> ResponseReturnValue:
        """Return the list of all mails, and how many wait or have failed."""
        with self.context.database.open() as session:
            versions, counts = template_editing.versions(session), outbox.counts(session)
        mails = [
            {"email": email, "slug": template_editing.slug(email), **_standing(email, versions)}
            for email in self.context.hooks.emails
        ]
        return layout.page(self.context, "emails", "emails.html", mails=mails, counts=counts)

    def text(self, slug: str) -> ResponseReturnValue:
        """Return the page of one mail with its template."""
        return self._text(self._find(slug))

    def save(self, slug: str) -> ResponseReturnValue:
        """Save the template in the form."""
        email = self._find(slug)
        error = forms.catch_error(repeated(lambda: self._save(email)))
        return self._text(email, error) if error else self._done(N_("The text is saved."), slug)

    def restore(self, slug: str) -> ResponseReturnValue:
        """Delete staff's template, so that the shipped one is used."""
        email = self._find(slug)
        error = forms.catch_error(
            repeated(lambda: template_editing.restore(self.context, email, _locale(), g.puq_backups_actor))
        )
        return self._text(email, error) if error else self._done(N_("The shipped text is back."), slug)

    def switch(self, slug: str) -> ResponseReturnValue:
        """Disable or enable the mail."""
        email, disabled = self._find(slug), request.form.get("disabled") == "1"
        error = forms.catch_error(
            repeated(lambda: template_editing.disable(self.context, email, disabled, g.puq_backups_actor))
        )
        said = N_("The mail is disabled: it is written no more.") if disabled else N_("The mail is enabled.")
        return self._text(email, error) if error else self._done(said, slug)

    def test(self, slug: str) -> ResponseReturnValue:
        """Put a test mail into the outbox."""
        email = self._find(slug)
        error = forms.catch_error(repeated(lambda: self._test(email)))
        said = N_("The test is in the outbox and goes out with the next tick.")
        return self._text(email, error) if error else self._done(said, slug)

    def preview(self, slug: str) -> ResponseReturnValue:
        """Return only the mail, for an iframe: the saved template, or with POST the one in the form."""
        email, t = self._find(slug), layout.translator(self.context)
        found: dict[str, Any] = {}
        error = forms.catch_error(lambda: found.update(letter=self._proof(email)))
        values = {"letter": found.get("letter"), "error": error and error.message}
        html = page_frame.render("puq_backups/admin/email_preview.html", values, t)
        headers = {"Content-Security-Policy": POLICY, "X-Frame-Options": "SAMEORIGIN", "Cache-Control": "no-store"}
        return Response(html, headers=headers)

    def _find(self, slug: str) -> Email:
        return template_editing.find(self.context, slug) or abort(404)

    def _done(self, said: str, slug: str) -> ResponseReturnValue:
        return layout.redirect_to(said, "email", slug=slug, locale=_locale() or None)

    def _save(self, email: Email) -> None:
        new = self._draft(email, request.form)
        template_editing.save(self.context, email, new, request.form.get("seen", ""), g.puq_backups_actor)

    def _test(self, email: Email) -> None:
        self.context.limiter.check("test_mail", "", g.puq_backups_actor.label)
        service_id, to = (request.form.get(name, "").strip() for name in ("service_id", "to"))
        mail_preview.send_test(self.context, email, _locale(), service_id, to, g.puq_backups_actor)

    def _proof(self, email: Email) -> templates.RenderedEmail:
        if request.method == "POST":
            version = self._draft(email, request.form)
        else:
            version = self._version(email, _locale()) or self._draft(email, {})
        return mail_preview.preview(self.context, email, version, request.values.get("service_id", "").strip())

    def _version(self, email: Email, locale: str) -> EmailTemplate | None:
        with self.context.database.open() as session:
            return next((one for one in template_editing.versions(session, email.name) if one.locale == locale), None)

    def _draft(self, email: Email, parts: Mapping[str, str]) -> EmailTemplate:
        return template_editing.draft(email, _locale(), parts, self.context.settings.lang_overrides)

    def _text(self, email: Email, error: BackupsError | None = None) -> ResponseReturnValue:
        try:
            locale = _locale()
        except BadInput as wrong:
            locale, error = template_editing.MASTER_LOCALE, error or wrong
        with self.context.database.open() as session:
            versions = template_editing.versions(session, email.name)
        version = next((one for one in versions if one.locale == locale), None)
        shipped = template_source.shipped_source(email.folder, locale, self.context.settings.lang_overrides)
        parts = {part: (getattr(version, part) if version else "") or text for part, text in shipped.items()}
        typed = {part: request.form[part] for part in parts if part in request.form}
        form = {"to": self.context.settings.staff_email, **request.form.to_dict(), **parts, **typed}
        return layout.page(
            self.context, "emails", "email.html", error=error, form=form, email=email,
            slug=template_editing.slug(email), locale=locale, languages=_languages(versions, locale), version=version,
            is_changed=template_editing.is_changed(version), seen=_seen(version, error), shipped=shipped,
            labels=templates.LABELS,
            disabled=any(one.disabled for one in versions), fields=template_editing.fields(email),
            of_hooks=template_editing.hook_fields(self.context, email), names=_names(layout.translator(self.context)),
            preview=url_for(".email_preview", slug=template_editing.slug(email), locale=locale or None),
        )  # fmt: skip


def _locale() -> str:
    return template_editing.language(request.values.get("locale", "")[:40])


def _seen(version: EmailTemplate | None, error: BackupsError | None) -> str:
    """Return the mark of the version being edited; after BadInput the submitted one, even if a newer exists."""
    before = request.form.get("seen") if isinstance(error, BadInput) else None
    return template_editing.version_id(version) if before is None else before


def _standing(email: Email, versions: Any) -> dict[str, Any]:
    ours = [one for one in versions if one.name == email.name]
    changed = [one.locale for one in ours if template_editing.is_changed(one)]
    return {"locales": changed, "disabled": any(one.disabled for one in ours)}


def _languages(versions: Any, locale: str) -> list[str]:
    """Return the locales with a staff template, and the one shown; the master comes first."""
    return sorted(
        {
            template_editing.MASTER_LOCALE,
            locale,
            *(one.locale for one in versions if template_editing.is_changed(one)),
        }
    )


def _names(t: Translator) -> dict[str, str]:
    """Return the possible client locales with their names in the staff member's language."""
    return {tag: t.language(tag) for tag in sorted(set(WHMCS_LANGUAGES.values()))}
