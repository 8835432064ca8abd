"""Locales by language tag or WHMCS language name."""

from __future__ import annotations

from babel import Locale, UnknownLocaleError

WHMCS_LANGUAGES = {
    "arabic": "ar", "azerbaijani": "az", "catalan": "ca", "chinese": "zh", "croatian": "hr", "czech": "cs",
    "danish": "da", "dutch": "nl", "english": "en", "estonian": "et", "farsi": "fa", "french": "fr",
    "german": "de", "hebrew": "he", "hungarian": "hu", "italian": "it", "macedonian": "mk",
    "norwegian": "nb", "polish": "pl", "portuguese-br": "pt-BR", "portuguese-pt": "pt-PT",
    "romanian": "ro", "russian": "ru", "spanish": "es", "swedish": "sv",
    "turkish": "tr", "ukrainian": "uk", "ukranian": "uk", "no": "nb",
}  # fmt: skip
"""Locale by the language name in `clientsdetails["language"]`, spelled as WHMCS spells it."""


def find(name: str) -> Locale:
    """Return the locale for a tag ("de-AT", "pt_BR") or WHMCS language name; English for an unknown one."""
    try:
        return Locale.parse(WHMCS_LANGUAGES.get(name.lower(), name).replace("-", "_"))
    except (ValueError, TypeError, UnknownLocaleError):
        return Locale("en")


def tag(name: str | None) -> str:
    """Return the language tag, as in "de-AT", for a tag or WHMCS language name; "en" for an unknown one."""
    return str(find(name or "en")).replace("_", "-")


def direction(name: str) -> str:
    """Return the value of the HTML `dir` attribute for a language, whether or not it has a catalogue."""
    return "rtl" if find(name).character_order == "right-to-left" else "ltr"
