"""Backups: made, found again after a lost answer, stopped, and failed."""

import pytest

from puq_backups.errors import NotStarted, UnknownOutcome
from puq_backups.pve import archives, notes, tasks
from puq_backups.pve.client import Proxmox
from puq_backups.pve.version import version
from puq_backups.simulator.simulator import Simulator

from .steps import MARKER, finish, reason, start_backup


@pytest.mark.parametrize("storage", ["nfs", "local"])
def test_a_backups_life(simulator: Simulator, proxmox: Proxmox, storage: str) -> None:
    upid = start_backup(proxmox, note="{{vmid}} C:\\new ключ", storage=storage)
    task = finish(simulator, proxmox, upid)
    lines = tasks.log(proxmox, upid.text)
    assert (upid.type, upid.id, task.ok, task.warnings) == ("vzdump", "100", True, 0)
    assert (tasks.progress(lines), tasks.included_disks(lines), tasks.warnings(lines)) == (100, ["scsi0"], [])
    volid = tasks.archive_target(lines, storage) or ""

    listed = archives.listing(proxmox, "pve1", storage, 100)
    assert [archive.volid for archive in listed] == [volid]
    assert listed[0].size
    assert notes.find_marker(listed[0].notes) == ("svc", "op")
    assert listed[0].notes.startswith("{ {vmid}} C:\\new ключ")
    assert archives.listing(proxmox, "pve1", storage, 101) == []
    assert "scsi0" in archives.archived_config(proxmox, "pve1", volid)

    archives.set_notes(proxmox, "pve1", volid, notes.plain("other", MARKER))
    archives.set_protected(proxmox, "pve1", volid, protected=True)
    one = archives.find(proxmox, "pve1", volid)
    assert one is not None
    assert (one.notes, one.protected) == (f"other {MARKER}", True)

    failed = finish(simulator, proxmox, archives.remove(proxmox, "pve1", volid))
    assert not failed.ok
    assert "cannot remove protected volume" in reason(proxmox, failed)

    archives.set_protected(proxmox, "pve1", volid, protected=False)
    gone = archives.remove(proxmox, "pve1", volid)
    assert (gone.type, gone.id, finish(simulator, proxmox, gone).ok) == ("imgdel", f"100@{storage}", True)
    assert archives.find(proxmox, "pve1", volid) is None
    assert finish(simulator, proxmox, archives.remove(proxmox, "pve1", volid)).ok


def test_a_backup_on_the_wrong_node_is_not_started(simulator: Simulator, proxmox: Proxmox) -> None:
    with pytest.raises(NotStarted):
        archives.create(proxmox, "pve2", 100, storage="nfs", notes_template="x", lockwait=5)

    assert simulator.tasks() == []


@pytest.mark.parametrize("fault", [{"control": "gateway-timeout"}, {"control": "drop", "when": "after"}])
def test_a_backup_whose_answer_is_lost_is_found_by_its_marker(
    simulator: Simulator, proxmox: Proxmox, fault: dict[str, str]
) -> None:
    version(proxmox)
    since = int(simulator.world.now()) - 2
    simulator.control_step(fault | {"method": "POST", "path": "/nodes/pve1/vzdump"})
    with pytest.raises(UnknownOutcome):
        start_backup(proxmox)
    assert simulator.idle()

    found = tasks.find(proxmox, "pve1", type="vzdump", id="100", since=since, marker=MARKER)

    assert [upid.text for upid in found] == [task.upid for task in simulator.tasks("vzdump")]
    other = notes.marker("svc", "other")
    assert tasks.find(proxmox, "pve1", type="vzdump", id="100", since=since, marker=other) == []
    assert tasks.find(proxmox, "pve1", type="vzdump", id="100", since=since + 3600) == []


def test_a_lost_backup_that_waits_for_the_node_is_found_and_cancelled(simulator: Simulator, proxmox: Proxmox) -> None:
    simulator.control("vzdump-lock-held", node="pve1")
    upid = start_backup(proxmox)

    found = tasks.find(proxmox, "pve1", type="vzdump", id="100", since=upid.started_at, marker=MARKER)
    assert found == [upid]
    assert tasks.active(proxmox, "pve1") == {upid.text}
    assert tasks.progress(tasks.log(proxmox, upid.text)) is None

    tasks.stop(proxmox, upid.text)
    task = finish(simulator, proxmox, upid)
    assert task.exitstatus == "unexpected status"
    assert reason(proxmox, task) == "can't acquire lock '/var/run/vzdump.lock' - interrupted by signal"
    assert tasks.active(proxmox, "pve1") == set()


def test_a_running_backup_is_stopped(simulator: Simulator, proxmox: Proxmox) -> None:
    simulator.control("hold-task", type="vzdump", vmid=100)
    upid = start_backup(proxmox)
    task = tasks.status(proxmox, upid.text)
    assert task is not None
    assert task.running

    tasks.stop(proxmox, upid.text)

    assert not finish(simulator, proxmox, upid).ok
    tasks.stop(proxmox, upid.text)


def test_a_task_whose_log_is_gone_is_known_no_more(simulator: Simulator, proxmox: Proxmox) -> None:
    upid = start_backup(proxmox)
    assert simulator.idle()
    simulator.control("task-lost", upid=upid.text)

    assert tasks.status(proxmox, upid.text) is None
    assert tasks.log(proxmox, upid.text) == []
    tasks.stop(proxmox, upid.text)


def test_warnings_are_an_end_that_is_well(simulator: Simulator, proxmox: Proxmox) -> None:
    simulator.control("task-warnings", type="vzdump")

    task = finish(simulator, proxmox, start_backup(proxmox))

    assert task.ok
    assert task.warnings == len(tasks.warnings(tasks.log(proxmox, task.upid))) == 1


def test_a_failed_backup_says_why(simulator: Simulator, proxmox: Proxmox) -> None:
    simulator.control("backup-error", vmid=100, text="job failed with err -5 - Input/output error")

    task = finish(simulator, proxmox, start_backup(proxmox))

    assert (task.ok, task.exitstatus) == (False, "job errors")
    assert reason(proxmox, task) == "job failed with err -5 - Input/output error"


def test_a_full_storage_says_so(simulator: Simulator, proxmox: Proxmox) -> None:
    simulator.control("storage-full", storage="nfs")

    assert "No space left on device" in reason(proxmox, finish(simulator, proxmox, start_backup(proxmox)))
