"""Rule 1: what our own removals took, judged by what Proxmox held at that moment."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from .archives import File, Files, file_of, operation_of, owner, replay
from .run_record import Row, RunRecord, seconds

TAKEN_OVER = {"adopted", "imported"}
REMOVERS = {"manual", "purge", "bin", "expiry", "again"}
"""Origins of remove operations: a person, the end of a service or of an owner, of the time in the bin, of a safety
copy; a volume that came back after it was removed."""


@dataclass
class Removal:
    """A file that we had removed, with the other files that were there at this moment.

    `asked_at`: when the removal was announced; a lock of the storage may put it off for hours.
    """

    at: float
    asked_at: float
    file: File
    purpose: Row | None
    others: list[File] = field(default_factory=list)
    again: bool = False
    """Whether an operation before had removed it, or asked for that."""


def floor_and_rotation(record: RunRecord) -> Iterator[str]:
    """1. Our own removal never takes the last restorable backup, and no more than rotation may."""
    before: Counter[str] = Counter()
    for one in removals(record):
        # Rule 5 speaks of a removal without a purpose.
        if one.purpose is None:
            continue
        yield from _wrongly_owned(record, one)
        if one.purpose["kind"] == "remove":
            yield from _wrongly_removed(record, one)
        elif not _binned(record, one.file, one.at + record.skew):
            yield from _wrongly_rotated(record, one)
            made = file_of(record, one.purpose)
            before[one.purpose["id"]] += made is None or made.volid not in {other.volid for other in one.others}
    for operation_id, count in before.items():
        if count > 1:
            yield f"1: operation {operation_id} removed {count} backups before it made its own"


def removals(record: RunRecord) -> Iterator[Removal]:
    """The files that tasks of ours removed, each with what was there then."""
    asked: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(record.rows["audit"], key=lambda row: str(row["at"])):
        if row["action"] == "imgdel":
            asked[row["text"]].append(row)
    gone: set[str] = set()
    for entry, known in replay(record):
        if entry.what == "removed" and ":imgdel:" in entry.by and record.token_id in entry.by:
            file, rows = known[entry.subject], asked[f"remove {entry.subject}"]
            purpose = record.operation(rows[-1]["operation_id"]) if rows else None
            again = file.volid in gone or _meant_before(record, file, purpose)
            asked_at = min(entry.at, seconds(rows[-1]["at"]) - record.skew) if rows else entry.at
            yield Removal(entry.at, asked_at, file, purpose, _others(known, entry.at - record.grace, file), again)
            gone.add(file.volid)


def _meant_before(record: RunRecord, file: File, purpose: Row | None) -> bool:
    """Whether another operation had removed the file as far as it could see: its storage was not mounted then."""
    rows = {row["id"] for row in record.rows["backup"] if row["volid"] == file.volid and "id" in row}
    removals = [row for row in record.rows["operation"] if row["kind"] == "remove" and row is not purpose]
    return any(row["backup_id"] in rows and row["state"] == "done" for row in removals)


def _others(known: Files, since: float, but: File) -> list[File]:
    return [
        file for file in known.values()
        if file.volid != but.volid and (file.removed_at is None or file.removed_at >= since)
    ]  # fmt: skip


def _binned(record: RunRecord, file: File, by: float) -> bool:
    """Whether a person's Remove had put it into the bin by a time; a new backup may empty it."""
    said = Counter(
        row["action"] for row in record.rows["audit"]
        if row["text"].startswith(f"{file.volid} by ") and seconds(row["at"]) <= by
    )  # fmt: skip
    return said["bin"] > said["undo"]


def _wrongly_owned(record: RunRecord, one: Removal) -> Iterator[str]:
    purpose = one.purpose or {}
    made_for = owner(record, one.file)
    taken = _taken_over(record, one.file)
    if made_for != purpose["service_id"] and not any(row["service_id"] == purpose["service_id"] for row in taken):
        yield f"1: {one.file.volid} is not of service {purpose['service_id']}, whose operation removed it"


def _taken_over(record: RunRecord, file: File) -> list[Row]:
    """The rows by which a service took an archive over that others made."""
    return [row for row in record.rows["backup"] if row["volid"] == file.volid and row["kind"] in TAKEN_OVER]


