"""What a task's log says: pure functions over its lines, built only on wording that 8 and 9 share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MADE_NO_SENSE = {"", "job errors", "unexpected status"}
"""Exit statuses that say nothing; the reason is in the log."""

PROGRESS = re.compile(
    r"^(?:INFO:\s+(\d{1,3})% \(|progress (\d{1,3})% \(read \d+ bytes|transferred .+ of .+ \((\d{1,3})(?:\.\d+)?%\))"
)
ARCHIVE = re.compile(r"^INFO: creating (.+) archive '(.+)'$")
DISK = re.compile(r"^INFO: include disk '([a-z]+\d+)' '([^']*)'")
FAILED = re.compile(r"^ERROR: Backup of VM \d+ failed - (.+)$")
SHELL = re.compile(r"^(.*?)command '.*' failed: (.+)$")
BARE_CODE = re.compile(r"(?:^|wrong )exit (?:code|status) \d+$")
TOOL = re.compile(
    r"^(?:(?:zstd|gzip|lzop|vma|qemu-img|kvm|pbs-restore|proxmox-backup-client)\b[^:]*: .+"
    r"|.*(?:No space left on device|Read error|premature end).*)$"
)
WARNING = re.compile(r"^WARN(?:ING)?: (.+)$")


def progress(lines: Iterable[str]) -> int | None:
    """The last percentage named, 0 to 100; None before the first. 100 is not yet the end."""
    found = [match for line in lines if (match := PROGRESS.match(line))]
    return min(int(found[-1].group(found[-1].lastindex or 1)), 100) if found else None


def archive_target(lines: Iterable[str], storage: str) -> str | None:
    """The volid of the archive a backup makes. It is named before the data: it exists only if the task ended well."""
    for line in lines:
        if match := ARCHIVE.match(line):
            kind, target = match.groups()
            return f"{storage}:backup/{target.rpartition('/')[2] if kind == 'vzdump' else target}"
    return None


def included_disks(lines: Iterable[str]) -> list[str]:
    """The slots of the disks in a backup; the cloud-init drive, which holds no data, is none."""
    found = [match for line in lines if (match := DISK.match(line))]
    return [match.group(1) for match in found if "cloudinit" not in match.group(2)]


def warnings(lines: Iterable[str]) -> list[str]:
    """The texts of the log's warnings."""
    return [match.group(1) for line in lines if (match := WARNING.match(line))]


def failure_reason(lines: Sequence[str], exitstatus: str | None) -> str:
    """The line of a failed task that a person needs, in one line."""
    reason = _short((exitstatus or "").strip())
    if reason in MADE_NO_SENSE:
        reason = _last(FAILED, lines) or _last(re.compile(r"^ERROR: (.+)$"), lines) or reason
        reason = _short(reason)
    if BARE_CODE.search(reason):
        reason = _tool_said(lines) or reason
    return reason or "the task ended without a reason"


def _short(reason: str) -> str:
    """Without the shell command: it is long, and its reason stands at the end."""
    match = SHELL.match(reason)
    return (match.group(1) + match.group(2)).strip() if match else reason


def _tool_said(lines: Sequence[str]) -> str:
    return next((line.strip() for line in lines if TOOL.match(line.strip())), "")


def _last(pattern: re.Pattern[str], lines: Sequence[str]) -> str:
    return next((match.group(1).strip() for line in reversed(lines) if (match := pattern.match(line))), "")
