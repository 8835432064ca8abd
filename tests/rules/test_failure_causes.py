"""Every text of Proxmox that is known has a cause in plain words, and the sentences are short."""

from __future__ import annotations

from pathlib import Path

import pytest

from puq_backups.errors import Message
from puq_backups.rules import failure_causes
from puq_backups.rules.failure_causes import Cause, cause_of, explained, raw_text

TEXTS = (Path(__file__).parent / "failure_texts.txt").read_text().splitlines()
"""The ends of failed tasks, refusals and log lines recorded from Proxmox 8 and 9, and those of its source."""
CAUSES = [value for value in vars(failure_causes).values() if isinstance(value, Cause)]


@pytest.mark.parametrize("text", TEXTS)
def test_every_known_text_has_a_cause(text: str) -> None:
    assert cause_of(text) is not failure_causes.UNKNOWN


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("job failed with err -5 - Input/output error", failure_causes.UNREADABLE),
        ("vma_queue_write: write error - No space left on device", failure_causes.FULL),
        ("zstd: error 70 : Write error : cannot write block : No space left on device", failure_causes.FULL),
        ("vma-qemu-100.vma.zst : Read error (39) : premature end", failure_causes.DAMAGED),
        ("got timeout reading VMA header - corrupted?", failure_causes.DAMAGED),
        ("VM is locked (backup)", failure_causes.LOCKED),
        ("unable to restore VM 100 - can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout",
         failure_causes.LOCKED),
        ("command 'zstd -d -c x.zst | vma extract' failed: interrupted by signal", failure_causes.INTERRUPTED),
        ("Permission check failed (/vms/101, VM.Backup)", failure_causes.DENIED),
        ("unable to restore VM 102 - - protection mode enabled", failure_causes.PROTECTED),
        ("unable to restore VM 100 - vm is running", failure_causes.STILL_ON),
        ("VM quit/powerdown failed - got timeout", failure_causes.STILL_ON),
        ("storage 'nope' does not exist", failure_causes.STORAGE_AWAY),
        ("volume 'local:backup/x.vma.zst' does not exist", failure_causes.NO_FILE),
        ("unable to find VM '999'", failure_causes.NO_SERVER),
        ("start failed: QEMU exited with code 1", failure_causes.NO_START),
        ("bridge 'vmbr9' does not exist", failure_causes.NO_START),
        ("Proxmox cannot be reached at 127.0.0.1: [Errno 111] Connection refused", failure_causes.SILENT),
        ("unexpected status", failure_causes.UNEXPLAINED),
        ("There is a max backup limit of 2 enforced by the target storage", failure_causes.LIMIT),
        ("restore failed: unable to read fixed index 'drive-scsi0.img.fidx' - EINVAL", failure_causes.DAMAGED),
        ("restore failed - detected missing cluster 73 for stream drive-scsi0", failure_causes.DAMAGED),
        ("error before or during data restore, some or all disks were not completely restored",
         failure_causes.PARTLY),
        ("error after data was restored, VM disks should be OK", failure_causes.NOT_FITTED),
        ("VM is paused - cannot shutdown", failure_causes.STILL_ON),
        ("no such token 'panel' for user 'backup@pve'", failure_causes.DENIED),
        ("596 Broken pipe", failure_causes.SILENT),
        ("unable to restore VM 100 - VM 100 already exists on node 'pve'", failure_causes.CHANGED),
        ("unable to create VM 100: config file already exists", failure_causes.CHANGED),
        ("checksum mismatch (file change by other user?)", failure_causes.CHANGED),
        ("cfs-lock 'storage-nfs' error: no quorum!", failure_causes.SILENT),
        ("connection check for storage 'nfs' failed - Connection refused", failure_causes.STORAGE_AWAY),
        ("pbs: Cannot find datastore 'vault', check permissions and existence!", failure_causes.STORAGE_AWAY),
        ("'storage-nfs'-locked command timed out - aborting", failure_causes.BUSY),
        ("can't acquire lock '/var/run/vzdump.lock' (wait = 0)", failure_causes.BUSY),
        ("can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout", failure_causes.LOCKED),
        ("cannot remove protected volume 'backup/vzdump-qemu-100.vma.zst' on 'local'", failure_causes.KEPT),
        ("cannot remove protected snapshot vm/100/2026-03-01T01:00:00Z", failure_causes.KEPT),
        ("volume 'local:100/vm-100-disk-9.raw' does not exist", failure_causes.UNREADABLE),
        ("volume 'vmdata:vm-100-disk-9' does not exist", failure_causes.UNREADABLE),
        ("disk image '/var/lib/vz/images/100/vm-100-disk-0.raw' does not exist", failure_causes.UNREADABLE),
        ("Could not determine current size of volume 'vmdata:vm-100-disk-0'", failure_causes.UNREADABLE),
        ("x failed: Content type 'images' is not available on storage 'backup2'", failure_causes.SETTINGS),
        ("Method 'PUT /nodes/pve/vzdump' not implemented", failure_causes.NOT_POSSIBLE),
        ("snapshot feature is not available", failure_causes.NOT_POSSIBLE),
        ("you can't start a vm if it's a template", failure_causes.NO_START),
        ("no physical interface on bridge 'vmbr2'", failure_causes.NO_START),
        ("QEMU guest agent is not running", failure_causes.STILL_ON),
        ("VM 100 not running", failure_causes.SWITCHED_OFF),
        ("zstd: error 70 : Write error : cannot write block : File too large", failure_causes.TOO_LARGE),
        ("a disk of 15960 MiB", failure_causes.UNKNOWN),
        ("a text that nobody has seen", failure_causes.UNKNOWN),
    ],
)  # fmt: skip
def test_cause_is_the_one_a_person_would_name(text: str, cause: Cause) -> None:
    assert cause_of(text) is cause


