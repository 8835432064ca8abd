"""Parses task logs. Pure functions on the lines; they rely only on wording that PVE 8 and 9 share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

UNINFORMATIVE = {"", "job errors", "unexpected status"}
"""Exit statuses without a reason; it is in the log."""

PROGRESS = re.compile(
    r"^(?:INFO:\s+(\d{1,3})% \(|progress (\d{1,3})% \(read \d+ bytes|transferred .+ of .+ \((\d{1,3})(?:\.\d+)?%\))"
)
READ = re.compile(r"^progress (\d{1,3})% \(read (\d+) bytes")
COPIED = re.compile(r"^INFO:\s+\d{1,3}% \(([\d.]+ \w+) of ([\d.]+ \w+)\) in [^,]+, read: ([\d.]+ \w+)/s")
UNITS = {"B": 0, "KiB": 1, "MiB": 2, "GiB": 3, "TiB": 4}
DEVICE = re.compile(r"^DEV: dev_id=\d+ size: (\d+) devname: drive-([a-z]+\d+)")
IMAGE = re.compile(r"^restore proxmox backup image: .*\bdrive-([a-z]+\d+)(?:-backup)?\.img\.fidx")
"""The start of one disk of a PBS restore. The TPM state's part of a backup is named `drive-tpmstate0-backup`."""
ARCHIVE = re.compile(r"^INFO: creating (.+) archive '(.+)'$")
DISK = re.compile(r"^INFO: include disk '([a-z]+\d+)' '([^']*)'")
FAILED = re.compile(r"^ERROR: Backup of VM \d+ failed - (.+)$")
SHELL = re.compile(r"^(.*?)command '.*' failed: (.+)$")
BARE = re.compile(r"(?:(?:^|wrong )exit (?:code|status) \d+|Broken pipe)$")
"""Reasons that only name the end of a tool; the tool's own message is in the log."""
TOOL = re.compile(
    r"^(?:(?:zstd|gzip|lzop|vma|qemu-img|pbs-restore|proxmox-backup-client|restore failed)\b[^:]*: .+"
    r"|.*(?:No space left on device|Disk quota exceeded|File too large|Read error|premature end).*)$"
)
GLIB_ERROR = re.compile(r"^\*\* \(process:\d+\): ERROR \*\*: (?:[\d:.]+: )?(.+)$")
QEMU_EXITED = re.compile(r"^(.*\b)?QEMU exited with code \d+$")
QEMU_SAID = re.compile(r"^(?:kvm|qemu-system-\w+): (?!warning: |info: )(.+)$")
BRIDGE_SCRIPT = re.compile(r"network script .+ failed with status \d+$")
DAMAGED = re.compile(
    r"unable to read fixed index|unable to (?:open|load|parse) .*\.[fd]idx|detected missing cluster|short vma extent"
    r"|wrong vma (?:header|extent)|vma .*(?:checksum|corrupt)|VMA header - corrupted|\bmd5 checksum|digest mismatch"
    r"|wrong digest|chunk .*(?:missing|corrupt|not found)|\.chunks/|Decoding error|Data corruption|Corrupted block"
    r"|unexpected end of file|premature end|invalid compressed data|Restored data doesn't match checksum"
)
"""Errors of tools that read an archive whose content is incomplete or wrong."""
FREEZE_FAILED = re.compile(r"^ERROR: .*\bguest-fsfreeze-freeze' failed - (.+)$")
WAITS = "INFO: trying to get global lock - waiting..."
WARNING = re.compile(r"^WARN(?:ING)?: (.+)$")


def progress(lines: Iterable[str]) -> int | None:
    """The last percentage in the log, 0 to 100; None if there is none. At 100 the task may still run."""
    found = [match for line in lines if (match := PROGRESS.match(line))]
    return min(int(found[-1].group(found[-1].lastindex or 1)), 100) if found else None


@dataclass(frozen=True)
class RestoreProgress:
    """Progress of a restore in bytes over all disks.

    `disk` is the number of the current disk, from 1 to `disks`; None if all disks are written at once.
    """

    done: int
    total: int
    disk: int | None
    disks: int

    @property
    def percent(self) -> int:
        """0 to 100."""
        return self.done * 100 // self.total if self.total else 0


def restore_progress(lines: Sequence[str], sizes: Mapping[str, int]) -> RestoreProgress | None:
    """Progress of a restore, or None before its data. `sizes`: bytes of each disk by slot, where known."""
    named = {match.group(2): int(match.group(1)) for line in lines if (match := DEVICE.match(line))}
    parts = _parts(lines)
    if "" in parts:
        total = sum((named or sizes).values())
        return RestoreProgress(min(parts[""].done, total), total, None, len(named or sizes))
    if not parts:
        return None
    # PBS restores disk after disk and counts each one from 0.
    whole = {slot: part.total for slot, part in parts.items()} | dict(sizes)
    *before, last = parts
    done = sum(whole[slot] for slot in before) + min(parts[last].done, whole[last])
    return RestoreProgress(done, sum(whole.values()), len(parts), len(whole))


