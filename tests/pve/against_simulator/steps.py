"""Common steps: start a backup, wait for a task, switch the VM off."""

from puq_backups.pve import archives, notes, tasks, vms
from puq_backups.pve.client import Proxmox
from puq_backups.simulator.simulator import Simulator

MARKER = notes.marker("svc", "op")


def finish(simulator: Simulator, proxmox: Proxmox, upid: tasks.Upid) -> tasks.Task:
    """Wait until the simulator has no running task, and return this one."""
    assert simulator.idle()
    task = tasks.status(proxmox, upid.text)
    assert task is not None
    assert not task.running
    return task


def reason(proxmox: Proxmox, task: tasks.Task) -> str:
    return tasks.failure_reason(tasks.log(proxmox, task.upid), task.exitstatus)


def start_backup(proxmox: Proxmox, note: str = "night", storage: str = "nfs") -> tasks.Upid:
    template = notes.template(note, MARKER)
    return archives.create(proxmox, "pve1", 100, storage=storage, notes_template=template, lockwait=5)


def make_backup(simulator: Simulator, proxmox: Proxmox, storage: str = "nfs") -> str:
    upid = start_backup(proxmox, storage=storage)
    assert finish(simulator, proxmox, upid).ok
    return tasks.archive_target(tasks.log(proxmox, upid.text), storage) or ""


def switch_off(simulator: Simulator, proxmox: Proxmox) -> None:
    assert finish(simulator, proxmox, vms.stop(proxmox, "pve1", 100)).ok
