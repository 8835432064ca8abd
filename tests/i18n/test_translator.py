"""The words floor: texts, dates and sizes for one reader."""

import datetime as dt
import io
import json
from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from puq_backups.errors import Message, Refused
from puq_backups.i18n.catalogues import DOMAIN
from puq_backups.i18n.translator import N_, Translator

from .translator_helpers import POLISH, put

NOON = dt.datetime(2026, 7, 1, 12, 0, 5, tzinfo=dt.UTC)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A lang folder with a Polish catalogue, and an Arabic one that is not a catalogue at all."""
    for locale in ("pl", "ar"):
        (tmp_path / locale / "LC_MESSAGES").mkdir(parents=True)
    with (tmp_path / "pl" / "LC_MESSAGES" / f"{DOMAIN}.mo").open("wb") as stream:
        write_mo(stream, read_po(io.StringIO(POLISH), locale="pl"))
    (tmp_path / "ar" / "LC_MESSAGES" / f"{DOMAIN}.mo").write_bytes(b"not a catalogue")
    return str(tmp_path)


def test_text_is_said_in_the_readers_language(folder: str) -> None:
    assert Translator("pl-PL", folder=folder).gettext("Save Schedule") == "Zapisz harmonogram"


def test_text_without_translation_stays_english(folder: str) -> None:
    assert Translator("pl", folder=folder).gettext("Backup now") == "Backup now"


def test_plural_takes_the_form_of_the_language(folder: str) -> None:
    translator = Translator("pl", folder=folder)

    said = [translator.ngettext("{n} backup", "{n} backups", n) for n in (1, 2, 5)]

    assert said == ["1 kopia", "2 kopie", "5 kopii"]


def test_plural_of_hours_that_are_a_setting_with_a_fraction(folder: str) -> None:
    for locale in ("pl", "de", "en"):
        translator = Translator(locale, folder=folder)
        said = [translator.ngettext("{n} backup", "{n} backups", n) for n in (1.0, 24.0)]

        assert said == [translator.ngettext("{n} backup", "{n} backups", n) for n in (1, 24)], locale
    assert Translator("en", folder=folder).ngettext("{n} hour", "{n} hours", 0.5) == "0.5 hours"


@pytest.mark.parametrize("locale", ["xx", "", "../../etc", "de_DE_DE_DE", None, "ar", "ja"])
def test_unknown_or_broken_language_falls_back_to_english(folder: str, locale: str | None) -> None:
    translator = Translator(locale, "UTC", folder=folder)

    assert (translator.lang, translator.dir) == ("en", "ltr")
    assert translator.gettext("Save Schedule") == "Save Schedule"
    assert translator.date(NOON) == "Jul 1, 2026"


def test_whmcs_language_names_are_understood(folder: str) -> None:
    assert Translator("Polish", folder=folder).lang == "pl"


def test_english_region_keeps_its_own_dates() -> None:
    assert Translator("en-GB", "UTC").date(NOON) == "1 Jul 2026"


def test_right_to_left_language_says_so(tmp_path: Path) -> None:
    (tmp_path / "he" / "LC_MESSAGES").mkdir(parents=True)
    with (tmp_path / "he" / "LC_MESSAGES" / f"{DOMAIN}.mo").open("wb") as stream:
        write_mo(stream, read_po(io.StringIO(""), locale="he"))

    translator = Translator("he", folder=str(tmp_path))

    assert (translator.lang, translator.dir) == ("he", "rtl")


def test_message_is_translated_then_filled() -> None:
    assert Translator().say(Message("Place {place} in the queue.", {"place": 2})) == "Place 2 in the queue."


def test_message_that_was_stored_is_said_the_same() -> None:
    stored = Refused("There is no room on {storage}.", storage="nfs").message.to_json()

    assert Translator().say(Message.from_json(stored)) == "There is no room on nfs."


def test_translation_with_a_wrong_placeholder_is_said_in_english(folder: str) -> None:
    message = Message("There is no room on {storage}.", {"storage": "nfs"})

    assert Translator("pl", folder=folder).say(message) == "There is no room on nfs."


def test_value_that_looks_like_a_placeholder_is_left_alone() -> None:
    assert Translator().say(Message("Said: {text}", {"text": "{0.__class__}"})) == "Said: {0.__class__}"


def test_moment_inside_a_message_is_said_in_the_readers_zone(folder: str) -> None:
    message = Message("Wait until {when}.", {"when": NOON})

    assert Translator("pl", "Europe/Warsaw", folder=folder).say(message) == "Czekaj do 1 lip 2026, 14:00:05."


def test_nothing_is_said_for_nothing() -> None:
    assert Translator().say(None) == ""
    assert Translator().gettext("") == ""


@pytest.mark.parametrize(("zone", "hour"), [("Europe/Berlin", "2:00"), ("UTC", "12:00"), ("No/Where", "12:00")])
def test_time_is_told_in_the_readers_zone(zone: str, hour: str) -> None:
    assert Translator("en", zone).time(NOON).startswith(hour)


@pytest.mark.parametrize("zone", ["../etc/passwd", "", None, "Europe", "\0"])
def test_unusable_zone_falls_back_to_utc(zone: str | None) -> None:
    assert Translator("en-GB", zone).time(NOON) == "12:00"


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (300 * 1024**3, "300 GiB"),
        (int(1.5 * 1024**3), "1.5 GiB"),
        (int(2.04 * 1024**3), "2 GiB"),
        (1200 * 1024**3, "1200 GiB"),
        (1024, "< 0.1 GiB"),
        (0, "0 GiB"),
        (None, ""),
    ],
)
def test_size_is_said_in_gib(size: int | None, said: str) -> None:
    assert Translator().size(size) == said


def test_week_begins_on_sunday() -> None:
    assert [Translator().weekday(day) for day in range(7)] == [
        "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
    ]  # fmt: skip


def test_marked_text_is_left_as_it_is() -> None:
    assert N_("Backup now") == "Backup now"


def test_planned_moment_is_told_with_its_weekday_in_the_zone_asked_for() -> None:
    translator = Translator("en", "UTC")

    assert translator.planned(NOON) == "Wed, Jul 1, 2026, 12:00\u202fPM"
    assert translator.planned(NOON, "Asia/Tokyo") == "Wed, Jul 1, 2026, 9:00\u202fPM"


def test_numbers_moments_and_messages_survive_being_stored() -> None:
    inner = Message("Wait until {when}.", when=NOON)
    message = Message("{size} GiB are there ({why})", size=1.5, why=inner)

    stored = Message.from_json(json.loads(json.dumps(message.to_json())))

    assert Translator("de", "Europe/Berlin").say(stored) == "1,5 GiB are there (Wait until 01.07.2026, 14:00:05.)"


@pytest.mark.parametrize(("locale", "said"), [("ar", "12.5"), ("ar-EG", "١٢٫٥"), ("fa", "۱۲٫۵"), ("pl", "12,5")])  # noqa: RUF001 digits as they are written there
def test_numbers_have_the_digits_that_the_language_is_written_with(tmp_path: Path, locale: str, said: str) -> None:
    put(tmp_path, locale.partition("-")[0], "")

    translator = Translator(locale, "UTC", overrides=str(tmp_path))

    assert translator.number(12.5) == said
    assert translator.gettext("Up to {most}.", most=12.5).replace(RTL[0], "").replace(RTL[1], "") == f"Up to {said}."


RTL = "\u2068\u2069"


def test_names_in_a_sentence_from_right_to_left_keep_their_own_direction() -> None:
    arabic, english = Translator("ar"), Translator("en")

    assert arabic.gettext("Service {service}", service="web-1") == "الخدمة \u2068web-1\u2069"
    assert arabic.gettext("Backups of {name}", name="") == "النسخ الاحتياطية للآلة "
    assert arabic.size(3 * 1024**3) == f"{RTL[0]}3 GiB{RTL[1]}"
    assert english.gettext("Said: {text}", text="web-1") == "Said: web-1"


def test_english_for_want_of_a_translation_begins_on_its_own_side() -> None:
    arabic = Translator("ar")

    assert arabic.gettext("Not translated.") == f"{RTL[0]}Not translated.{RTL[1]}"
    assert arabic.gettext("{proxmox}", proxmox="VM is locked (backup).") == f"{RTL[0]}VM is locked (backup).{RTL[1]}"


@pytest.mark.parametrize(("locale", "comma"), [("en", ","), ("de", ","), ("ar", "،")])
def test_comma_is_the_one_of_the_language(locale: str, comma: str) -> None:
    day = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)

    assert comma in Translator(locale, "UTC").moment(day).replace(Translator(locale, "UTC").day(day), "")
