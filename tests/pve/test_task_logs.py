"""Task logs: progress, archive, disks, and the line a person needs."""

import pytest

from puq_backups.pve.task_logs import (
    RestoreProgress,
    archive_target,
    failure_reason,
    freeze_error,
    included_disks,
    is_damaged,
    progress,
    restore_progress,
    waits_for_node,
    warnings,
)

from .answers import RECORDED, recorded_steps

SHELL = (
    "command 'set -o pipefail && zstd -q -d -c /mnt/a.vma.zst | vma extract -v -r /var/tmp/v1.fifo - /var/tmp/v1' "
    "failed: "
)
BACKUP = [
    "INFO: trying to get global lock - waiting...",
    "INFO: got global lock",
    "INFO: starting new backup job: vzdump 100 --storage nfs --notes-template 'x [puqb:a.b]'",
    "INFO: include disk 'scsi0' 'local-lvm:vm-100-disk-0' 32G",
    "INFO: exclude disk 'scsi1' 'local-lvm:vm-100-disk-1' (backup=no)",
    "INFO: include disk 'ide2' 'local-lvm:vm-100-cloudinit' 4M",
    "INFO: include disk 'efidisk0' 'local-lvm:vm-100-disk-2' 528K",
    "INFO: creating vzdump archive '/mnt/pve/nfs/dump/vzdump-qemu-100-2026_01_02-03_04_05.vma.zst'",
    "INFO:   3% (1.1 GiB of 32.0 GiB) in 3s, read: 362.6 MiB/s, write: 301.2 MiB/s",
    "INFO:  12% (3.9 GiB of 32.0 GiB) in 15s, read: 266.2 MiB/s, write: 260.1 MiB/s",
]


@pytest.mark.parametrize(
    ("lines", "percent"),
    [
        ([], None),
        (BACKUP[:8], None),
        (BACKUP, 12),
        (
            [
                "INFO: 100% (32.0 GiB of 32.0 GiB) in 1m 38s, read: 1 B/s, write: 0 B/s",
                "INFO: archive file size: 5GB",
            ],
            100,
        ),
        (["progress 12% (read 1288503296 bytes, duration 5 sec)"], 12),
        (["progress 7% (read 100 bytes, zeroes = 0% (0 bytes), duration 5 sec)"], 7),
        (["INFO: backup is sparse: 20.10 GiB (62%) total zero data"], None),
        (["INFO: transferred 32.00 GiB in 98 seconds (334.4 MiB/s)"], None),
        (["transferred 0.0 B of 32.0 MiB (0.00%)", "transferred 13.1 MiB of 32.0 MiB (40.94%)"], 40),
    ],
)
def test_progress_is_the_last_percentage(lines: list[str], percent: int | None) -> None:
    assert progress(lines) == percent


def test_backup_waits_until_its_node_is_free() -> None:
    assert [waits_for_node(BACKUP[:length]) for length in range(4)] == [False, True, False, False]


@pytest.mark.parametrize(
    ("line", "volid"),
    [
        (BACKUP[7], "nfs:backup/vzdump-qemu-100-2026_01_02-03_04_05.vma.zst"),
        (
            "INFO: creating Proxmox Backup Server archive 'vm/100/2026-01-02T03:04:05Z'",
            "nfs:backup/vm/100/2026-01-02T03:04:05Z",
        ),
        ("INFO: creating Some Provider archive 'vm/100/a'", "nfs:backup/vm/100/a"),
        ("INFO: archive file size: 5.12GB", None),
    ],
)
def test_the_archive_is_named_as_its_storage_lists_it(line: str, volid: str | None) -> None:
    assert archive_target([BACKUP[2], line], "nfs") == volid


def test_disks_are_those_with_data_in_the_backup() -> None:
    assert included_disks(BACKUP) == ["scsi0", "efidisk0"]


def test_warnings_are_told() -> None:
    lines = ["INFO: x", "WARN: unable to add notes - got timeout", "ERROR: y", "WARNING: z"]

    assert warnings(lines) == ["unable to add notes - got timeout", "z"]


