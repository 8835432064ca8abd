"""The catalogues of a language: the provider's own words before ours, in whatever state those are.

A catalogue is `<locale>/LC_MESSAGES/puq_backups.po` or, compiled, `….mo`. Ours are complete and tested.
A provider's holds what it wants to say differently, or a language that we do not have; a file or an entry of it
that cannot be used is left out and told to the log, so that no page breaks over it.
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
def texts(locale: str, ours: str, overrides: str) -> NullTranslations:
    """What is said in `locale`, as in "de_AT": of each text the provider's, else ours, else the English.

    `ours` and `overrides` are folders, read once in a process; "" is none.
    """
    found: list[NullTranslations] = [*_of_provider(locale, overrides), *_shipped(locale, ours)]
    for first, then in pairwise(found):
        first.add_fallback(then)
    return found[0] if found else NullTranslations()


def _shipped(locale: str, folder: str) -> Iterator[Translations]:
    """Ours: compiled when the wheel was built; in a checkout the source, compiled in memory."""
    for path in _files(locale, folder, "mo", "po"):
        try:
            compiled = io.BytesIO(path.read_bytes()) if path.suffix == ".mo" else _compiled(_read(path))
            yield Translations(compiled, DOMAIN)
        except Exception:  # whatever is wrong with a file, the page is shown
            log.exception("The catalogue %s cannot be read and is left out.", path)


def _of_provider(locale: str, folder: str) -> Iterator[Translations]:
    for path in _files(locale, folder, "po", "mo"):
        try:
            yield Translations(_compiled(_usable(_read(path), path)), DOMAIN)
        except Exception:  # a provider's file may hold anything at all
            log.exception("The catalogue %s cannot be read and is left out.", path)


def _compiled(catalogue: Catalog) -> io.BytesIO:
    """The catalogue in gettext's binary form, without fuzzy entries."""
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return compiled


def _files(locale: str, folder: str, *kinds: str) -> Iterator[Path]:
    """The catalogues there are for a locale, that of "de_AT" before that of "de"."""
    parts = locale.split("_") if folder else []
    for length in range(len(parts), 0, -1):
        place = Path(folder, "_".join(parts[:length]), "LC_MESSAGES")
        found = (path for kind in kinds if (path := place / f"{DOMAIN}.{kind}").is_file())
        yield from (path for path in (next(found, None),) if path)


def _read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_mo(file) if path.suffix == ".mo" else read_po(file, path.parts[-3], abort_invalid=True)


def _usable(catalogue: Catalog, path: Path) -> Catalog:
    for entry in [entry for entry in catalogue if entry.id and not fits(entry)]:
        log.warning("The entry %r of %s asks for a {place} that there is not; it is left out.", entry.id, path)
        catalogue.delete(entry.id)
    return catalogue


def fits(entry: Message) -> bool:
    """Whether a translation asks for no other {named} places than its English fills."""
    try:
        known = set().union(*map(places, forms(entry.id)))
        return all(places(form) <= known for form in forms(entry.string))
    except ValueError:
        return False


def forms(said: object) -> list[str]:
    """The forms of a text: one, or one for each plural."""
    return [str(form) for form in said] if isinstance(said, (tuple, list)) else [str(said)]


def places(text: str) -> set[str]:
    """The names between braces, as in "{name}". ValueError where a brace is never closed."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}
