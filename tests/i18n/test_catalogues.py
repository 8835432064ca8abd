"""The catalogues in lang/: every sentence of ours in every language, true to its English, and nothing else."""

from __future__ import annotations

import ast
import html.parser
import io
import re
from collections.abc import Callable, Iterator
from functools import cache
from gettext import c2py
from importlib.resources import files
from pathlib import Path

import pytest
from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from jinja2 import Environment
from puq_backups.lang import extract
from support.services import ROOT

from puq_backups.i18n.catalogues import DOMAIN, placeholders, plural_forms
from puq_backups.i18n.locales import direction

from .translator_helpers import Text, texts

LANG = Path(str(files("puq_backups.lang")))
LOCALES = sorted(path.parent.parent.name for path in LANG.glob(f"*/LC_MESSAGES/{DOMAIN}.po"))
in_every_language = pytest.mark.parametrize("locale", LOCALES)


@cache
def catalogue(locale: str) -> Catalog:
    """The catalogue as its translators write it."""
    with (LANG / locale / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as file:
        return read_po(file, locale=locale, domain=DOMAIN)


def entries(locale: str) -> list[Message]:
    return [message for message in catalogue(locale) if message.id]


def translated(locale: str) -> list[Message]:
    return [entry for entry in entries(locale) if all(plural_forms(entry.string))]


@in_every_language
def test_buttons_are_named_by_the_words_on_them(locale: str) -> None:
    """A sentence that quotes a button quotes it as it reads in that language."""
    quoted = [
        (entry.string, catalogue(locale).get(name))
        for entry in translated(locale)
        if isinstance(entry.id, str)
        for name in re.findall("“([^”]+)”", entry.id)
    ]

    assert len(quoted) > 1
    assert [(text, button.string) for text, button in quoted if button and button.string not in text] == []


def test_languages_are_those_that_are_promised() -> None:
    assert {"ar", "de", "pl"} <= set(LOCALES)


@in_every_language
@pytest.mark.flow
def test_every_text_of_the_sources_is_said_and_no_other(locale: str) -> None:
    said = {entry.id for entry in translated(locale) if not entry.fuzzy}

    assert texts() - said == set()
    assert said - texts() == set()


@in_every_language
def test_nothing_is_fuzzy_empty_or_obsolete(locale: str) -> None:
    assert [entry.id for entry in entries(locale) if entry.fuzzy or not all(plural_forms(entry.string))] == []
    assert list(catalogue(locale).obsolete) == []


@in_every_language
def test_plural_forms_are_those_of_the_language(locale: str) -> None:
    """Each form is for one of CLDR's kinds of numbers, and there is one for each."""
    kinds = {(plural(locale)(n), Locale(locale).plural_form(n)) for n in range(1000)}

    assert len(kinds) == len(dict(kinds)) == len({kind for _, kind in kinds}) == catalogue(locale).num_plurals
    for entry in entries(locale):
        assert len(plural_forms(entry.string)) == (len(kinds) if entry.pluralizable else 1), entry.id


def plural(locale: str) -> Callable[[int], int]:
    """Which form is for a number, by the rule in the catalogue."""
    return c2py(catalogue(locale).plural_expr)  # type: ignore[attr-defined]  # gettext's reader of such rules


@in_every_language
def test_translation_has_the_places_of_its_english(locale: str) -> None:
    for entry in translated(locale):
        wanted = [placeholders(form) for form in plural_forms(entry.id)]
        for number, form in enumerate(plural_forms(entry.string)):
            # What is said of one number alone may leave the number out: "this backup", "both backups".
            free = {"n"} if entry.pluralizable and is_of_one_number(locale, number) else set()
            assert placeholders(form) | free == wanted[-1] | free, entry.id


@cache
def is_of_one_number(locale: str, form: int) -> bool:
    """Whether a plural form is for one number only, as for 1 in English, for 0, 1 and 2 in Arabic."""
    return [plural(locale)(n) for n in range(1000)].count(form) == 1


@in_every_language
def test_translation_begins_ends_and_is_marked_up_as_its_english(locale: str) -> None:
    for entry in translated(locale):
        for form in plural_forms(entry.string):
            english = plural_forms(entry.id)[-1]
            assert edges(form) == edges(english), entry.id
            assert tags(form) == tags(english), entry.id
            assert "  " not in form, entry.id


def edges(text: str) -> tuple[str, str, str]:
    """White space at both ends, and the sign that closes the sentence."""
    end = text.rstrip()[-1:].replace("؟", "?")
    return text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :], end if end in ".:?!…" else ""


def tags(text: str) -> list[str]:
    return sorted(re.findall(r"</?[a-z][^>]*>|&\w+;", text))