@pytest.mark.parametrize(
    ("lines", "exitstatus", "reason"),
    [
        (["ERROR: Backup of VM 100 failed - VM is locked (backup)", "TASK ERROR: job errors"], "job errors",
         "VM is locked (backup)"),
        (["ERROR: job failed with err -5 - Input/output error",
          "ERROR: Backup of VM 100 failed - job failed with err -5 - Input/output error"], "job errors",
         "job failed with err -5 - Input/output error"),
        (["zstd: error 70 : Write error : cannot write block : No space left on device ",
          "ERROR: Backup of VM 100 failed - zstd --threads=1 failed - wrong exit status 70"], "job errors",
         "zstd: error 70 : Write error : cannot write block : No space left on device"),
        (["ERROR: can't acquire lock '/var/run/vzdump.lock' (wait = 0)"], "unexpected status",
         "can't acquire lock '/var/run/vzdump.lock' (wait = 0)"),
        (["INFO: Backup started"], "unexpected status", "unexpected status"),
        ([], None, "the task ended without a reason"),
        ([], "interrupted by signal", "interrupted by signal"),
        ([], "403 Permission check failed (/vms/100, VM.Backup)",
         "403 Permission check failed (/vms/100, VM.Backup)"),
        ([], "unable to restore VM 100 - vm is running", "unable to restore VM 100 - vm is running"),
        ([], SHELL + "storage 'nope' does not exist", "storage 'nope' does not exist"),
        ([], "start failed: " + SHELL + "got timeout", "start failed: got timeout"),
        (["progress 0% (read 65536 bytes, duration 0 sec)", "vma: short vma extent - data is missing"],
         SHELL + "exit code 1", "vma: short vma extent - data is missing"),
        ([], SHELL + "exit code 1", "exit code 1"),
        (["download and verify backup index",
          "restore failed: unable to read fixed index 'drive-scsi0.img.fidx' - EINVAL: Invalid argument",
          "temporary volume 'local-lvm:vm-100-disk-0' sucessfuly removed"],
         "command '/usr/bin/pbs-restore --repository x vm/100/y drive-scsi0.img.fidx' failed: exit code 255",
         "restore failed: unable to read fixed index 'drive-scsi0.img.fidx' - EINVAL: Invalid argument"),
        (["** (process:6753): ERROR **: 18:07:19.456: restore failed - detected missing cluster 73 for stream x",
          "/bin/bash: line 1:  6752 Broken pipe             zstd -q -d -c /mnt/pve/nas/dump/x.vma.zst"],
         SHELL + "exit code 133", "restore failed - detected missing cluster 73 for stream x"),
        (["zstd: error 70 : Write error : cannot write block : Disk quota exceeded",
          "ERROR: Backup of VM 100 failed - vma_queue_write: write error - Broken pipe"], "job errors",
         "zstd: error 70 : Write error : cannot write block : Disk quota exceeded"),
        (["zstd: error 70 : Write error : cannot write block : File too large",
          "ERROR: Backup of VM 100 failed - vma_queue_write: write error - Broken pipe"], "job errors",
         "zstd: error 70 : Write error : cannot write block : File too large"),
        (["no physical interface on bridge 'vmbr2'",
          "kvm: -netdev type=tap: network script /usr/libexec/qemu-server/pve-bridge failed with status 6400"],
         "start failed: QEMU exited with code 1",
         "start failed: no physical interface on bridge 'vmbr2'"),
        (["kvm: warning: TSC frequency mismatch", "kvm: maxcpus must be equal to or greater than smp",
          "TASK ERROR: start failed: QEMU exited with code 1"], "start failed: QEMU exited with code 1",
         "start failed: maxcpus must be equal to or greater than smp"),
        (["kvm: warning: TSC frequency mismatch"], "start failed: QEMU exited with code 1",
         "start failed: QEMU exited with code 1"),
    ],
)  # fmt: skip
def test_the_reason_is_the_line_a_person_needs(lines: list[str], exitstatus: str | None, reason: str) -> None:
    assert failure_reason(lines, exitstatus) == reason


@pytest.mark.parametrize(
    ("line", "damaged"),
    [
        ("restore failed: unable to read fixed index 'drive-scsi0.img.fidx' - EINVAL: Invalid argument", True),
        ("** (process:1): ERROR **: 1:2:3.4: restore failed - detected missing cluster 73 for stream x", True),
        ("vma: restore failed - short vma extent (123 < 65536)", True),
        ("zstd: /*stdin*\\: unsupported format", False),
        ("/*stdin*\\ : Decoding error (36) : Restored data doesn't match checksum", True),
        ("vma: restore failed - write error: No space left on device", False),
        ("storage 'ceph' does not exist", False),
    ],
)
def test_damage_is_told_from_other_failures(line: str, damaged: bool) -> None:
    assert is_damaged(["progress 1% (read 1 bytes, duration 1 sec)", line]) is damaged


