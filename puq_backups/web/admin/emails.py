"""Staff's pages of the mails: which there are, their texts in each language, previews and tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, abort, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ... import letters, outbox, proofs, texts
from ...errors import BackupsError, BadInput
from ...hooking import Email
from ...i18n import N_, Translator
from ...locales import WHMCS_LANGUAGES
from ...models import EmailTemplate
from ...toolbox import Toolbox
from .. import forms
from . import frame

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox"
)
"""For a mail's HTML: its own styles and pictures, and nothing that acts."""


def add_pages(blueprint: Blueprint, toolbox: Toolbox) -> None:
    """Add the list, and for each mail its texts, preview, test and switch."""
    pages = Pages(toolbox)
    blueprint.add_url_rule("/emails", "emails", pages.all_mails)
    blueprint.add_url_rule("/emails/<slug>", "email", pages.text)
    blueprint.add_url_rule("/emails/<slug>/preview", "email_preview", pages.preview, methods=["GET", "POST"])
    for path, endpoint, post in (
        ("", "email_save", pages.save), ("/restore", "email_restore", pages.restore),
        ("/switch", "email_switch", pages.switch), ("/test", "email_test", pages.test),
    ):  # fmt: skip
        blueprint.add_url_rule(f"/emails/<slug>{path}", endpoint, post, methods=["POST"])


class Pages:
    """The pages with what they work with."""

    def __init__(self, toolbox: Toolbox) -> None:
        self.toolbox = toolbox

    def all_mails(self) -> ResponseReturnValue:
        with self.toolbox.database.open() as session:
            versions, counts = texts.versions(session), outbox.counts(session)
        mails = [
            {"email": email, "slug": texts.slug(email), **_standing(email, versions)}
            for email in self.toolbox.hooks.emails
        ]
        return frame.page(self.toolbox, "emails", "emails.html", mails=mails, counts=counts)

    def text(self, slug: str) -> ResponseReturnValue:
        return self._text(self._find(slug))

    def save(self, slug: str) -> ResponseReturnValue:
        email = self._find(slug)
        error = forms.tried(lambda: self._save(email))
        return self._text(email, error) if error else self._done(N_("The text is saved."), slug)

    def restore(self, slug: str) -> ResponseReturnValue:
        email = self._find(slug)
        error = forms.tried(lambda: texts.restore(self.toolbox, email, _locale(), g.puq_backups_actor))
        return self._text(email, error) if error else self._done(N_("The shipped text is back."), slug)

    def switch(self, slug: str) -> ResponseReturnValue:
        email, disabled = self._find(slug), request.form.get("disabled") == "1"
        error = forms.tried(lambda: texts.disable(self.toolbox, email, disabled, g.puq_backups_actor))
        said = N_("The mail is disabled: it is written no more.") if disabled else N_("The mail is enabled.")
        return self._text(email, error) if error else self._done(said, slug)

    def test(self, slug: str) -> ResponseReturnValue:
        email = self._find(slug)
        error = forms.tried(lambda: self._test(email))
        said = N_("The test is in the outbox and goes out with the next tick.")
        return self._text(email, error) if error else self._done(said, slug)

    def preview(self, slug: str) -> ResponseReturnValue:
        """The mail alone, for a frame: as it is saved, or (POST) as it stands in the form."""
        email, t = self._find(slug), frame.translator(self.toolbox)
        found: dict[str, Any] = {}
        error = forms.tried(lambda: found.update(letter=self._proof(email)))
        html = render_template(
            "puq_backups/admin/email_preview.html", letter=found.get("letter"), error=error and error.message, t=t,
            _=t.gettext,
        )  # fmt: skip
        headers = {"Content-Security-Policy": POLICY, "X-Frame-Options": "SAMEORIGIN", "Cache-Control": "no-store"}
        return Response(html, headers=headers)

    def _find(self, slug: str) -> Email:
        return texts.find(self.toolbox, slug) or abort(404)

    def _done(self, said: str, slug: str) -> ResponseReturnValue:
        return frame.done(said, "email", slug=slug, locale=_locale() or None)

    def _save(self, email: Email) -> None:
        new = self._draft(email, request.form)
        texts.save(self.toolbox, email, new, request.form.get("seen", ""), g.puq_backups_actor)

    def _test(self, email: Email) -> None:
        service_id, to = (request.form.get(name, "").strip() for name in ("service_id", "to"))
        proofs.send_test(self.toolbox, email, _locale(), service_id, to, g.puq_backups_actor)

    def _proof(self, email: Email) -> letters.Letter:
        if request.method == "POST":
            version = self._draft(email, request.form)
        else:
            version = self._version(email, _locale()) or self._draft(email, {})
        return proofs.preview(self.toolbox, email, version, request.values.get("service_id", "").strip())

    def _version(self, email: Email, locale: str) -> EmailTemplate | None:
        with self.toolbox.database.open() as session:
            return next((one for one in texts.versions(session, email.name) if one.locale == locale), None)

    def _draft(self, email: Email, parts: Mapping[str, str]) -> EmailTemplate:
        return texts.draft(email, _locale(), parts, self.toolbox.settings.lang_overrides)

    def _text(self, email: Email, error: BackupsError | None = None) -> ResponseReturnValue:
        try:
            locale = _locale()
        except BadInput as wrong:
            locale, error = texts.MASTER, error or wrong
        with self.toolbox.database.open() as session:
            versions = texts.versions(session, email.name)
        version = next((one for one in versions if one.locale == locale), None)
        shipped = letters.outline(email.folder, locale, self.toolbox.settings.lang_overrides)
        parts = {part: (getattr(version, part) if version else "") or text for part, text in shipped.items()}
        typed = {part: request.form[part] for part in parts if part in request.form}
        form = {"to": self.toolbox.settings.staff_email, **request.form.to_dict(), **parts, **typed}
        return frame.page(
            self.toolbox, "emails", "email.html", error=error, form=form, email=email, slug=texts.slug(email),
            locale=locale, languages=_languages(versions, locale), version=version,
            is_changed=texts.is_changed(version), seen=_seen(version, error), shipped=shipped, labels=letters.LABELS,
            disabled=any(one.disabled for one in versions), fields=texts.fields(email),
            of_hooks=texts.of_hooks(self.toolbox, email), names=_names(frame.translator(self.toolbox)),
            preview=url_for(".email_preview", slug=texts.slug(email), locale=locale or None),
        )  # fmt: skip


def _locale() -> str:
    return texts.language(request.values.get("locale", "")[:40])


def _seen(version: EmailTemplate | None, error: BackupsError | None) -> str:
    """The version that the form is about: after a mistake the one that was changed, even if there is a newer one."""
    before = request.form.get("seen") if isinstance(error, BadInput) else None
    return texts.mark(version) if before is None else before


def _standing(email: Email, versions: Any) -> dict[str, Any]:
    ours = [one for one in versions if one.name == email.name]
    changed = [one.locale for one in ours if texts.is_changed(one)]
    return {"locales": changed, "disabled": any(one.disabled for one in ours)}


def _languages(versions: Any, locale: str) -> list[str]:
    """The languages that have a text of their own, and the one that is shown; the master first."""
    return sorted({texts.MASTER, locale, *(one.locale for one in versions if texts.is_changed(one))})


def _names(t: Translator) -> dict[str, str]:
    """The languages that clients may have, by their names in staff's language."""
    return {tag: t.language(tag) for tag in sorted(set(WHMCS_LANGUAGES.values()))}
