"""A worker killed at every boundary of a backup and of a restore; see kill_at_boundaries.py.

A restore has more than a hundred boundaries: each fifth one is tried, all of them by `make thorough`.
"""

from __future__ import annotations

import pytest
from support import world as worlds
from support.kill_at_boundaries import at_every_boundary
from support.thorough import stride

from puq_backups.pve import firewall

OPEN = {"type": "in", "action": "ACCEPT", "enable": "1"}
SHUT = {"type": "in", "action": "DROP", "enable": "1"}


@pytest.mark.slow
def test_backup_killed_anywhere_is_made_exactly_once(world: worlds.World) -> None:
    world.call("ChangePackage", **world.params(backups=1000))

    def ask() -> None:
        assert world.call("BackupNow") == "success"

    def check(times: int) -> None:
        states = [operation.state for operation in world.operations()]
        assert states == ["done"] * times
        assert len(world.proxmox.tasks("vzdump")) == times
        assert len(world.held()) == times == len(world.proxmox.volumes("local"))
        assert world.operations()[-1].lock is None

    boundaries = at_every_boundary(world, ask, check)

    assert boundaries > 20


@pytest.mark.slow
def test_restore_killed_anywhere_ends_the_same(world: worlds.World) -> None:
    firewall.put_first(world.client, "pve1", 100, OPEN)
    backup = world.back_up()
    firewall.put_first(world.client, "pve1", 100, SHUT)
    world.proxmox.control("vm-config", vmid=100, set={"protection": 1, "description": "kept"})
    package = {
        "cores": 2, "memory": 1024, "system_disk": 20, "system_mbps_rd": 50, "vlan": 7, "additional_disk": 1,
        "additional_storage": "ceph", "additional_iops_rd": 500,
    }  # fmt: skip
    world.call("ChangePackage", **world.params(**package))

    def ask() -> None:
        assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"

    def check(times: int) -> None:
        operation, vm = world.operations()[-1], world.proxmox.vm(100)
        assert (operation.state, operation.why, operation.lock) == ("done", None, None)
        assert len(world.proxmox.tasks("qmrestore")) == times
        assert (int(vm.config["cores"]), int(vm.config["memory"]), vm.running) == (2, 1024, True)
        assert {"size=20G", "mbps_rd=50"} <= set(vm.config["scsi0"].split(","))
        assert "iops_rd=500" in vm.config["scsi1"].split(",")
        assert {"virtio=BC:24:11:00:00:64", "tag=7"} <= set(vm.config["net0"].split(","))
        assert (str(vm.config["protection"]), vm.config["description"]) == ("1", "kept")
        assert firewall.rules(world.client, "pve1", 100).rules == [SHUT, OPEN]
        assert not [key for key in vm.config if key.startswith(("unused", "scsi2"))]

    boundaries = at_every_boundary(world, ask, check, stride=stride(5))

    assert boundaries > 60
