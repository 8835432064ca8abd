"""Our sentences in the reader's language, and dates in the reader's zone.

Catalogues are our own, read with plain Babel: a host's own translations are neither needed nor touched. Whatever
is missing or broken falls back to English, which needs no catalogue.
"""

from __future__ import annotations

import datetime as dt
import logging
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import (
    format_date,
    format_datetime,
    format_skeleton,
    format_time,
    format_timedelta,
    get_datetime_format,
    get_day_names,
)
from babel.numbers import format_decimal, format_percent
from babel.support import NullTranslations, Translations

from ..errors import Message
from . import catalogues, locales

GIB = 1024**3
DIGITS = {"arab": "٠١٢٣٤٥٦٧٨٩", "arabext": "۰۱۲۳۴۵۶۷۸۹"}
"""The digits of numbering systems that Babel knows by name alone. Arabic itself is written with ours, says CLDR;
in Egypt, among others, it is not."""

FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"
"""Between them a text is set in its own direction, and does not disturb the sentence around it."""

log = logging.getLogger(__name__)


def N_(text: str) -> str:  # noqa: N802 gettext's own name for this marker
    """Mark a text for the catalogues and leave it as it is; it is translated where it is said."""
    return text


class Translator:
    """Says things to one reader: `locale` as in "de", "pt-BR" or "german", `timezone` an IANA name.

    `overrides` is the folder of the provider's own catalogues, `folder` that of ours.
    """

    def __init__(
        self, locale: str | None = "en", timezone: str | None = None, *, overrides: str = "", folder: str = ""
    ) -> None:
        self.locale, self._texts = _language(locale or "en", folder or str(files("puq_backups.lang")), overrides)
        self.zone = _zone(timezone)
        digits = DIGITS.get(self.locale.default_numbering_system, "")
        self._digits = str.maketrans("0123456789", digits) if digits else {}

    @property
    def lang(self) -> str:
        """The language tag for an HTML `lang` attribute."""
        return str(self.locale).replace("_", "-")

    @property
    def dir(self) -> str:
        """The direction for an HTML `dir` attribute: "ltr" or "rtl"."""
        return "rtl" if self.locale.character_order == "right-to-left" else "ltr"

    def gettext(self, text: str, /, **values: Any) -> str:
        """Translate a text and fill its {named} places."""
        return self._fill(self._texts.ugettext(text), text, values) if text else ""

    def ngettext(self, singular: str, plural: str, n: int, /, **values: Any) -> str:
        """Translate with the plural form that `n` needs; {n} is filled too."""
        english = singular if n == 1 else plural
        return self._fill(self._texts.ungettext(singular, plural, n), english, {"n": n, **values})

    def say(self, message: Message | str | None) -> str:
        """Say a stored message: its text translated, then its values filled in; nothing for None."""
        if isinstance(message, Message):
            return self.gettext(message.text, **message.values)
        return self.gettext(message or "")

    def _fill(self, translated: str, english: str, values: dict[str, Any]) -> str:
        said = {key: self._value(value) for key, value in values.items()}
        for text in (translated, english):
            try:
                filled = text.format_map(said) if said else text
            except (LookupError, ValueError, AttributeError):
                log.warning("The text %r cannot be filled with %s.", text, sorted(said))
            else:
                # What is said in English for want of a translation begins on its own side.
                return self.isolated(filled) if text == english else filled
        return english

    def _value(self, value: object) -> str:
        if isinstance(value, Message):
            return self.say(value)
        if isinstance(value, dt.datetime):
            return self.isolated(self.datetime(value))
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self.number(value)
        return self.isolated(str(value))

    def isolated(self, text: str) -> str:
        """A name, path or date that stands in a sentence written from right to left, kept in its own direction."""
        if self.dir == "ltr" or not text or (text[0], text[-1]) == (FIRST_STRONG_ISOLATE, POP_ISOLATE):
            return text
        return f"{FIRST_STRONG_ISOLATE}{text}{POP_ISOLATE}"

    def _in_digits(self, text: str) -> str:
        return text.translate(self._digits)

    def date(self, value: dt.datetime) -> str:
        """The day in the reader's zone, as in "Nov 23, 2026"."""
        return self._in_digits(format_date(value.astimezone(self.zone), "medium", locale=self.locale))

    def time(self, value: dt.datetime, form: str = "short") -> str:
        """The time of day in the reader's zone: "short" to the minute, "medium" to the second."""
        return self._in_digits(format_time(value, form, tzinfo=self.zone, locale=self.locale))

    def datetime(self, value: dt.datetime, form: str = "medium") -> str:
        """Day and time in the reader's zone, to the second in the form "medium"."""
        return self._in_digits(format_datetime(value, form, tzinfo=self.zone, locale=self.locale))

    def planned(self, value: dt.datetime, zone: str | None = None) -> str:
        """A moment to come with its weekday, to the minute, in the zone named or else the reader's."""
        when = value.astimezone(_zone(zone) if zone else self.zone)
        date = format_skeleton("yMMMEd", when, tzinfo=when.tzinfo, locale=self.locale)
        time = format_time(when, "short", tzinfo=when.tzinfo, locale=self.locale)
        both = str(get_datetime_format("medium", self.locale)).replace("{0}", time).replace("{1}", date)
        return self._in_digits(both)

    def ago(self, value: dt.datetime) -> str:
        """How far away a moment is, as in "3 hours ago" or "in 5 days"."""
        away = value - dt.datetime.now(dt.UTC)
        return self._in_digits(format_timedelta(away, add_direction=True, locale=self.locale))

    def weekday(self, day: int) -> str:
        """The name of a day of the week; 0 is Sunday."""
        return str(get_day_names("wide", "stand-alone", self.locale)[(day - 1) % 7])

    def language(self, name: str) -> str:
        """The name of a language in the reader's own, as in "German" for "de"."""
        return str(locales.find(name).get_display_name(self.locale) or name)

    def number(self, value: float) -> str:
        """A number with at most one decimal."""
        return self._in_digits(format_decimal(value, "0.#", locale=self.locale, numbering_system="default"))

    def percent(self, value: int) -> str:
        """A share of 0 to 100, as in "40%"."""
        return self._in_digits(format_percent(value / 100, locale=self.locale, numbering_system="default"))

    def size(self, size: int | None) -> str:
        """Bytes as in "300 GiB", at most one decimal; nothing for an unknown size."""
        if size is None:
            return ""
        gib = size / GIB
        small = 0 < gib < 0.05  # noqa: PLR2004 it would be shown as 0
        said = N_("< {size} GiB") if small else N_("{size} GiB")
        return self.isolated(self.gettext(said, size=0.1 if small else gib))


def _language(name: str, folder: str, overrides: str) -> tuple[Locale, NullTranslations]:
    """The locale and its texts; both English where there is no catalogue, for a page in one tongue."""
    locale = locales.find(name)
    texts = catalogues.texts(str(locale), folder, overrides)
    known = locale.language == "en" or isinstance(texts, Translations)
    return (locale if known else Locale("en")), texts


def _zone(name: str | None) -> dt.tzinfo:
    try:
        return ZoneInfo(name) if name else dt.UTC
    except (OSError, ValueError, LookupError):
        return dt.UTC
