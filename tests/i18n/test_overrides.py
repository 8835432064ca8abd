"""A provider's own words go before ours."""

import io
import logging
from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from puq_backups.i18n.catalogues import DOMAIN
from puq_backups.i18n.translator import Translator

from .translator_helpers import POLISH, put


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A lang folder with a Polish catalogue, and an Arabic one that is not a catalogue at all."""
    for locale in ("pl", "ar"):
        (tmp_path / locale / "LC_MESSAGES").mkdir(parents=True)
    with (tmp_path / "pl" / "LC_MESSAGES" / f"{DOMAIN}.mo").open("wb") as stream:
        write_mo(stream, read_po(io.StringIO(POLISH), locale="pl"))
    (tmp_path / "ar" / "LC_MESSAGES" / f"{DOMAIN}.mo").write_bytes(b"not a catalogue")
    return str(tmp_path)


# The provider's own words ---------------------------------------------------------------------------------------
OWN = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"

msgid "Backup now"
msgstr "Sicherung anlegen"

msgid "Quota full ({used} of {limit})."
msgstr "Alle {max} sind belegt."

#, fuzzy
msgid "Restore"
msgstr "Zurück"

msgid "Remove"
msgstr ""
"""


def test_providers_words_go_before_ours_and_the_rest_stays(tmp_path: Path) -> None:
    put(tmp_path, "de", OWN)

    translator = Translator("de-AT", overrides=str(tmp_path))

    assert translator.gettext("Backup now") == "Sicherung anlegen"
    assert [translator.gettext(text) for text in ("Save Schedule", "Restore", "Remove")] == [
        Translator("de").gettext(text) for text in ("Save Schedule", "Restore", "Remove")
    ]
    assert Translator("pl", overrides=str(tmp_path)).gettext("Backup now") != "Sicherung anlegen"


def test_providers_entry_with_a_place_that_is_not_filled_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, "de", OWN)
    text = "Quota full ({used} of {limit})."

    translator = Translator("de", overrides=str(tmp_path))

    assert translator.gettext(text, used=3, limit=3) == Translator("de").gettext(text, used=3, limit=3)
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == [text]


def test_compiled_words_of_a_provider_count_and_those_of_a_region_go_first(tmp_path: Path) -> None:
    for locale, text in (("de", "Sichern"), ("de_AT", "Bitte sichern")):
        compiled = io.BytesIO()
        write_mo(compiled, read_po(io.StringIO(f'msgid "Backup now"\nmsgstr "{text}"\n'), locale="de"))
        put(tmp_path, locale, compiled.getvalue(), "mo")

    assert Translator("de", overrides=str(tmp_path)).gettext("Backup now") == "Sichern"
    assert Translator("de-AT", overrides=str(tmp_path)).gettext("Backup now") == "Bitte sichern"


def test_provider_may_reword_english_and_add_a_language(tmp_path: Path) -> None:
    for locale, text in (("en", "Save a copy"), ("pt", "Fazer backup")):
        put(tmp_path, locale, f'msgid "Backup now"\nmsgstr "{text}"\n')

    english, portuguese = (Translator(name, overrides=str(tmp_path)) for name in ("en-GB", "portuguese-br"))

    assert english.gettext("Backup now") == "Save a copy"
    assert portuguese.gettext("Backup now") == "Fazer backup"
    assert (portuguese.lang, portuguese.gettext("Save Schedule")) == ("pt-BR", "Save Schedule")


@pytest.mark.parametrize("broken", [b"\xff\xfe no text", b'msgid "Backup now\nmsgstr', b"", b"\x00" * 100])
@pytest.mark.parametrize("kind", ["po", "mo"])
def test_broken_file_of_a_provider_changes_nothing(
    tmp_path: Path, broken: bytes, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, "de", broken, kind)

    with caplog.at_level(logging.CRITICAL):
        translator = Translator("de", overrides=str(tmp_path))

    assert translator.gettext("Save Schedule") == "Zeitplan speichern"


def test_folder_that_is_not_there_changes_nothing(tmp_path: Path) -> None:
    assert Translator("de", overrides=str(tmp_path / "no")).gettext("Save Schedule") == "Zeitplan speichern"