def test_only_a_damaged_file_is_called_damaged() -> None:
    assert [cause for cause in CAUSES if cause.damaged] == [failure_causes.DAMAGED]


@pytest.mark.parametrize("cause", CAUSES)
def test_sentences_are_short_and_hold_no_word_of_the_machine_room(cause: Cause) -> None:
    for sentence in (cause.sentence.text, cause.advice.text):
        assert len(sentence.split()) < 20
        assert not {"Proxmox", "VM", "task", "node", "exit"} & set(sentence.replace(".", "").split()) - {"task"}


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("The API token lacks {privilege} on {path}, which a restore needs. The provider has to grant it.",
         failure_causes.DENIED),
        ("The token lacks {privilege} on {path}, which reinstalling needs. The provider has to grant it.",
         failure_causes.DENIED),
        ("The server would have {wanted} CPUs, and node {node} has {there}: it would not start.",
         failure_causes.SETTINGS),
        ("The virtual machine {vmid} is not the one that was registered. The provider has to look at it.",
         failure_causes.ANOTHER_SERVER),
        ("Proxmox said that the backup was made, but it is not on the storage.", failure_causes.NOT_FOUND),
        ("The storage {storage} keeps at most {most} backups of a machine by its own retention ({limits}).",
         failure_causes.LIMIT),
        ("Proxmox did not answer: {reason}.", failure_causes.SILENT),
    ],
)  # fmt: skip
def test_reason_for_staff_has_a_cause_in_plain_words(reason: str, cause: Cause) -> None:
    assert explained(Message(reason), "backup") == (cause, reason)


@pytest.mark.parametrize("reason", ["All 3 backups are kept.", "It did not start within 6 hours."])
def test_plain_reason_stays_as_it_is(reason: str) -> None:
    assert explained(Message(reason), "backup") == (None, None)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("write error - No space left on device", failure_causes.NO_ROOM),
        ("zfs error: cannot create 'rpool/vm-100-disk-0': out of space", failure_causes.NO_ROOM),
        ("job failed with err -5 - Input/output error", failure_causes.NOT_COPIED),
        ("VM is locked (backup)", failure_causes.LOCKED),
    ],
)
def test_restore_is_not_explained_by_the_backup_storage(text: str, cause: Cause) -> None:
    assert explained(Message("{proxmox}", proxmox=text), "restore") == (cause, text)


def test_failed_operation_is_not_promised_to_be_tried_again() -> None:
    assert [cause for cause in CAUSES if "We try" in cause.advice.text] == []


def test_text_of_proxmox_is_found_inside_our_sentences() -> None:
    inner = Message("{proxmox}", proxmox="VM is locked (backup)")

    assert raw_text(Message("The restore failed: {proxmox}", proxmox="x y")) == "x y"
    assert raw_text(Message("It failed: {reason}", reason=inner)) == "VM is locked (backup)"
    assert raw_text(Message("All is kept.")) is None
    assert raw_text(None) is None
