"""The rules that no fault may break, checked against Proxmox's journal and our rows. See the README for their words.

Nothing of the product is used here: the marker, the schedule and what a backup is are read anew.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from .archives import GRACE, MARKER, File, changes, file_of, files, operation_of, ours, service_of, there
from .diary import Diary, Row

ENDED = {"done", "failed", "missed", "refused", "skipped", "cancelled"}
ON_ARCHIVES = {"imgdel"}
REMOVERS = {"manual", "purge", "bin", "expiry"}
"""Origins of remove operations: a person, the end of a service, of the time in the bin, of a safety copy."""


@dataclass
class Removal:
    """A file that we had removed, with the files that were there at this moment."""

    at: float
    file: File
    purpose: Row | None
    others: list[File] = field(default_factory=list)


def broken(diary: Diary) -> list[str]:
    """The broken rules of a run, each as a sentence that begins with the rule's number."""
    return [
        *diary.broken,
        *(f"0: the simulator failed: {text}" for text in diary.crashes),
        *(sentence for rule in RULES for sentence in rule(diary)),
    ]


def floor_and_rotation(diary: Diary) -> Iterator[str]:
    """1. Our own removal never takes the last restorable backup, and no more than rotation may."""
    before: Counter[str] = Counter()
    for one in removals(diary):
        # Rule 5 speaks of a removal without a purpose.
        if one.purpose is None:
            continue
        yield from _wrongly_owned(diary, one)
        if one.purpose["kind"] == "remove" or _binned(diary, one.file):
            continue
        yield from _wrongly_rotated(one)
        made = file_of(diary, one.purpose)
        before[one.purpose["id"]] += made is None or made not in one.others
    for operation_id, count in before.items():
        if count > 1:
            yield f"1: operation {operation_id} removed {count} backups before it made its own"


def _binned(diary: Diary, file: File) -> bool:
    """Whether a person's Remove put it into the bin, which a new backup may empty."""
    said = Counter(row["action"] for row in diary.rows["audit"] if row["text"].startswith(f"{file.volid} by "))
    return said["bin"] > said["undo"]


def _wrongly_owned(diary: Diary, one: Removal) -> Iterator[str]:
    purpose, owner = one.purpose or {}, service_of(diary, one.file)
    if owner is None or owner["id"] != purpose["service_id"]:
        yield f"1: {one.file.volid} is not of service {purpose['service_id']}, whose operation removed it"
    if purpose["kind"] == "remove" and purpose["origin"] not in REMOVERS:
        yield f"1: {one.file.volid} was removed by an operation of origin {purpose['origin']}"


def _wrongly_rotated(one: Removal) -> Iterator[str]:
    purpose = one.purpose or {}
    if (purpose["kind"], purpose["origin"]) != ("backup", "scheduled"):
        yield f"1: {one.file.volid} was removed by {purpose['kind']} {purpose['origin']}"
    if one.file.protected:
        yield f"1: {one.file.volid} is kept and was rotated"
    if not any(_survives(one, other) for other in one.others):
        yield f"1: {one.file.volid} was the last restorable backup and was rotated at {one.at}"


def _survives(removal: Removal, other: File) -> bool:
    """Whether the other file is a restorable backup of the same service, or was until a moment ago."""
    lost = other.removed_at is not None and other.removed_at < removal.at - GRACE
    same = other.tokens is not None and removal.file.tokens is not None and other.tokens[0] == removal.file.tokens[0]
    return same and not lost and other.verification != "failed"


def one_writer(diary: Diary) -> Iterator[str]:
    """2. Two tasks of ours never work on one VM at the same time."""
    running: dict[str, set[str]] = defaultdict(set)
    for entry in diary.journal:
        if entry.what not in {"started", "ended"} or diary.token_id not in entry.subject:
            continue
        kind, subject = entry.subject.split(":")[5:7]
        vmid = subject.partition("@")[0]
        if kind in ON_ARCHIVES or not vmid:
            continue
        if entry.what == "ended":
            running[vmid].discard(entry.subject)
            continue
        if running[vmid]:
            yield f"2: {entry.subject} started while {', '.join(running[vmid])} ran"
        running[vmid].add(entry.subject)


def slots_end(diary: Diary) -> Iterator[str]:
    """3. Each slot ends, once."""
    seen: Counter[tuple[str, str]] = Counter()
    for row in diary.rows["operation"]:
        if row["state"] not in ENDED:
            what = f"{row['kind']} {row['id']} of service {row['service_id']}"
            yield f"3: {what} is still {row['state']} ({row['step']})"
        if row["slot_date"]:
            seen[row["service_id"], row["slot_date"]] += 1
    for (service_id, day), count in seen.items():
        if count > 1:
            yield f"3: service {service_id} has {count} slots on {day}"


