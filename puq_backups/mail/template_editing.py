"""What staff does with the texts of mails: change them, disable a mail, and go back to the shipped ones."""

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
from . import merge_fields, sandbox, templates
from .sandbox import BadTemplate
from .templates import FILES

MASTER = ""


def slug(email: Email) -> str:
    """The mail's name as it stands in an address."""
    return "-".join(re.findall(r"\w+", email.name.lower()))


def find(context: Context, name: str) -> Email | None:
    """The mail of this slug."""
    return next((email for email in context.hooks.emails if slug(email) == name), None)


def language(text: str) -> str:
    """A language as staff types it, as a tag; "" is the master. BadInput where nobody knows it."""
    if not text.strip():
        return MASTER
    found = locales.tag(text.strip())
    if found == "en" and text.strip().lower() not in {"en", "english"}:
        raise BadInput("locale", "There is no language {name}. Name it as in de or pt-BR.", name=text.strip()[:40])
    return found


def versions(session: Session, name: str | None = None) -> Sequence[EmailTemplate]:
    """Staff's texts of a mail, or of all, the master first."""
    rows = select(EmailTemplate).order_by(EmailTemplate.name, EmailTemplate.locale)
    return session.scalars(rows.where(EmailTemplate.name == name) if name else rows).all()


def is_changed(version: EmailTemplate | None) -> bool:
    """Whether the version has a text of its own; a master may merely be disabled."""
    return bool(version and (version.subject or version.text or version.html))


def draft(email: Email, locale: str, parts: Mapping[str, str], overrides: str = "") -> EmailTemplate:
    """A version as it was typed: a part that says what the shipped one says stays the shipped one."""
    shipped = templates.outline(email.folder, locale, overrides)
    typed = {part: "\n".join(str(parts.get(part) or "").splitlines()).strip() for part in FILES}
    kept = {part: text if text != shipped[part] else "" for part, text in typed.items()}
    return EmailTemplate(name=email.name, locale=locale, **kept)


def save(context: Context, email: Email, new: EmailTemplate, seen: str, actor: Actor) -> None:
    """Put a version into use. BadInput names the part that fails, with its line.

    `seen` is `mark` of the version that was changed. Refused where somebody else has saved another one meanwhile.
    """
    _check(context, email, new)
    try:
        with context.database.begin() as session:
            row = _row(session, email.name, new.locale)
            if mark(row) != seen:
                raise Refused(
                    "{who} has changed this text meanwhile. Yours is still in the form; saving it again replaces "
                    "theirs.", who=row.changed_by if row else "Somebody",
                )  # fmt: skip
            row = row or _new(session, email.name, new.locale)
            row.subject, row.text, row.html = new.subject, new.text, new.html
            _sign(session, row, actor, "changed")
    except IntegrityError:
        raise Refused("Somebody else saved this text in the same moment. Save again.") from None


def mark(version: EmailTemplate | None) -> str:
    """What tells a version from the one before it."""
    return version.changed_at.isoformat() if version else ""


def _check(context: Context, email: Email, new: EmailTemplate) -> None:
    known = {**merge_fields.samples(email.own), **of_hooks(context, email)}
    said = merge_fields.read(known, Translator("en"))
    for part in FILES:
        try:
            sandbox.check(getattr(new, part), {name: said[name] for name in known}, html=part == "html")
        except BadTemplate as error:
            raise templates.bad_part(part, error.message) from error


def restore(context: Context, email: Email, locale: str, actor: Actor) -> None:
    """Go back to the shipped text."""
    with context.database.begin() as session:
        row = _row(session, email.name, locale)
        if row is not None:
            row.subject = row.text = row.html = ""
            _sign(session, row, actor, "restored")
            if not row.disabled:
                session.delete(row)


def disable(context: Context, email: Email, disabled: bool, actor: Actor) -> None:
    """Have the mail written no more, or again."""
    with context.database.begin() as session:
        row = _row(session, email.name, MASTER) or _new(session, email.name, MASTER)
        row.disabled = disabled
        _sign(session, row, actor, "disabled" if disabled else "enabled")
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


def _sign(session: Session, row: EmailTemplate, actor: Actor, done: str) -> None:
    row.changed_at, row.changed_by = now(), actor.label[:190]
    session.flush()
    said = f"the mail {row.name} ({row.locale or 'master'}) was {done}"
    audit(session, None, None, "email", said, actor=actor.label)


def fields(email: Email) -> list[merge_fields.MergeField]:
    """The merge fields that the mail has."""
    own = [merge_fields.FIELDS[name] for name in email.own if name in merge_fields.FIELDS]
    unknown = [merge_fields.MergeField(name, name, "") for name in email.own if name not in merge_fields.FIELDS]
    return [*own, *unknown, *merge_fields.COMMON, *merge_fields.OF_THE_HOST]


def of_hooks(context: Context, email: Email) -> dict[str, str]:
    """Further merge fields and their labels, as hooks list them; the labels stand for their values."""
    found: dict[str, str] = {}
    for answer in context.hooks.run_for_dicts(
        "EmailTplMergeFields", type="product" if email.to == "client" else "admin"
    ):
        found |= {str(name): str(merge_fields.plain(label)) for name, label in answer.items()}
    return found
