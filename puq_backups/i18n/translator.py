"""Translates messages and formats dates, numbers and sizes for one reader.

Uses Babel directly, so that the host's translations are neither needed nor changed. Missing or broken translations
fall back to English.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
from functools import cached_property, lru_cache
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
MIB = 1024**2
DIGITS = {"arab": "٠١٢٣٤٥٦٧٨٩", "arabext": "۰۱۲۳۴۵۶۷۸۹"}
"""Digits of numbering systems that Babel knows by name only. By CLDR "ar" uses Latin digits, but "ar_EG" does not."""

ARABIC_COMMA = {"ar", "ckb", "fa", "ps", "ug", "ur"}
"""Languages whose comma is turned."""

FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"
"""Between them a text is set in its own direction, and does not disturb the sentence around it."""

log = logging.getLogger(__name__)


def N_(text: str) -> str:  # noqa: N802 gettext's own name for this marker
    """Mark a text for extraction into the catalogues and return it unchanged."""
    return text


class Translator:
    """Translator for one reader.

    Arguments: `locale` as in "de", "pt-BR" or "german" (default "en"); `timezone`, an IANA name (default UTC);
    `overrides`, the directory of the provider's catalogues; `folder`, that of the shipped ones.
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

    @cached_property
    def dir(self) -> str:
        """The direction for an HTML `dir` attribute: "ltr" or "rtl"."""
        return "rtl" if self.locale.character_order == "right-to-left" else "ltr"

    @property
    def comma(self) -> str:
        """The sign between the parts of a list."""
        return "،" if self.locale.language in ARABIC_COMMA else ","

    def gettext(self, text: str, /, **values: Any) -> str:
        """Translate a text and fill its {named} placeholders."""
        return self._fill(self._texts.ugettext(text), text, values) if text else ""

    def ngettext(self, singular: str, plural: str, n: float, /, **values: Any) -> str:
        """Translate with the plural form for `n`, and fill {n} and the other placeholders.

        A fraction takes the form of the next whole number from 2 on.
        """
        whole = int(n) if n == int(n) else max(math.ceil(n), 2)
        english = singular if whole == 1 else plural
        return self._fill(self._texts.ungettext(singular, plural, whole), english, {"n": n, **values})

    def say(self, message: Message | str | None) -> str:
        """Translate a Message or text and fill in its values; "" for None."""
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
            return self._decimal(value, "0.#")  # it may be the number of a VM
        return self.isolated(str(value))

    def isolated(self, text: str) -> str:
        """Wrap a name, path or date in Unicode isolates if the language is written from right to left."""
        if self.dir == "ltr" or not text or (text[0], text[-1]) == (FIRST_STRONG_ISOLATE, POP_ISOLATE):
            return text
        return f"{FIRST_STRONG_ISOLATE}{text}{POP_ISOLATE}"

    def _in_digits(self, text: str) -> str:
        return text.translate(self._digits)

    def date(self, value: dt.datetime) -> str:
        """Return the date in the reader's zone, as in "Nov 23, 2026"."""
        return self._in_digits(format_date(value.astimezone(self.zone), "medium", locale=self.locale))

    def time(self, value: dt.datetime, form: str = "short") -> str:
        """Return the time in the reader's zone: "short" to the minute, "medium" to the second."""
        if form == "short":
            return self._in_digits(_minute(value.astimezone(self.zone), self.locale))
        return self._in_digits(format_time(value, form, tzinfo=self.zone, locale=self.locale))

    def datetime(self, value: dt.datetime, form: str = "medium") -> str:
        """Return date and time in the reader's zone: "short" to the minute, "medium" to the second."""
        return self._in_digits(format_datetime(value, form, tzinfo=self.zone, locale=self.locale))

    def planned(self, value: dt.datetime, zone: str | None = None) -> str:
        """Return a future time with its weekday, to the minute, in `zone` or else the reader's."""
        when = value.astimezone(_zone(zone) if zone else self.zone)
        date = format_skeleton("yMMMEd", when, tzinfo=when.tzinfo, locale=self.locale)
        time = format_time(when, "short", tzinfo=when.tzinfo, locale=self.locale)
        both = str(get_datetime_format("medium", self.locale)).replace("{0}", time).replace("{1}", date)
        return self._in_digits(both)

    def day(self, value: dt.datetime, zone: str | None = None) -> str:
        """The day of a moment: today, tomorrow, yesterday, or as in "Fri, Nov 27"; another year is named."""
        tz = _zone(zone) if zone else self.zone
        date, today = value.astimezone(tz).date(), dt.datetime.now(tz).date()
        near = {0: N_("today"), 1: N_("tomorrow"), -1: N_("yesterday")}.get((date - today).days)
        if near:
            return self.gettext(near)
        skeleton = "MMMEd" if date.year == today.year else "yMMMEd"
        return self._in_digits(_date(skeleton, date, self.locale))

    def day_of_month(self, value: dt.datetime) -> str:
        """A day without its year, as in "Nov 27"."""
        return self._in_digits(_date("MMMd", value.astimezone(self.zone).date(), self.locale))

    def moment(self, value: dt.datetime, zone: str | None = None) -> str:
        """Day and time to the minute, as in "today, 02:00" or "Fri, Nov 27, 02:00"."""
        tz = _zone(zone) if zone else self.zone
        time = self._in_digits(_minute(value.astimezone(tz), self.locale))
        return self.isolated(f"{self.isolated(self.day(value, zone))}{self.comma} {self.isolated(time)}")

    def now_in(self, zone: str) -> str:
        """The time of day now in a zone."""
        return self._in_digits(format_time(dt.datetime.now(_zone(zone)), "short", locale=self.locale))

    def duration(self, seconds: float) -> str:
        """A length of time in its largest unit, as in "4 min"."""
        return self._in_digits(format_timedelta(dt.timedelta(seconds=seconds), format="short", locale=self.locale))

    def ago(self, value: dt.datetime) -> str:
        """Return the distance to a time, as in "3 hours ago" or "in 5 days"."""
        away = value - dt.datetime.now(dt.UTC)
        return self._in_digits(format_timedelta(away, add_direction=True, locale=self.locale))

    def weekday(self, day: int) -> str:
        """Return the name of a weekday; 0 is Sunday."""
        return str(get_day_names("wide", "stand-alone", self.locale)[(day - 1) % 7])

    def language(self, name: str) -> str:
        """Return the name of a language in the reader's language, as in "German" for "de"."""
        return str(locales.find(name).get_display_name(self.locale) or name)

    def number(self, value: float) -> str:
        """Return an amount with at most one decimal, as in "1,000" or "8.4"."""
        return self._decimal(value, "#,##0.#")

    def _decimal(self, value: float, pattern: str) -> str:
        return self._in_digits(format_decimal(value, pattern, locale=self.locale, numbering_system="default"))

    def percent(self, value: int) -> str:
        """Return 0 to 100 as a percentage, as in "40%"."""
        return self._in_digits(format_percent(value / 100, locale=self.locale, numbering_system="default"))

    def size(self, size: int | None) -> str:
        """Return a size in bytes as in "300 GiB", with at most one decimal; "" for None."""
        if size is None:
            return ""
        gib = size / GIB
        small = 0 < gib < 0.05  # noqa: PLR2004 it would be shown as 0
        said = N_("< {size} GiB") if small else N_("{size} GiB")
        return self.isolated(self.gettext(said, size=0.1 if small else gib))

    def rate(self, per_second: float) -> str:
        """Bytes a second as in "142 MiB/s"."""
        return self.isolated(self.gettext("{size} MiB/s", size=per_second / MIB))


def _language(name: str, folder: str, overrides: str) -> tuple[Locale, NullTranslations]:
    """Return locale and translations; English for both if there is no catalogue, so that a page has one language."""
    locale = locales.find(name)
    texts = catalogues.load(str(locale), folder, overrides)
    known = locale.language == "en" or isinstance(texts, Translations)
    return (locale if known else Locale("en")), texts


@lru_cache(2048)
def _date(skeleton: str, date: dt.date, locale: Locale) -> str:
    """A day written by a skeleton. A page says some hundred days, and most of them on each load."""
    return str(format_skeleton(skeleton, date, locale=locale))


def _minute(value: dt.datetime, locale: Locale) -> str:
    """The time of day to the minute."""
    return _time_of_day(value.hour * 60 + value.minute, locale)


@lru_cache(2048)
def _time_of_day(minutes: int, locale: Locale) -> str:
    return str(format_time(dt.time(*divmod(minutes, 60)), "short", locale=locale))


def _zone(name: str | None) -> dt.tzinfo:
    try:
        return ZoneInfo(name) if name else dt.UTC
    except (OSError, ValueError, LookupError):
        return dt.UTC