@in_every_language
def test_number_with_its_unit_is_set_apart_where_it_would_be_turned(locale: str) -> None:
    """From right to left "3 GiB" would read "GiB 3"; between isolates it stays."""
    turned = re.compile("(?<!\u2068){\\w+} [A-Za-z]") if direction(locale) == "rtl" else re.compile("\u2068|\u2069")

    assert [form for entry in translated(locale) for form in plural_forms(entry.string) if turned.search(form)] == []


# What the sources must do for their texts to be found -----------------------------------------------------------

SOURCES = [
    path
    for folder in ("puq_backups", "hooks")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "simulator" not in path.parts
]
PASSED_ON = {"text", "label", "told"}
"""Attributes and arguments that hold a text which was marked where it was written."""


@pytest.mark.flow
def test_every_sentence_of_the_code_can_be_found() -> None:
    """A text is written where it is said, or marked with N_ where it is written."""
    assert [found for path in SOURCES for found in unmarked(path)] == []


def unmarked(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_bytes())
    marked = {name for node in ast.walk(tree) for name in assigned(node)}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        for argument in extract.message_argument(call):
            if not list(extract.literal_texts(argument)) and not passed_on(argument, marked):
                yield f"{path.relative_to(ROOT)}:{call.lineno}: {ast.unparse(argument)}"


def assigned(node: ast.AST) -> Iterator[str]:
    """The names that are given texts marked with N_, alone or in a table."""
    if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None and "N_(" in ast.unparse(node.value):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))
    if isinstance(node, ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names if alias.name.isupper())


def passed_on(argument: ast.expr, marked: set[str]) -> bool:
    return any(
        (isinstance(node, ast.Attribute) and node.attr in PASSED_ON)
        or (isinstance(node, ast.Name) and node.id in marked | PASSED_ON)
        for node in ast.walk(argument)
    )


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('raise Refused(\n    "One {a} "\n    "sentence.",\n    a=1,\n)', ["One {a} sentence."]),
        ('raise BadInput("note", "Wrong.")', ["Wrong."]),
        ('raise BadInput(field="note", text="By name.")', ["By name."]),
        ('raise errors.GiveUp("Over.", state="failed")', ["Over."]),
        ('work.warn(Message("This." if one else "That.", {"a": 1}))', ["This.", "That."]),
        ('t.gettext("Said.")', ["Said."]),
        ('LABELS = {"a": N_("Label")}', ["Label"]),
        ('t.ngettext("{n} backup", "{n} backups", n)', [("{n} backup", "{n} backups")]),
        ('class Gone(Refused):\n    """It is gone."""', ["It is gone."]),
        ('class Gone(Refused):\n    """It is gone.\n\n    More of it."""', []),
        ('raise SettingError("PUQ is wrong.")', []),
        ('raise ProxmoxError("what Proxmox said")', []),
        ('raise GiveUp("{proxmox}", proxmox=1)', []),
        ('Wait("no text")', []),
    ],
)
def test_texts_of_the_code_are_found(source: str, found: list[Text], monkeypatch: pytest.MonkeyPatch) -> None:
    known = {**extract.errors(), "Gone": extract.ErrorSignature(0, optional=True, untranslatable=False)}
    monkeypatch.setattr(extract, "errors", lambda: known)

    assert [text for _, _, text, _ in extract.extract_messages(io.BytesIO(source.encode()))] == found


TEMPLATES = sorted(
    path for path in Path(str(files("puq_backups.templates"))).rglob("*.*") if path.suffix in (".html", ".txt")
)
SAID_BY_ATTRIBUTES = {"title", "alt", "placeholder", "aria-label", "label"}


class Words(html.parser.HTMLParser):
    """The words of a template that a reader sees, text and attributes."""

    def __init__(self, template: str) -> None:
        super().__init__()
        self.found: list[str] = []
        # What fills a tag is no text, and a command is the same in every language.
        shown = re.sub(
            r"{% block (tone|colour|root) %}.*?{% endblock %}|<pre.*?</pre>|<code.*?</code>",
            "", template, flags=re.DOTALL,
        )  # fmt: skip
        # An expression stands for a text, and what decides about it says none.
        self.feed(" ".join(value for _, kind, value in Environment(autoescape=True).lex(shown) if kind == "data"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in SAID_BY_ATTRIBUTES:
                self.handle_data(value or "")

    def handle_data(self, data: str) -> None:
        # Macros make parts of tags, too: attributes, and ids of ours.
        text = re.sub(r'[\w-]+="\s*"|puqb-[\w-]*|\bdisabled\b|-error"|aria-\w+="[^"]*"', "", data)
        if self.cdata_elem is None:
            self.found += re.findall(r"[^\W\d_]{3,}", text)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: "/".join(path.parts[-2:]))
def test_template_says_no_word_that_is_not_translated(path: Path) -> None:
    assert Words(path.read_text()).found == []


def test_words_outside_of_a_translation_are_seen() -> None:
    template = """<p title="One" {% if why %}hidden{% endif %}>{{ _("No") }} two {# no #}<style>no</style></p>"""

    assert Words(template).found == ["One", "two"]
