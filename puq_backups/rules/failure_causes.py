"""What a failure means for a customer: the texts of Proxmox, and the sentence and next step shown instead."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import Message


@dataclass(frozen=True)
class Cause:
    """A plain sentence and what to do next.

    `damaged`: the archive itself cannot be used again. `in_a_restore`: what it means where data are put back, if that
    differs: another storage may be meant, and removing a backup does not help.
    """

    sentence: Message
    advice: Message
    damaged: bool = False
    in_a_restore: Cause | None = None


SUPPORT = Message("Contact support.")
AGAIN = Message("Try again. If it fails again, contact support.")
SOON = Message("Try again in a few minutes. If it fails again, contact support.")

DAMAGED = Cause(Message("The file of this backup is damaged."), Message("Restore another backup."), damaged=True)
PARTLY = Cause(Message("Not all data was restored."), Message("Restore again, or restore another backup."))
NOT_FITTED = Cause(Message("The data was restored, but not all settings."), SUPPORT)
NO_ROOM = Cause(Message("A storage is full."), SUPPORT)
FULL = Cause(
    Message("The backup storage is full."), Message("Remove a backup you do not need, or contact support."),
    in_a_restore=NO_ROOM,
)  # fmt: skip
TOO_LARGE = Cause(Message("The backup is too large for its storage."), SUPPORT)
NOT_COPIED = Cause(Message("The data could not be read or written."), AGAIN)
UNREADABLE = Cause(Message("The disk of your server could not be read."), AGAIN, in_a_restore=NOT_COPIED)
INTERRUPTED = Cause(Message("It was interrupted."), AGAIN)
LOCKED = Cause(Message("Another task blocked your server."), SOON)
BUSY = Cause(Message("The backup system was busy."), SOON)
CHANGED = Cause(Message("Your server was moved or changed meanwhile."), SOON)
SWITCHED_OFF = Cause(Message("Your server was switched off meanwhile."), AGAIN)
SILENT = Cause(Message("The server does not answer."), SOON)
STORAGE_AWAY = Cause(
    Message("The backup storage is not available."), SUPPORT,
    in_a_restore=Cause(Message("A storage is not available."), SUPPORT),
)  # fmt: skip
DENIED = Cause(Message("The backup system lacks a permission."), SUPPORT)
PROTECTED = Cause(Message("Your server is protected against changes."), SUPPORT)
KEPT = Cause(Message("The backup is kept."), Message("Choose “Do not keep”, then remove it."))
TOO_MANY_KEPT = Cause(
    Message("No more backups can be kept on this storage."), Message("Choose “Do not keep” for another backup first.")
)
LIMIT = Cause(Message("The storage takes no more backups of this server."), SUPPORT)
NOT_FOUND = Cause(Message("The finished backup was not found."), AGAIN)
NO_FILE = Cause(Message("The file of this backup is no longer there."), Message("Choose another backup."))
NO_SERVER = Cause(Message("Your server was not found."), SUPPORT)
ANOTHER_SERVER = Cause(Message("Support has to check your server first."), SUPPORT)
STILL_ON = Cause(Message("Your server did not stop."), Message("Switch it off yourself, then try again."))
NO_START = Cause(Message("Your server did not start."), SUPPORT)
NO_TEMPLATE = Cause(Message("The system to install could not be copied."), SUPPORT)
SETTINGS = Cause(Message("The settings of your package were not accepted."), SUPPORT)
NOT_POSSIBLE = Cause(Message("This is not possible on this server."), SUPPORT)
UNEXPLAINED = Cause(Message("It stopped, and no reason was given."), AGAIN)
UNKNOWN = Cause(Message("Something went wrong."), SUPPORT)

TABLE: tuple[tuple[tuple[str, ...], Cause], ...] = (
    (("number of protected backups",), TOO_MANY_KEPT),
    (("max backup limit", "by its own retention"), LIMIT),
    (("No space left", "no space", "(not enough|insufficient) (free )?space", "out of space", "has no room",
      "disk quota", r"exit status 70\b"), FULL),
    (("File too large",), TOO_LARGE),
    (("no quorum",), SILENT),
    (("connection check", "Cannot find datastore"), STORAGE_AWAY),
    (("-locked command timed out",), BUSY),
    (("premature end", "Read error", "corrupt", "VMA header", "unexpected end", "crc error",
      "invalid (block )?header", "checksum error", "unable to (open|parse) (file .*archive|VMA)",
      "zstd.*(decod|decompress)", "does not match digest", "missing cluster", "unable to read fixed index"), DAMAGED),
    (("before or during data restore",), PARTLY),
    (("error after data was restored",), NOT_FITTED),
    (("said that the backup was made",), NOT_FOUND),
    (("interrupted by signal", "received interrupt", "was stopped", "aborting",
      "got unexpected control message"), INTERRUPTED),
    ((r"err -5\b", "Input/output error", "I/O error", r"volume '\S*vm-\d+-disk-\S+' does not exist",
      "disk image .* does not exist", "current size of volume"), UNREADABLE),
    (("VM is locked", "can't lock file .*qemu-server", "Proxmox holds"), LOCKED),
    (("can't lock file", "can't acquire lock", "lock request timeout", "another backup is already running",
      "unable to acquire lock", "cfs[- ]lock"), BUSY),
    (("checksum mismatch", "file change by other user", "already exists on node", "config file already exists"),
     CHANGED),
    (("cannot be reached", "cannot reach", "No route", "Connection (refused|reset|timed out)", "timed out",
      "hostname lookup", "Remote end closed", "certificate", "does not answer", "did not answer",
      "not Proxmox answered", "never came", "No node of the cluster", "Name or service",
      r"\b59[569]\b", "qmp command", "broken pipe", "too many redirects",
      "Network is unreachable", "got timeout reading", "communication failure"), SILENT),
    (("powerdown failed", "could not be powered off", "cannot shutdown", "vm is running", "is running - destroy",
      "already running", "still running", "started again each time", "guest agent is not running"), STILL_ON),
    (("HA managed", "not implemented", "snapshot '.*' does not exist", "snapshot feature", "only backups can",
      "restoring an archive is not supported"), NOT_POSSIBLE),
    (("Permission check failed", "permission", "API token", "token lacks", "invalid token", "no such token",
      "authentication", "may not", "[Oo]nly root", r"SDN\.Use", r"\b40[13]\b"), DENIED),
    (("remove protected",), KEPT),
    (("protection mode", "protected"), PROTECTED),
    (("Content type 'images'",), SETTINGS),
    (("could not activate", "unable to activate", "mount point", "storage '[^']*' (does not exist|is )",
      "wrong content type", "fetching datastores", "listing snapshots",
      "could not get storage", "No such storage", r"storage \S+ (is offline|is not)",
      r"Content type '\w+' is not available", "content type needs"), STORAGE_AWAY),
    (("volume '[^']*' does not exist", "can't find file", "no format", "is no longer on (its|the) storage",
      "no such file", "not on the storage", "for locking - ENOENT"), NO_FILE),
    (("unable to find (VM|configuration)", "Configuration file .* does not exist", "is no longer there",
      "no such VM"), NO_SERVER),
    (("is not the one that was registered",), ANOTHER_SERVER),
    (("would have .* CPUs",), SETTINGS),
    (("start failed", "would not start", "does not run", "QEMU exited", "bridge '[^']*' does not exist",
      "no physical interface", "can't start a vm"), NO_START),
    (("not running",), SWITCHED_OFF),
    (("template", "clone", "base volume", "already exists"), NO_TEMPLATE),
    (("Parameter verification", "too large", "not allowed", "shrink", "does not exist", "not supported",
      "not available", "hotplug", "no options specified", "can't set",
      "unable to (parse|use|create)", "option", "config",
      "does not support", "type check", "can't resize", "size of volume"), SETTINGS),
    ((r"exit code 1\b", "unexpected status", "job errors", "without a reason", "no longer knows the task",
      "no such task", "last line", "unable to read tail", "exit (code|status)"), UNEXPLAINED),
)  # fmt: skip
"""Patterns of texts and what they mean; the first that fits counts, in any case."""

PATTERNS = tuple((re.compile("|".join(patterns), re.IGNORECASE), cause) for patterns, cause in TABLE)


def cause_of(text: str) -> Cause:
    """The cause of a failure by the text of Proxmox; UNKNOWN for one that is not in the table."""
    return next((cause for pattern, cause in PATTERNS if pattern.search(text)), UNKNOWN)


STAFF_WORDS = re.compile(r"\b(Proxmox|nodes?|token|bridge|retention|registered|VM)\b")
"""Words of a reason of ours that only staff understands."""


def explained(message: Message | None, kind: str) -> tuple[Cause | None, str | None]:
    """The cause of a failed operation, and the text it stands for; both None where the reason is plain enough.

    `kind` is that of the operation. The text is that of Proxmox inside the reason, or the reason if it is written for
    staff and its cause is known.
    """
    text = raw_text(message)
    cause = cause_of(text) if text else UNKNOWN
    if not text and message and STAFF_WORDS.search(message.text):
        cause = cause_of(str(message))
    if not text and cause is UNKNOWN:
        return None, None
    return (cause.in_a_restore or cause) if kind == "restore" else cause, text or str(message)


def raw_text(message: Message | None) -> str | None:
    """The text of Proxmox inside a message of ours; None where the message holds none."""
    if message is None:
        return None
    for name, value in message.values.items():
        if isinstance(value, Message):
            if inner := raw_text(value):
                return inner
        elif name == "proxmox":
            return str(value)
    return None
