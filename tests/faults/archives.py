"""The archives of a run as Proxmox's journal tells them: who made and removed them, and which were there when."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from puq_backups.simulator.world.journal import Entry

from .run_record import Row, RunRecord

MARKER = re.compile(r"\[puqb:(\w+)\.(\w+)\]\s*$")
AWAY = {"storage-offline", "storage-removed"}
"""Controls by which a storage cannot be read; one that is empty has no files in the journal either."""


@dataclass(frozen=True)
class File:
    """An archive as Proxmox held it at a moment. `away_since`: since when its storage cannot be read."""

    volid: str
    vmid: int
    notes: str = ""
    made_at: float = 0.0
    made_by: str = ""
    protected: bool = False
    unprotected_at: float | None = None
    unprotected_by: str = ""
    failed_since: float | None = None
    damaged: bool = False
    removed_at: float | None = None
    removed_by: str = ""
    away_since: float | None = None

    @property
    def tokens(self) -> tuple[str, str] | None:
        """The service's and the operation's token in its marker; None where it has none."""
        found = MARKER.search(self.notes)
        return (found[1], found[2]) if found else None

    @property
    def storage(self) -> str:
        """The storage's name."""
        return self.volid.partition(":")[0]


Files = dict[str, File]


def replay(record: RunRecord) -> Iterator[tuple[Entry, Files]]:
    """Each entry of the journal with all files as they were just before it, those removed meanwhile included."""
    known: Files = {}
    away: dict[str, float] = {}
    for entry in record.journal:
        yield entry, known
        if entry.what == "control":
            _control(entry, known, away)
        elif ":backup/" in entry.subject and entry.what in {"added", "changed", "removed"}:
            known[entry.subject] = _changed(known.get(entry.subject), entry)


def _control(entry: Entry, known: Files, away: dict[str, float]) -> None:
    facts, undone = entry.details, entry.subject == "undo"
    name = str(facts.get("of")) if undone else entry.subject
    if name in AWAY or name == "storage-online":
        storages = [str(facts["storage"])] if "storage" in facts else list(away)
        for storage in storages:
            away.pop(storage, None)
            if name in AWAY and not undone:
                away[storage] = entry.at
            for volid, file in known.items():
                if file.storage == storage:
                    known[volid] = replace(file, away_since=away.get(storage))
    found = known.get(str(facts.get("volid")))
    if found and name == "verification":
        failed = facts.get("state", "failed") == "failed" and not undone
        known[found.volid] = replace(found, failed_since=entry.at if failed else None)
    if found and name == "archive-damaged":
        known[found.volid] = replace(found, damaged=not undone)


def _changed(before: File | None, entry: Entry) -> File:
    facts = entry.details
    file = before or File(entry.subject, int(facts.get("vmid") or 0), made_at=entry.at, made_by=entry.by)
    if entry.what == "removed":
        return replace(file, removed_at=entry.at, removed_by=entry.by)
    protected = bool(facts.get("protected"))
    if file.protected and not protected:
        file = replace(file, unprotected_at=entry.at, unprotected_by=entry.by)
    return replace(file, notes=str(facts.get("notes") or ""), protected=protected, removed_at=None, removed_by="")


def files(record: RunRecord) -> Files:
    """All files of the journal by volid, each with the state of its end."""
    known: Files = {}
    for _, known in replay(record):  # noqa: B007 - the last one
        pass
    return known


def ours(record: RunRecord, what: str) -> Iterator[Entry]:
    """The entries of this kind that are of our token."""
    return (entry for entry in record.journal if entry.what == what and entry.by == record.token_id)


def operation_of(record: RunRecord, file: File) -> Row | None:
    """The operation whose token is in the file's marker."""
    tokens = file.tokens
    return next((row for row in record.rows["operation"] if tokens and row["token"] == tokens[1]), None)


def owner(record: RunRecord, file: File) -> str | None:
    """The id of the service whose token, present or earlier, is in the file's marker."""
    return record.history.tokens().get(file.tokens[0]) if file.tokens else None


def file_of(record: RunRecord, operation: Row) -> File | None:
    """The file that an operation made."""
    return next((one for one in record.files.values() if one.tokens and one.tokens[1] == operation["token"]), None)
