"""The archives of a run as Proxmox's journal tells them: who made and removed them, and which were there when."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from puq_backups.simulator.world.journal import Entry

from .diary import Diary, Row

MARKER = re.compile(r"\[puqb:(\w+)\.(\w+)\]\s*$")
GRACE = 900.0
"""Seconds for which an archive that somebody else removed may still have been seen by us."""


@dataclass
class File:
    """An archive as Proxmox held it."""

    volid: str
    vmid: int
    notes: str = ""
    made_by: str = ""
    protected: bool = False
    verification: str = ""
    removed_at: float | None = None
    removed_by: str = ""

    @property
    def tokens(self) -> tuple[str, str] | None:
        """The service's and the operation's token in its marker; None where it has none."""
        found = MARKER.search(self.notes)
        return (found[1], found[2]) if found else None


def there(diary: Diary, moment: Entry) -> list[File]:
    """The files at a moment of the journal, those removed a little before included."""
    found: dict[str, File] = {}
    for entry, file in changes(diary):
        if entry is moment:
            break
        found[file.volid] = file
    return [file for file in found.values() if file.removed_at is None or file.removed_at >= moment.at - GRACE]


def changes(diary: Diary) -> Iterator[tuple[Entry, File]]:
    """Each coming and going of a file, in order; the File has the state of its end."""
    known = files(diary)
    for entry in diary.journal:
        if entry.what in {"added", "removed"} and entry.subject in known:
            yield entry, known[entry.subject]


def files(diary: Diary) -> dict[str, File]:
    """All files of the journal by volid, each with the state of its end."""
    found: dict[str, File] = {}
    for entry in diary.journal:
        if entry.what == "control" and entry.subject == "verification" and entry.details.get("volid") in found:
            found[entry.details["volid"]].verification = str(entry.details.get("state"))
        if ":backup/" not in entry.subject or entry.what not in {"added", "changed", "removed"}:
            continue
        facts = entry.details
        file = found.setdefault(entry.subject, File(entry.subject, int(facts.get("vmid") or 0), made_by=entry.by))
        if entry.what == "removed":
            file.removed_at, file.removed_by = entry.at, entry.by
            continue
        file.notes, file.protected = str(facts.get("notes") or ""), bool(facts.get("protected"))
    return found


def ours(diary: Diary, what: str) -> Iterator[Entry]:
    """The entries of this kind that are of our token."""
    return (entry for entry in diary.journal if entry.what == what and entry.by == diary.token_id)


def service_of(diary: Diary, file: File) -> Row | None:
    """The service whose token is in the file's marker."""
    tokens = file.tokens
    return next((row for row in diary.rows["service"] if tokens and row["token"] == tokens[0]), None)


def operation_of(diary: Diary, file: File) -> Row | None:
    """The operation whose token is in the file's marker."""
    tokens = file.tokens
    return next((row for row in diary.rows["operation"] if tokens and row["token"] == tokens[1]), None)


def file_of(diary: Diary, operation: Row) -> File | None:
    """The file that an operation made."""
    return next((one for one in files(diary).values() if one.tokens and one.tokens[1] == operation["token"]), None)
