"""A Polish catalogue, writing a provider's catalogue, and all texts of the sources."""

from functools import cache
from pathlib import Path

from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from support.services import ROOT

from puq_backups.i18n.catalogues import DOMAIN

Text = str | tuple[str, ...] | list[str]

POLISH = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2);\\n"

msgid "Save Schedule"
msgstr "Zapisz harmonogram"

msgid "There is no room on {storage}."
msgstr "Brak miejsca na {magazyn}."

msgid "Wait until {when}."
msgstr "Czekaj do {when}."

msgid "{n} backup"
msgid_plural "{n} backups"
msgstr[0] "{n} kopia"
msgstr[1] "{n} kopie"
msgstr[2] "{n} kopii"
"""


def put(folder: Path, locale: str, catalogue: str | bytes, kind: str = "po") -> None:
    """Put a provider's catalogue where it is looked for."""
    place = folder / locale / "LC_MESSAGES"
    place.mkdir(parents=True)
    (place / f"{DOMAIN}.{kind}").write_bytes(catalogue.encode() if isinstance(catalogue, str) else catalogue)


@cache
def texts() -> frozenset[Text]:
    """Every text of the sources, plural forms as a pair, found as `make lang` finds them."""
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    return frozenset(text for _, _, text, _, _ in extract_from_dir(ROOT, methods, options))
