"""Selects the template of a mail (staff's translation, staff's master, shipped file) and renders it.

A template of staff that fails does not hold up the mail: the shipped template is rendered instead, and the result
says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..errors import BadInput, Message
from ..i18n import locales
from ..i18n.translator import N_, Translator
from ..models import EmailTemplate
from . import sandbox
from .sandbox import BadTemplate

FOLDER = "puq_backups/emails"
FILES = {"subject": "subject.txt", "text": "body.txt", "html": "body.html"}
LABELS = {"subject": N_("Subject"), "text": N_("Plain text"), "html": N_("HTML")}
MAX_SUBJECT_LENGTH = 200


@dataclass(frozen=True)
class RenderedEmail:
    """Subject and bodies of a mail. `template_error` says why staff's template failed, else it is ""."""

    subject: str
    text: str
    html: str
    template_error: str = ""


def is_disabled(session: Session, name: str) -> bool:
    """Return whether staff have disabled the mail `name`."""
    disabled = select(EmailTemplate.disabled).where(EmailTemplate.name == name, EmailTemplate.locale == "")
    return bool(session.scalar(disabled))


def select_template(session: Session, name: str, locale: str) -> EmailTemplate | None:
    """Return staff's template of the mail `name`: for "de-AT" that of de-AT, else de, else the master, else None."""
    wanted = [*_locale_chain(locale), ""]
    rows = session.scalars(
        select(EmailTemplate).where(EmailTemplate.name == name, EmailTemplate.locale.in_(wanted))
    ).all()
    changed = [row for row in rows if row.subject or row.text or row.html]
    return min(changed, key=lambda row: wanted.index(row.locale), default=None)


def _locale_chain(locale: str) -> list[str]:
    parts = locale.split("-")
    return ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]


def render(
    folder: str, template: EmailTemplate | None, fields: Mapping[str, Any], translator: Translator
) -> RenderedEmail:
    """Render staff's `template`, or the shipped one of `folder` if it is None or fails.

    `fields` are localized merge fields.
    """
    if template is None:
        return render_shipped(folder, fields, translator)
    try:
        return render_custom(folder, template, fields, translator)
    except BadInput as error:
        return replace(render_shipped(folder, fields, translator), template_error=str(error))


def render_shipped(folder: str, fields: Mapping[str, Any], translator: Translator) -> RenderedEmail:
    """Render the shipped template of `folder` in the translator's language."""
    return _email({part: _shipped_part(folder, part, fields, translator) for part in FILES})


def render_custom(
    folder: str, template: EmailTemplate, fields: Mapping[str, Any], translator: Translator
) -> RenderedEmail:
    """Render staff's template; empty parts come from the shipped one. Raises BadInput naming the part that fails."""
    parts = {}
    for part in FILES:
        source = getattr(template, part)
        parts[part] = (
            _custom_part(part, source, fields) if source else _shipped_part(folder, part, fields, translator)
        )
    if template.html and "<html" not in parts["html"].lower():
        parts["html"] = _framed(one_line(parts["subject"]), parts["html"], fields, template.locale)
    return _email(parts)


def _custom_part(part: str, source: str, fields: Mapping[str, Any]) -> str:
    try:
        text = sandbox.render(source, fields, html=part == "html")
    except BadTemplate as error:
        raise part_error(part, error.message) from error
    if not text.strip():
        raise part_error(part, Message("It comes out empty."))
    return text


def part_error(part: str, problem: Message) -> BadInput:
    """Return the error for a part of a template; its `field` is the part's form field."""
    return BadInput(part, "{part}: {problem}", part=Message(LABELS[part]), problem=problem)


def _email(parts: dict[str, str]) -> RenderedEmail:
    return RenderedEmail(one_line(parts["subject"])[:MAX_SUBJECT_LENGTH], parts["text"], parts["html"])


def one_line(text: str) -> str:
    """Return `text` as a header value: on one line, without the "=?" of an encoded word."""
    return " ".join(text.replace("=?", "= ?").split())


def _framed(subject: str, html: str, fields: Mapping[str, Any], locale: str) -> str:
    """Wrap staff's HTML in the shipped frame. A master has no locale: its direction is detected (`dir="auto"`)."""
    language = {"lang": locale, "dir": locales.direction(locale)} if locale else {"lang": "en", "dir": "auto"}
    frame = _environment().get_template(f"{FOLDER}/_frame.html")
    return frame.render({**fields, **_no_tags(), "t": language, "subject": subject, "body": Markup(html)})  # noqa: S704 - escaped by the sandbox


def _shipped_part(folder: str, part: str, fields: Mapping[str, Any], translator: Translator) -> str:
    return shipped_template(folder, part).render({**fields, **_no_tags(), **translation_names(translator)})


def shipped_template(folder: str, part: str) -> Template:
    """Return the shipped Jinja template of a part: "subject", "text" or "html"."""
    return _environment().get_template(f"{FOLDER}/{folder}/{FILES[part]}")


def translation_names(translator: Translator) -> dict[str, Any]:
    """Return the names by which shipped templates reach the translator."""
    return {"_": translator.gettext, "ngettext": translator.ngettext, "t": translator}


def _no_tags() -> dict[str, Any]:
    """Return the functions that shipped templates call for tags. They print tags only in template_source."""
    return {"outline": False, "when": lambda _: "", "each": lambda _: "", "end": lambda *_: ""}


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(str(files("puq_backups.templates"))),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
    )
