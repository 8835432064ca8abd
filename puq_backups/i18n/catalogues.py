"""Loads the gettext catalogues of a language: the provider's before the shipped ones.

A catalogue is `<locale>/LC_MESSAGES/puq_backups.po` or a compiled `.mo`. A provider's catalogue may be partial or for
another language. Files and entries that cannot be used are skipped and logged, so that no page fails.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from string import Formatter

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

DOMAIN = "puq_backups"

log = logging.getLogger(__name__)


@lru_cache(maxsize=256)
def load(locale: str, shipped: str, overrides: str) -> NullTranslations:
    """Return the translations of `locale`, as in "de_AT": the provider's, else the shipped ones, else English.

    `shipped` and `overrides` are directories, read once per process; "" means none.
    """
    found: list[NullTranslations] = [*_provided(locale, overrides), *_shipped(locale, shipped)]
    for first, then in pairwise(found):
        first.add_fallback(then)
    return found[0] if found else NullTranslations()


def _shipped(locale: str, folder: str) -> Iterator[Translations]:
    """Yield the shipped catalogues: `.mo` from a wheel; in a checkout the `.po`, compiled in memory."""
    for path in _files(locale, folder, "mo", "po"):
        try:
            compiled = io.BytesIO(path.read_bytes()) if path.suffix == ".mo" else _compiled(_read(path))
            yield Translations(compiled, DOMAIN)
        except Exception:  # a broken file must not break a page
            log.exception("The catalogue %s cannot be read and is skipped.", path)


def _provided(locale: str, folder: str) -> Iterator[Translations]:
    for path in _files(locale, folder, "po", "mo"):
        try:
            yield Translations(_compiled(_usable(_read(path), path)), DOMAIN)
        except Exception:  # a provider's file may contain anything
            log.exception("The catalogue %s cannot be read and is skipped.", path)


def _compiled(catalogue: Catalog) -> io.BytesIO:
    """Return the catalogue in gettext's binary format, without fuzzy entries."""
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return compiled


def _files(locale: str, folder: str, *kinds: str) -> Iterator[Path]:
    """Yield the existing catalogue files for a locale, "de_AT" before "de"."""
    parts = locale.split("_") if folder else []
    for length in range(len(parts), 0, -1):
        place = Path(folder, "_".join(parts[:length]), "LC_MESSAGES")
        found = (path for kind in kinds if (path := place / f"{DOMAIN}.{kind}").is_file())
        yield from (path for path in (next(found, None),) if path)


def _read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_mo(file) if path.suffix == ".mo" else read_po(file, path.parts[-3], abort_invalid=True)


def _usable(catalogue: Catalog, path: Path) -> Catalog:
    for entry in [entry for entry in catalogue if entry.id and not has_known_placeholders(entry)]:
        log.warning("The entry %r of %s uses an unknown {placeholder} and is skipped.", entry.id, path)
        catalogue.delete(entry.id)
    return catalogue


def has_known_placeholders(entry: Message) -> bool:
    """Return whether a translation uses no placeholder that its English text lacks."""
    try:
        known = set().union(*map(placeholders, plural_forms(entry.id)))
        return all(placeholders(form) <= known for form in plural_forms(entry.string))
    except ValueError:
        return False


def plural_forms(said: object) -> list[str]:
    """Return the forms of a text: one, or one per plural form."""
    return [str(form) for form in said] if isinstance(said, (tuple, list)) else [str(said)]


def placeholders(text: str) -> set[str]:
    """Return the placeholder names in `text`, as in "{name}". Raises ValueError for an unclosed brace."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}
