"""Which text counts for a mail, and the mail in that text: staff's version of the language, their master, the file.

What staff wrote never keeps a mail from going out: where it fails the shipped text goes, and the letter says why.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Self

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..errors import BadInput, Message
from ..i18n import locales
from ..i18n.translator import N_, Translator
from ..models import EmailTemplate
from . import sandbox
from .merge_fields import FIELDS
from .sandbox import BadTemplate

FOLDER = "puq_backups/emails"
FILES = {"subject": "subject.txt", "text": "body.txt", "html": "body.html"}
LABELS = {"subject": N_("Subject"), "text": N_("Plain text"), "html": N_("HTML")}
LONGEST_SUBJECT = 200


@dataclass(frozen=True)
class Letter:
    """A mail as it reads. `trouble` says why staff's own text was not used, "" where it was or there is none."""

    subject: str
    text: str
    html: str
    trouble: str = ""


class Hole(str):
    """A merge field as staff writes it, in place of its value: a shipped text becomes one that staff can change."""

    __slots__ = ("name",)
    name: str

    def __new__(cls, name: str) -> Self:
        hole = super().__new__(cls, f"{{{{ {name} }}}}")
        hole.name = name
        return hole

    def __getattr__(self, name: str) -> Hole:
        if name.startswith("_"):
            raise AttributeError(name)
        return Hole(f"{self.name}.{name}")


class Holes(list[Hole]):
    """The same for a list: one hole for each of its values."""

    def __init__(self, name: str) -> None:
        super().__init__([Hole(name.rstrip("s") if FIELDS[name].kind == "sentences" else "one")])
        self.name = name


def masters(session: Session) -> dict[str, EmailTemplate]:
    """Staff's master texts by the mail's name."""
    return {row.name: row for row in session.scalars(select(EmailTemplate).where(EmailTemplate.locale == ""))}


def is_disabled(session: Session, name: str) -> bool:
    """Whether staff wants this mail not to be written."""
    disabled = select(EmailTemplate.disabled).where(EmailTemplate.name == name, EmailTemplate.locale == "")
    return bool(session.scalar(disabled))


def chosen(session: Session, name: str, locale: str) -> EmailTemplate | None:
    """Staff's text for a reader of `locale`: "de-AT" reads that of de-AT, else de, else the master; None: shipped."""
    wanted = [*_languages(locale), ""]
    rows = session.scalars(
        select(EmailTemplate).where(EmailTemplate.name == name, EmailTemplate.locale.in_(wanted))
    ).all()
    told = [row for row in rows if row.subject or row.text or row.html]
    return min(told, key=lambda row: wanted.index(row.locale), default=None)


def _languages(locale: str) -> list[str]:
    parts = locale.split("-")
    return ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]


def write(folder: str, template: EmailTemplate | None, fields: Mapping[str, Any], translator: Translator) -> Letter:
    """The mail of `folder` in staff's text, else in the shipped one; `fields` are read already."""
    if template is None:
        return shipped(folder, fields, translator)
    try:
        return own(folder, template, fields, translator)
    except BadInput as error:
        letter = shipped(folder, fields, translator)
        return Letter(letter.subject, letter.text, letter.html, trouble=str(error))


def shipped(folder: str, fields: Mapping[str, Any], translator: Translator) -> Letter:
    """The mail as we bring it along, in the reader's language."""
    return _letter({part: _shipped(folder, part, fields, translator) for part in FILES})


def own(folder: str, template: EmailTemplate, fields: Mapping[str, Any], translator: Translator) -> Letter:
    """The mail in staff's text; an empty part is the shipped one. BadInput names the part that fails."""
    parts = {}
    for part in FILES:
        source = getattr(template, part)
        parts[part] = _own(part, source, fields) if source else _shipped(folder, part, fields, translator)
    if template.html and "<html" not in parts["html"].lower():
        parts["html"] = _framed(one_line(parts["subject"]), parts["html"], fields, template.locale)
    return _letter(parts)


def _own(part: str, source: str, fields: Mapping[str, Any]) -> str:
    try:
        said = sandbox.render(source, fields, html=part == "html")
    except BadTemplate as error:
        raise bad_part(part, error.message) from error
    if not said.strip():
        raise bad_part(part, Message("It comes out empty."))
    return said


def bad_part(part: str, problem: Message) -> BadInput:
    """What is wrong with a part of a text, under the name of its field."""
    return BadInput(part, "{part}: {problem}", part=Message(LABELS[part]), problem=problem)


def _letter(parts: dict[str, str]) -> Letter:
    return Letter(one_line(parts["subject"])[:LONGEST_SUBJECT], parts["text"], parts["html"])


def one_line(text: str) -> str:
    """A text that can stand in a header: in one line, and without anything a mail program would decode."""
    return " ".join(text.replace("=?", "= ?").split())


def _framed(subject: str, html: str, fields: Mapping[str, Any], locale: str) -> str:
    """Staff's HTML inside the shipped frame, written the way of its language; a master's is seen by its words."""
    reader = {"lang": locale, "dir": locales.direction(locale)} if locale else {"lang": "en", "dir": "auto"}
    frame = _environment().get_template(f"{FOLDER}/_frame.html")
    return frame.render({**fields, **_plainly(), "t": reader, "subject": subject, "body": Markup(html)})  # noqa: S704 - escaped by the sandbox


def _shipped(folder: str, part: str, fields: Mapping[str, Any], translator: Translator) -> str:
    template = _environment().get_template(f"{FOLDER}/{folder}/{FILES[part]}")
    names = {"_": translator.gettext, "ngettext": translator.ngettext, "t": translator}
    return template.render({**fields, **_plainly(), **names})


def _plainly() -> dict[str, Any]:
    """What the shipped templates call around a value that may be empty; only an outline has something to say."""
    return {"outline": False, "when": lambda _: "", "each": lambda _: "", "end": lambda *_: ""}


def outline(folder: str, locale: str, overrides: str = "") -> dict[str, str]:
    """The shipped text of each part as staff would write it in that language, to be changed."""
    translator = Translator(locale or "en", overrides=overrides)
    holes = {
        name: Holes(name) if field.kind in {"sentences", "rows"} else Hole(name) for name, field in FIELDS.items()
    }
    return {part: _outline(folder, part, holes, translator) for part in FILES}


def _outline(folder: str, part: str, holes: Mapping[str, Any], translator: Translator) -> str:
    template = _environment().get_template(f"{FOLDER}/{folder}/{FILES[part]}")
    names = {"_": translator.gettext, "ngettext": translator.ngettext, "t": translator}
    text = template.render({**holes, **names, "outline": True, "when": _when, "each": _each, "end": _end})
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _when(value: Any) -> str:
    return f"{{% if {value.name} %}}\n" if isinstance(value, (Hole, Holes)) else ""


def _each(values: Holes) -> str:
    return f"{{% for {values[0].name} in {values.name} %}}\n"


def _end(kind: str, value: Any) -> str:
    return f"{{% end{kind} %}}\n" if isinstance(value, (Hole, Holes)) else ""


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(str(files("puq_backups.templates"))),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
    )
