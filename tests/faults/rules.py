"""The rules that no fault may break, checked against Proxmox's journal and our rows. See the README for their words.

Nothing of the product is used here: the marker, the schedule and what a backup is are read anew.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from puq_backups.simulator.world.journal import Entry

from .archives import MARKER, operation_of, replay
from .removals import floor_and_rotation
from .run_record import RunRecord
from .slots import ENDED, slots_end, wrongly_ended

ON_ARCHIVES = {"imgdel"}
OF_A_VM = re.compile(r"(?:POST|PUT|DELETE) /nodes/[^/]+/qemu/(\d+)(?!.*/(?:agent|clone))")
NEW_TASK = re.compile(r"POST /nodes/[^/]+/(?:qemu|vzdump)$")
DELETED = re.compile(r"DELETE /nodes/[^/]+/storage/[^/]+/content/(.+)$")
NOT_FOUND = "There is nothing here."


def broken(record: RunRecord, *, real: bool = False) -> list[str]:
    """The broken rules of a run, each as a sentence that begins with the rule's number. `real`: in real time."""
    wanted = [all_ended if real and rule is slots_end else rule for rule in RULES]
    return [
        *record.broken,
        *(f"0: the simulator failed: {text}" for text in record.crashes),
        *(sentence for rule in wanted for sentence in rule(record)),
    ]


def one_writer(record: RunRecord) -> Iterator[str]:
    """2. While a task of ours works on a VM, no other one starts, and nothing asks to change this VM."""
    running: dict[str, set[str]] = defaultdict(set)
    for entry in record.journal:
        if entry.what == "asked" and entry.by == record.token_id:
            vmid = _written(entry)
            if running[vmid]:
                yield f"2: {entry.subject} was asked for while {', '.join(running[vmid])} ran"
        if entry.what not in {"started", "ended"} or record.token_id not in entry.subject:
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


def _written(entry: Entry) -> str:
    """The VM that a request changes, "" if it changes none."""
    found = OF_A_VM.match(entry.subject)
    if found:
        return found[1]
    return str(entry.details["params"].get("vmid", "")) if NEW_TASK.match(entry.subject) else ""


def same_machine(record: RunRecord) -> Iterator[str]:
    """2. A VM of somebody else that has got the VMID is neither backed up nor changed."""
    foreign: set[str] = set()
    for entry in record.journal:
        if entry.what == "control" and entry.subject in {"vmid-reused", "undo"}:
            reused = entry.subject == "vmid-reused" or entry.details.get("of") == "vmid-reused"
            if reused and entry.subject == "undo":
                foreign.clear()
            elif reused:
                foreign.add(str(entry.details["vmid"]))
        if entry.what == "started" and record.token_id in entry.subject:
            kind, vmid = entry.subject.split(":")[5:7]
            if kind not in ON_ARCHIVES and vmid in foreign:
                yield f"2: {entry.subject} works on the VM of somebody else"


def files_and_rows(record: RunRecord) -> Iterator[str]:
    """4. At the end no owned file is without a row, and no row without a file that is not marked missing."""
    held = {volume.volid: volume for volume in record.volumes}
    known = {row["volid"] for row in record.rows["backup"] if row["removed_at"] is None}
    for row in record.rows["backup"]:
        if row["removed_at"] is None and row["missing_at"] is None and row["volid"] not in held:
            yield f"4: {row['volid']} of service {row['service_id']} has a row and no file"
    tokens = record.history.tokens()
    for volid, volume in held.items():
        found = MARKER.search(volume.notes or "")
        if found and found[1] in tokens and volid not in known:
            yield f"4: {volid} is ours and has no row"


def audited(record: RunRecord) -> Iterator[str]:
    """5. Each request that destroys something was announced by a committed audit row with an actor."""
    asked: Counter[str] = Counter()
    for one in record.destructions:
        asked[one.request] += 1
        if one.announced < asked[one.request]:
            yield f"5: {one.request} was sent for the {asked[one.request]}. time with {one.announced} audit rows"