def _parts(lines: Iterable[str]) -> dict[str, RestoreProgress]:
    """Progress by slot in the order of restoring; under "" if all disks are counted as one."""
    found: dict[str, RestoreProgress] = {}
    slot = ""
    for line in lines:
        if match := IMAGE.match(line):
            slot = match.group(1)
            found[slot] = RestoreProgress(0, 0, None, 1)
        elif match := READ.match(line):
            percent, done = int(match.group(1)), int(match.group(2))
            found[slot] = RestoreProgress(done, done * 100 // max(percent, 1), None, 1)
    return found


@dataclass(frozen=True)
class BackupProgress:
    """How far a backup's data are, in bytes; `rate` is what was read in a second lately."""

    done: int
    total: int
    rate: int


def backup_progress(lines: Sequence[str]) -> BackupProgress | None:
    """What the last progress line of a backup says; None before the first."""
    match = next((match for line in reversed(lines) if (match := COPIED.match(line))), None)
    return BackupProgress(*(_bytes(text) for text in match.groups())) if match else None


def _bytes(text: str) -> int:
    number, unit = text.split()
    return int(float(number) * float(1024 ** UNITS.get(unit, 0)))


def waits_for_node(lines: Sequence[str]) -> bool:
    """Whether a backup waits for another one, because a node runs one vzdump at a time."""
    return bool(lines) and lines[-1] == WAITS


def archive_target(lines: Iterable[str], storage: str) -> str | None:
    """The volid of the archive that a vzdump task makes; it exists only if the task succeeded."""
    for line in lines:
        if match := ARCHIVE.match(line):
            kind, target = match.groups()
            return f"{storage}:backup/{target.rpartition('/')[2] if kind == 'vzdump' else target}"
    return None


def included_disks(lines: Iterable[str]) -> list[str]:
    """The slots of the disks in a backup, without the cloud-init drive, which holds no data."""
    found = [match for line in lines if (match := DISK.match(line))]
    return [match.group(1) for match in found if "cloudinit" not in match.group(2)]


def warnings(lines: Iterable[str]) -> list[str]:
    """The warnings in the log."""
    return [match.group(1) for line in lines if (match := WARNING.match(line))]


def failure_reason(lines: Sequence[str], exitstatus: str | None) -> str:
    """The reason why a task failed, in one line."""
    reason = _short((exitstatus or "").strip())
    if reason in UNINFORMATIVE:
        reason = _last(FAILED, lines) or _last(re.compile(r"^ERROR: (.+)$"), lines) or reason
        reason = _short(reason)
    if BARE.search(reason):
        reason = _tool_error(lines) or reason
    elif match := QEMU_EXITED.match(reason):
        error = _qemu_error(lines)
        reason = f"{match.group(1) or ''}{error}" if error else reason
    return reason or "the task ended without a reason"


def is_damaged(lines: Iterable[str]) -> bool:
    """Whether the log of a failed restore shows that the archive itself is incomplete or damaged."""
    return any(DAMAGED.search(line) for line in lines)


def freeze_error(lines: Iterable[str]) -> str | None:
    """Why the guest agent could not freeze the file systems for a backup, or None."""
    return next((match.group(1) for line in lines if (match := FREEZE_FAILED.match(line))), None)


def _short(reason: str) -> str:
    """Cut the shell command out of a reason; the actual error is at its end."""
    match = SHELL.match(reason)
    return (match.group(1) + match.group(2)).strip() if match else reason


def _tool_error(lines: Sequence[str]) -> str:
    for line in map(str.strip, lines):
        if match := GLIB_ERROR.match(line):
            return match.group(1)
        if TOOL.match(line):
            return line
    return ""


def _qemu_error(lines: Sequence[str]) -> str:
    """QEMU's last error. If its network script failed: the script's error, which is the line before."""
    for at in reversed(range(len(lines))):
        match = QEMU_SAID.match(lines[at].strip())
        if match:
            script = at > 0 and BRIDGE_SCRIPT.search(lines[at])
            return lines[at - 1].strip() if script else match.group(1)
    return ""


def _last(pattern: re.Pattern[str], lines: Sequence[str]) -> str:
    return next((match.group(1).strip() for line in reversed(lines) if (match := pattern.match(line))), "")
