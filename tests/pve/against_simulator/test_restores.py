"""Restores: configuration, overrides, and archives that cannot be restored."""

import pytest

from puq_backups.errors import ProxmoxRefused
from puq_backups.pve import archives, tasks, vms
from puq_backups.pve.client import Proxmox
from puq_backups.simulator.simulator import Simulator

from .steps import finish, make_backup, reason, switch_off


def test_a_restore_brings_the_backups_configuration_back(simulator: Simulator, proxmox: Proxmox) -> None:
    volid = make_backup(simulator, proxmox)
    switch_off(simulator, proxmox)
    assert finish(simulator, proxmox, vms.set_config(proxmox, "pve1", 100, {"cores": 4, "memory": 1024})).ok
    simulator.control_step({"control": "snapshot-taken", "vmid": 100, "name": "before"})
    assert vms.snapshots(proxmox, "pve1", 100) == ["before"]

    upid = archives.restore(proxmox, "pve1", 100, archive=volid)
    assert (upid.type, upid.id) == ("qmrestore", "100")
    assert finish(simulator, proxmox, upid).ok

    config = vms.config(proxmox, "pve1", 100)
    assert (config["cores"], vms.memory_mib(config), vms.snapshots(proxmox, "pve1", 100)) == (1, 512, [])
    assert tasks.progress(tasks.log(proxmox, upid.text)) == 100


def test_a_restore_takes_overrides_and_a_storage(simulator: Simulator, proxmox: Proxmox) -> None:
    volid = make_backup(simulator, proxmox)
    switch_off(simulator, proxmox)

    upid = archives.restore(proxmox, "pve1", 100, archive=volid, storage="local", overrides={"cores": 3})

    assert finish(simulator, proxmox, upid).ok
    assert vms.config(proxmox, "pve1", 100)["cores"] == 3


def test_a_restore_over_a_running_vm_fails_in_its_task(simulator: Simulator, proxmox: Proxmox) -> None:
    task = finish(simulator, proxmox, archives.restore(proxmox, "pve1", 100, archive=make_backup(simulator, proxmox)))

    assert not task.ok
    assert reason(proxmox, task) == "unable to restore VM 100 - vm is running"


def test_a_restore_of_a_damaged_archive_says_what_the_tools_said(simulator: Simulator, proxmox: Proxmox) -> None:
    volid = make_backup(simulator, proxmox)
    switch_off(simulator, proxmox)
    simulator.control("archive-damaged", volid=volid)

    task = finish(simulator, proxmox, archives.restore(proxmox, "pve1", 100, archive=volid))

    assert not task.ok
    said = reason(proxmox, task)
    assert "pipefail" not in said
    assert "exit code" not in said
    assert vms.disks(vms.config(proxmox, "pve1", 100)) == {}


def test_a_restore_of_a_missing_archive_is_refused(simulator: Simulator, proxmox: Proxmox) -> None:
    volid = make_backup(simulator, proxmox)
    simulator.control("archive-gone", volid=volid)

    with pytest.raises(ProxmoxRefused, match="does not exist"):
        archives.restore(proxmox, "pve1", 100, archive=volid)