def nothing_twice(record: RunRecord) -> Iterator[str]:
    """6. No operation makes two archives, and none restores or clones twice."""
    made: dict[tuple[str, str], set[str]] = defaultdict(set)
    for file in record.files.values():
        if file.tokens:
            made[file.tokens].add(file.volid)
    for (_, token), volids in made.items():
        if len(volids) > 1:
            yield f"6: the operation with token {token} made {sorted(volids)}"
    done: dict[str, Counter[str]] = {"qmrestore": Counter(), "qmclone": Counter()}
    for upid, result in record.results.items():
        kind, subject = upid.split(":")[5:7]
        if result == "OK" and kind in done:
            done[kind][subject] += 1
    vmids = {
        service_id: {str(state.vmid) for state in states} for service_id, states in record.history.states.items()
    }
    for vmid, count in done["qmrestore"].items():
        asked = sum(
            row["kind"] == "restore" and vmid in vmids.get(row["service_id"], ()) for row in record.rows["operation"]
        )
        if count > asked:
            yield f"6: VM {vmid} was restored {count} times of {asked} asked for"
    clones, wanted = done["qmclone"].total(), sum(row["kind"] == "reinstall" for row in record.rows["operation"])
    if clones > wanted:
        yield f"6: {clones} VMs were cloned for {wanted} reinstallations"


def strangers(record: RunRecord) -> Iterator[str]:
    """7. What is somebody else's is answered as if it were not there, without Proxmox and without a change."""
    for one in record.intrusions:
        if one.answer != NOT_FOUND or one.calls or one.changed:
            changed = " and a changed row" if one.changed else ""
            yield f"7: {one.function} on a foreign backup: {one.answer!r} after {one.calls} calls{changed}"


def no_secret(record: RunRecord) -> Iterator[str]:
    """8. Neither the token's secret nor our key is in a log line, row, mail or answer."""
    for line in record.lines:
        if any(secret in line for secret in record.secrets):
            yield f"8: the log holds a secret: {line}"
    for table, rows in record.rows.items():
        for row in rows:
            if any(secret in str(value) for secret in record.secrets for value in row.values()):
                yield f"8: a row of {table} holds a secret: {row.get('id') or row}"
    for name, answer in record.answers:
        if any(secret in answer for secret in record.secrets):
            yield f"8: the answer of {name} holds a secret: {answer}"


def quota(record: RunRecord) -> Iterator[str]:
    """Quota: an owner of a service never holds more than one file above the largest quota that it had.

    Left out is a file that Proxmox was told to remove, which it may have refused, and one that was gone and came back
    with its storage: another one has its place by then.
    """
    held: dict[tuple[str, str], set[str]] = defaultdict(set)
    outside: set[str] = set()
    seen: set[str] = set()
    for entry, _ in replay(record):
        if entry.what == "asked" and (volume := DELETED.match(entry.subject)):
            outside.add(volume[1])
        file = record.files.get(entry.subject)
        made = operation_of(record, file) if file and entry.what in {"added", "removed"} else None
        if made is None or made["kind"] != "backup":
            continue
        theirs = held[made["service_id"], made["client_id"]]
        if entry.what == "removed":
            theirs.discard(entry.subject)
            continue
        theirs.add(entry.subject)
        outside |= {entry.subject} & seen
        seen.add(entry.subject)
        most = max(record.quotas.get(made["service_id"], [0])) + 1
        if (count := len(theirs - outside)) > most:
            yield f"quota: service {made['service_id']} holds {count} files, not {most}"


def all_ended(record: RunRecord) -> Iterator[str]:
    """3, where the time is not ours: each operation ended, no slot is there twice, and the last day's is there."""
    slots: Counter[tuple[str, str]] = Counter()
    for row in record.rows["operation"]:
        if row["state"] not in ENDED:
            yield f"3: {row['kind']} {row['id']} of service {row['service_id']} is still {row['state']}"
        if row["slot_date"]:
            slots[row["service_id"], row["slot_date"]] += 1
            yield from wrongly_ended(record, row)
    for (service_id, day), count in slots.items():
        if count > 1:
            yield f"3: service {service_id} has {count} slots on {day}"
    # A backup of that day that was there before counts as its slot.
    made = {(row["service_id"], row["local_date"]) for row in record.rows["backup"]}
    for service_id, day in record.promised.items():
        if (service_id, day) not in made and not slots[service_id, day]:
            yield f"3: service {service_id} has no slot on {day}, for which a schedule was saved"


RULES: tuple[Callable[[RunRecord], Iterator[str]], ...] = (
    floor_and_rotation, one_writer, same_machine, slots_end, files_and_rows, audited, nothing_twice, strangers,
    no_secret, quota,
)  # fmt: skip