def _made_by_others(record: RunRecord, file: File) -> bool:
    return operation_of(record, file) is None or bool(_taken_over(record, file))


def _released(record: RunRecord, file: File, by: float) -> bool:
    """Whether somebody asked to have the archive of others count, by a time."""
    return record.releases.get(file.volid, inf) <= by


def _wrongly_removed(record: RunRecord, one: Removal) -> Iterator[str]:
    purpose, volid = one.purpose or {}, one.file.volid
    origin = purpose["origin"]
    made = operation_of(record, one.file)
    if origin not in REMOVERS:
        yield f"1: {volid} was removed by an operation of origin {origin}"
    if origin == "expiry" and (made is None or made["kind"] == "backup"):
        yield f"1: {volid} expired and is no safety copy"
    if origin == "bin" and not _binned(record, one.file, one.at + record.skew):
        yield f"1: {volid} left the bin, where nobody had put it"
    if origin == "again" and not one.again:
        yield f"1: {volid} was removed again without a removal before"
    if origin == "purge" and made is not None and not _is_over(record, purpose, made):
        yield f"1: {volid} was purged, but service {purpose['service_id']} goes on with the same client"
    asked_at = seconds(purpose["created_at"]) + record.skew
    unkept = one.file.unprotected_at
    if origin in {"manual", "bin"} and unkept and record.token_id in one.file.unprotected_by and unkept > asked_at:
        yield f"1: {volid} was kept and removed"


def _is_over(record: RunRecord, purpose: Row, made: Row) -> bool:
    """Whether the service had ended, or belonged to another client, when the removal was asked for."""
    at = seconds(purpose["created_at"])
    states = record.history.during(purpose["service_id"], at - record.skew, at + record.skew)
    return any(state.status == "terminated" or state.client != made["client_id"] for state in states)


def _wrongly_rotated(record: RunRecord, one: Removal) -> Iterator[str]:
    purpose, volid = one.purpose or {}, one.file.volid
    if (purpose["kind"], purpose["origin"]) != ("backup", "scheduled"):
        yield f"1: {volid} was removed by {purpose['kind']} {purpose['origin']}"
    if one.file.protected:
        yield f"1: {volid} is kept and was rotated"
    if _made_by_others(record, one.file) and not _released(record, one.file, one.at):
        yield f"1: {volid} was made by others, is not released and was rotated"
    if not any(_survives(record, one, other) for other in one.others):
        yield f"1: {volid} was the last restorable backup and was rotated at {one.at}"
    taken = 1 + sum(_counts(record, one, other) for other in one.others)
    states = record.history.during(purpose["service_id"], one.asked_at - record.grace, one.at)
    if states and taken < min(state.quota for state in states):
        yield f"1: {volid} was rotated while only {taken} of {states[-1].quota} places were taken"


def _counts(record: RunRecord, removal: Removal, file: File) -> bool:
    """Whether the file may take a place of the service's quota: not what is certainly outside it."""
    made, service_id = operation_of(record, file), (removal.purpose or {})["service_id"]
    if made is None or _taken_over(record, file):
        theirs = any(row["service_id"] == service_id for row in _taken_over(record, file))
        return theirs and _released(record, file, removal.at)
    return made["service_id"] == service_id and made["kind"] == "backup"


def _survives(record: RunRecord, removal: Removal, other: File) -> bool:
    """Whether the other file is a restorable backup that the service's owner may restore, or was a moment ago."""
    long_ago = removal.at - record.grace
    made, purpose = operation_of(record, other), removal.purpose or {}
    lost = other.removed_at is not None and other.removed_at < long_ago
    failed = other.failed_since is not None and other.failed_since < long_ago
    away = other.away_since is not None and other.away_since < long_ago
    if lost or failed or away or _binned(record, other, long_ago - record.skew):
        return False
    if made is None or _taken_over(record, other):
        return _counts(record, removal, other)
    theirs = made["service_id"] == purpose["service_id"] and made["client_id"] == purpose["client_id"]
    # A safety copy expires by itself.
    return theirs and made["kind"] == "backup" and record.results.get(other.made_by, "OK") != "failed"
