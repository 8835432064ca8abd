"""Editing of mail templates by staff: save a version, restore the shipped one, disable a mail."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import BadInput, Refused
from ..hook_registry.decorators import Email
from ..host import Actor
from ..i18n import locales
from ..i18n.translator import Translator
from ..models import EmailTemplate, now
from ..models.audit_log import audit
from . import merge_fields, sandbox, template_source, templates
from .sandbox import BadTemplate
from .templates import FILES

MASTER_LOCALE = ""


def slug(email: Email) -> str:
    """Return the mail's name as it appears in URLs."""
    return "-".join(re.findall(r"\w+", email.name.lower()))


def find(context: Context, name: str) -> Email | None:
    """Return the mail with this slug, or None."""
    return next((email for email in context.hooks.emails if slug(email) == name), None)


def language(text: str) -> str:
    """Return the language tag for what staff typed; "" is the master. Raises BadInput for an unknown language."""
    if not text.strip():
        return MASTER_LOCALE
    found = locales.tag(text.strip())
    if found == "en" and text.strip().lower() not in {"en", "english"}:
        raise BadInput("locale", "There is no language {name}. Name it as in de or pt-BR.", name=text.strip()[:40])
    return found


def versions(session: Session, name: str | None = None) -> Sequence[EmailTemplate]:
    """Return staff's versions of a mail, or of all mails, the master first."""
    rows = select(EmailTemplate).order_by(EmailTemplate.name, EmailTemplate.locale)
    return session.scalars(rows.where(EmailTemplate.name == name) if name else rows).all()


def is_changed(version: EmailTemplate | None) -> bool:
    """Return whether the version has text of its own; a master row may exist only to disable the mail."""
    return bool(version and (version.subject or version.text or version.html))


def draft(email: Email, locale: str, parts: Mapping[str, str], overrides: str = "") -> EmailTemplate:
    """Return a version from form fields. A part equal to the shipped one becomes empty, so it follows updates."""
    shipped = template_source.shipped_source(email.folder, locale, overrides)
    typed = {part: "\n".join(str(parts.get(part) or "").splitlines()).strip() for part in FILES}
    kept = {part: text if text != shipped[part] else "" for part, text in typed.items()}
    return EmailTemplate(name=email.name, locale=locale, **kept)


def save(context: Context, email: Email, new: EmailTemplate, seen: str, actor: Actor) -> None:
    """Check and save a version of a mail template.

    `seen` is the `version_id` that the form was filled from. Raises BadInput naming the part that fails and its
    line, and Refused if somebody else has saved another version since.
    """
    _check(context, email, new)
    try:
        with context.database.begin() as session:
            row = _row(session, email.name, new.locale)
            if version_id(row) != seen:
                raise Refused(
                    "{who} has changed this text meanwhile. Yours is still in the form; saving it again replaces "
                    "theirs.", who=row.changed_by if row else "Somebody",
                )  # fmt: skip
            row = row or _new(session, email.name, new.locale)
            row.subject, row.text, row.html = new.subject, new.text, new.html
            _record_change(session, row, actor, "changed")
    except IntegrityError:
        raise Refused("Somebody else saved this text in the same moment. Save again.") from None


def version_id(version: EmailTemplate | None) -> str:
    """Return a value that changes with each save of the version."""
    return version.changed_at.isoformat() if version else ""


def _check(context: Context, email: Email, new: EmailTemplate) -> None:
    known = {**merge_fields.samples(email.own), **hook_fields(context, email)}
    said = merge_fields.localize(known, Translator("en"))
    for part in FILES:
        try:
            sandbox.check(getattr(new, part), {name: said[name] for name in known}, html=part == "html")
        except BadTemplate as error:
            raise templates.part_error(part, error.message) from error


def restore(context: Context, email: Email, locale: str, actor: Actor) -> None:
    """Delete staff's version, so that the shipped template is used."""
    with context.database.begin() as session:
        row = _row(session, email.name, locale)
        if row is not None:
            row.subject = row.text = row.html = ""
            _record_change(session, row, actor, "restored")
            if not row.disabled:
                session.delete(row)


def disable(context: Context, email: Email, disabled: bool, actor: Actor) -> None:
    """Disable the mail (it is not written at all), or enable it again."""
    with context.database.begin() as session:
        row = _row(session, email.name, MASTER_LOCALE) or _new(session, email.name, MASTER_LOCALE)
        row.disabled = disabled
        _record_change(session, row, actor, "disabled" if disabled else "enabled")
        if not disabled and not is_changed(row):
            session.delete(row)


def _row(session: Session, name: str, locale: str) -> EmailTemplate | None:
    return session.scalars(
        select(EmailTemplate).where(EmailTemplate.name == name, EmailTemplate.locale == locale)
    ).first()


def _new(session: Session, name: str, locale: str) -> EmailTemplate:
    row = EmailTemplate(name=name, locale=locale, subject="", text="", html="", disabled=False, changed_at=now())
    session.add(row)
    return row


def _record_change(session: Session, row: EmailTemplate, actor: Actor, done: str) -> None:
    row.changed_at, row.changed_by = now(), actor.label[:190]
    session.flush()
    said = f"the mail {row.name} ({row.locale or 'master'}) was {done}"
    audit(session, None, None, "email", said, actor=actor.label)


def fields(email: Email) -> list[merge_fields.MergeField]:
    """Return the merge fields of the mail: specific, common and host fields."""
    own = [merge_fields.FIELDS[name] for name in email.own if name in merge_fields.FIELDS]
    unknown = [merge_fields.MergeField(name, name, "") for name in email.own if name not in merge_fields.FIELDS]
    return [*own, *unknown, *merge_fields.COMMON_FIELDS, *merge_fields.HOST_FIELDS]


def hook_fields(context: Context, email: Email) -> dict[str, str]:
    """Return further merge fields and labels from hooks at `EmailTplMergeFields`; a label is the sample value."""
    found: dict[str, str] = {}
    for answer in context.hooks.run_for_dicts(
        "EmailTplMergeFields", type="product" if email.to == "client" else "admin"
    ):
        found |= {str(name): str(merge_fields.to_plain(label)) for name, label in answer.items()}
    return found
