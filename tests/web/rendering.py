"""Renders the client's pages from plain values, without a view, and reads the HTML."""

import re
from html import unescape
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FileSystemLoader

from puq_backups.errors import Message
from puq_backups.i18n.translator import Translator

from .page_values import a_backup, values

TEMPLATES = Environment(
    loader=FileSystemLoader(str(files("puq_backups.templates"))), autoescape=True, trim_blocks=True
)


def page(locale: str = "en", **changes: Any) -> str:
    """The page as HTML, each run of white space made one space."""
    t = Translator(locale, "Europe/Warsaw")
    template = TEMPLATES.get_template("puq_backups/client/backups.html")
    html = template.render(values(**changes), _=t.gettext, ngettext=t.ngettext, t=t, puq_backups=t)
    return re.sub(r"\s+", " ", html)


def confirmation(locale: str = "en", **changes: Any) -> str:
    """The page that confirms the restore of the first backup."""
    t = Translator(locale, "Europe/Warsaw")
    plan = {
        "happens": [Message("The disk scsi0 goes back.")],
        "warnings": [Message("Snapshots will be lost: friday.")],
    }
    shown = {
        "backup": a_backup(1), "plan": plan, "blocked": [], "reason": None, "trouble": None, "safety_copy": "offer",
        "safety_against": None, "minutes": 7,
    }  # fmt: skip
    template = TEMPLATES.get_template("puq_backups/client/restore.html")
    urls = {"page": "/s/1/backups/", "restore": "/s/1/backups/b1/restore", "stylesheet": "backups.css"}
    return template.render(
        values(**{**shown, "urls": urls, **changes}), _=t.gettext, ngettext=t.ngettext, t=t, puq_backups=t
    )


def words(html: str) -> str:
    """What a reader sees, tags taken away."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html)))


class Elements(HTMLParser):
    """Every element of a page as (tag, attributes), and for each form the names of its fields."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.forms: list[tuple[dict[str, str | None], list[str | None]]] = []
        """Those that post: what only leads to another page carries no token."""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))
        if tag == "form" and dict(attrs).get("method") == "post":
            self.forms.append((dict(attrs), []))
        elif tag in ("input", "select") and self.forms:
            self.forms[-1][1].append(dict(attrs).get("name"))

    def one(self, element_id: str) -> dict[str, str | None]:
        """The attributes of the one element with this id."""
        (found,) = [attributes for _, attributes in self.all if attributes.get("id") == element_id]
        return found


def button(html: str, address: str) -> dict[str, str | None]:
    """The attributes of the row's button that leads or posts to an address below the page's."""
    found = [
        of for tag, of in Elements(html).all if tag == "button" and of.get("formaction") == f"/s/1/backups/{address}"
    ]
    return found[-1]


def fields(html: str) -> dict[str | None, list[str | None]]:
    """The fields of each form by the URL it posts to."""
    return {form.get("action"): names for form, names in Elements(html).forms}