def files_and_rows(diary: Diary) -> Iterator[str]:
    """4. At the end no owned file is without a row, and no row without a file that is not marked missing."""
    held = {volume.volid: volume for volume in diary.volumes}
    known = {row["volid"] for row in diary.rows["backup"] if row["removed_at"] is None}
    for row in diary.rows["backup"]:
        if row["removed_at"] is None and row["missing_at"] is None and row["volid"] not in held:
            yield f"4: {row['volid']} of service {row['service_id']} has a row and no file"
    tokens = {row["token"] for row in diary.rows["service"]}
    for volid, volume in held.items():
        found = MARKER.search(volume.notes or "")
        if found and found[1] in tokens and volid not in known:
            yield f"4: {volid} is ours and has no row"


def audited(diary: Diary) -> Iterator[str]:
    """5. Each request that destroys something has an audit row with an actor, as often as it was asked."""
    rows = Counter(row["text"] for row in diary.rows["audit"] if row["actor"] and row["action"] == "imgdel")
    asked: Counter[str] = Counter()
    for entry in ours(diary, "asked"):
        method, _, path = entry.subject.partition(" ")
        if method == "DELETE" and "/content/" in path:
            asked[unquote(path.partition("/content/")[2])] += 1
    for volid, count in asked.items():
        if rows[f"remove {volid}"] < count:
            yield f"5: {volid} was asked to be removed {count} times with {rows[f'remove {volid}']} audit rows"


def nothing_twice(diary: Diary) -> Iterator[str]:
    """6. No operation makes two archives, and none restores twice."""
    made: dict[tuple[str, str], set[str]] = defaultdict(set)
    for file in files(diary).values():
        if file.tokens:
            made[file.tokens].add(file.volid)
    for (_, token), volids in made.items():
        if len(volids) > 1:
            yield f"6: the operation with token {token} made {sorted(volids)}"
    restored = Counter(
        entry.subject.split(":")[6]
        for entry in diary.journal
        if entry.what == "ended" and ":qmrestore:" in entry.subject and entry.details["exitstatus"] == "OK"
    )
    for service in diary.rows["service"]:
        asked = sum(
            row["service_id"] == service["id"] and row["kind"] == "restore" for row in diary.rows["operation"]
        )
        if restored[str(service["vmid"])] > asked:
            yield f"6: VM {service['vmid']} was restored {restored[str(service['vmid'])]} times of {asked} asked for"


def no_secret(diary: Diary) -> Iterator[str]:
    """8. The token's secret is in no log line, row, mail or answer."""
    for line in diary.lines:
        if diary.secret in line:
            yield f"8: the log holds the secret: {line}"
    for table, rows in diary.rows.items():
        for row in rows:
            if any(diary.secret in str(value) for value in row.values()):
                yield f"8: a row of {table} holds the secret: {row['id']}"


def quota(diary: Diary) -> Iterator[str]:
    """Quota: a service never holds more than one file above the largest quota that it had."""
    held: Counter[str] = Counter()
    for entry, file in changes(diary):
        service = service_of(diary, file)
        made_by = operation_of(diary, file)
        if service is None or made_by is None or made_by["kind"] != "backup":
            continue
        held[service["id"]] += 1 if entry.what == "added" else -1
        most = max(diary.quotas.get(service["id"], [0])) + 1
        if held[service["id"]] > most:
            yield f"quota: service {service['id']} holds {held[service['id']]} files at {entry.at}, of {most - 1}"


RULES: tuple[Callable[[Diary], Iterator[str]], ...] = (
    floor_and_rotation, one_writer, slots_end, files_and_rows, audited, nothing_twice, no_secret, quota,
)  # fmt: skip


def removals(diary: Diary) -> list[Removal]:
    """The files that tasks of ours removed, each with what was there then."""
    found = []
    for entry, file in changes(diary):
        if entry.what == "removed" and ":imgdel:" in entry.by and diary.token_id in entry.by:
            others = [other for other in there(diary, entry) if other.volid != file.volid]
            found.append(Removal(entry.at, file, _purpose(diary, file), others))
    return found


def _purpose(diary: Diary, file: File) -> Row | None:
    """The operation whose audit row announced the removal: the last one."""
    rows = [row for row in diary.rows["audit"] if row["action"] == "imgdel" and row["text"] == f"remove {file.volid}"]
    return diary.operation(max(rows, key=lambda row: row["at"])["operation_id"]) if rows else None
