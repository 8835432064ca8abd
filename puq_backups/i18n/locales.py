"""Languages by the names that hosts and staff give them."""

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
"""What `clientsdetails["language"]` may hold, spelled as WHMCS spells it, and the locale it means."""


def find(name: str) -> Locale:
    """The locale of a tag ("de-AT", "pt_BR") or of WHMCS's own word; English for one that nobody knows."""
    try:
        return Locale.parse(WHMCS_LANGUAGES.get(name.lower(), name).replace("-", "_"))
    except (ValueError, TypeError, UnknownLocaleError):
        return Locale("en")


def tag(name: str | None) -> str:
    """The tag of a language as a host or staff names it, as in "de-AT"; "en" for one that nobody knows."""
    return str(find(name or "en")).replace("_", "-")


def direction(name: str) -> str:
    """How a language is written, for an HTML `dir` attribute; there need be no catalogue for it."""
    return "rtl" if find(name).character_order == "right-to-left" else "ltr"
