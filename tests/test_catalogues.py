"""The catalogues in lang/: complete for the page and the mails, and true to their English."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from babel.support import Translations

from puq_backups.i18n import DOMAIN, Translator

LANG = Path(str(files("puq_backups.lang")))
LOCALES = sorted(path.parent.parent.name for path in LANG.glob(f"*/LC_MESSAGES/{DOMAIN}.po"))


def template_texts() -> set[str | tuple[str, ...]]:
    """Every text that a template says, plural forms as a pair."""
    texts: set[str | tuple[str, ...]] = set()
    for path in Path(str(files("puq_backups.templates"))).rglob("*.*"):
        if path.suffix in (".html", ".txt"):
            with path.open("rb") as file:
                texts.update(text for _, text, _, _ in extract("jinja2", file))
    return texts


def catalogue(locale: str) -> Catalog:
    """The catalogue as its translators write it."""
    with (LANG / locale / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as file:
        return read_po(file, locale=locale, domain=DOMAIN)


def forms(said: object) -> list[str]:
    """The forms of a text: one, or one for each plural."""
    return list(said) if isinstance(said, (tuple, list)) else [str(said)]


@pytest.mark.parametrize("locale", LOCALES)
def test_page_and_mails_are_said_completely(locale: str) -> None:
    said = {message.id for message in catalogue(locale) if all(forms(message.string)) and not message.fuzzy}

    assert template_texts() - said == set()


@pytest.mark.parametrize("locale", LOCALES)
def test_translations_hold_the_same_places_as_the_english(locale: str) -> None:
    for message in filter(lambda message: message.id, catalogue(locale)):
        wanted = [set(re.findall(r"{\w+}", form)) for form in forms(message.id)]
        # A singular may leave the number out in any language.
        assert all(set(re.findall(r"{\w+}", form)) in wanted for form in forms(message.string)), message.id


@pytest.mark.parametrize("locale", LOCALES)
def test_compiled_catalogue_is_that_of_the_translators(locale: str) -> None:
    compiled = Translations.load(str(LANG), [locale], DOMAIN)

    for message in catalogue(locale):
        if message.id:
            english, *_ = forms(message.id)
            assert [
                compiled.ungettext(*forms(message.id), 1) if message.pluralizable else compiled.ugettext(english)
            ] == (forms(message.string)[:1])


def test_german_reader_is_spoken_to_in_german() -> None:
    german = Translator("de-AT", "Europe/Vienna")

    assert german.lang == "de-AT"
    assert german.gettext("Save Schedule") == "Zeitplan speichern"
    assert german.weekday(0) == "Sonntag"
    assert german.size(3 * 1024**3 // 2) == "1,5 GiB"