def test_failed_freeze_of_the_file_systems_is_found() -> None:
    lines = [*BACKUP, "ERROR: VM 106 qmp command 'guest-fsfreeze-freeze' failed - got timeout"]

    assert (freeze_error(lines), freeze_error(BACKUP)) == ("got timeout", None)


RECORDED_TASKS = [step["task"] for step in recorded_steps() if step.get("task")]
with_recordings = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recordings are not beside the repository")


@with_recordings
def test_recorded_backups_name_their_archive_and_disks() -> None:
    made = [task for task in RECORDED_TASKS if task["type"] == "vzdump" and task["exitstatus"] == "OK"]

    assert len(made) > 50
    for task in made:
        volid = archive_target(task["log"], "local") or ""
        assert volid.startswith(f"local:backup/vzdump-qemu-{task['id']}-")
        assert included_disks(task["log"])[0] == "scsi0"
        assert progress(task["log"]) == 100


@with_recordings
def test_recorded_restores_show_progress() -> None:
    done = [task for task in RECORDED_TASKS if task["type"] == "qmrestore" and task["exitstatus"] == "OK"]

    assert len(done) > 20
    assert {progress(task["log"]) for task in done} == {100}


@with_recordings
def test_recorded_failures_have_a_short_reason() -> None:
    failed = [task for task in RECORDED_TASKS if task["exitstatus"] != "OK"]
    reasons = {failure_reason(task["log"], task["exitstatus"]) for task in failed}

    assert len(failed) > 50
    assert not [reason for reason in reasons if reason in {"job errors", "unexpected status"} or "pipefail" in reason]
    assert not [reason for reason in reasons if "\n" in reason or "wrong exit status" in reason]
    assert {reason for reason in reasons if "exit code" in reason} <= {"start failed: QEMU exited with code 1"}


VMA = [
    "DEV: dev_id=1 size: 4194304 devname: drive-ide2",
    "DEV: dev_id=2 size: 20971520 devname: drive-scsi0",
    "progress 50% (read 12582912 bytes, duration 5 sec)",
]
PBS = "restore proxmox backup image: /usr/bin/pbs-restore --repository a@pbs@b:c vm/1/2 drive-{}.img.fidx /dev/x"


def test_a_vma_moves_all_disks_at_once() -> None:
    assert restore_progress(VMA, {}) == RestoreProgress(12582912, 25165824, None, 2)
    assert restore_progress(VMA[:2], {}) is None


def test_a_pbs_counts_each_disk_from_0_and_is_weighted_over_all() -> None:
    lines = [
        PBS.format("scsi0"), "progress 100% (read 100 bytes, zeroes = 0% (0 bytes), duration 5 sec)",
        PBS.format("scsi1"), "progress 10% (read 30 bytes, zeroes = 0% (0 bytes), duration 5 sec)",
    ]  # fmt: skip

    assert restore_progress(lines[:1], {"scsi0": 100, "scsi1": 300}) == RestoreProgress(0, 400, 1, 2)
    assert restore_progress(lines, {"scsi0": 100, "scsi1": 300}) == RestoreProgress(130, 400, 2, 2)
    assert restore_progress(lines, {}) == RestoreProgress(130, 400, 2, 2)
    found = restore_progress(lines, {})
    assert found
    assert found.percent == 32


def test_a_tpm_state_is_a_disk_of_its_own() -> None:
    lines = [
        PBS.format("scsi0"), "progress 100% (read 68719476736 bytes, zeroes = 10% (0 bytes), duration 200 sec)",
        PBS.format("tpmstate0-backup"), "progress 100% (read 4194304 bytes, zeroes = 0% (0 bytes), duration 0 sec)",
    ]  # fmt: skip

    found = [restore_progress(lines[:count], {"scsi0": 68719476736}) for count in (2, 3, 4)]
    assert [one.percent for one in found if one] == [100, 100, 100]


def test_a_backup_moves_nothing_of_a_restore() -> None:
    assert (
        restore_progress(["INFO:  12% (3.9 GiB of 32.0 GiB) in 15s, read: 266.2 MiB/s, write: 260.1 MiB/s"], {})
        is None
    )
