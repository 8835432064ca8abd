"""Reinstallations that are refused before anything is touched."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support import world as worlds

from .failed_restore import fail_restore, mails, register, run_reinstall, tasks


def foreign(world: worlds.World) -> None:
    world.proxmox.control(
        "vm-config", vmid=100, set={"smbios1": "uuid=0", "net0": "virtio=BC:24:11:09:09:09,bridge=vmbr0"}
    )


def no_room(world: worlds.World) -> None:
    for storage in ("local", "ceph"):
        world.proxmox.control("storage-full", storage=storage)


def thick(world: worlds.World, storage: str) -> None:
    world.proxmox.world.storages[storage].type = "lvm"


def denied(path: str) -> Callable[[worlds.World], None]:
    return lambda world: world.proxmox.control("acl", path=path, user="panel@pve!reinstall", role="NoAccess")


REFUSALS: dict[str, tuple[Callable[[worlds.World], None], str]] = {
    "minimal role": (lambda world: register(world, "panel"), "The token lacks VM.Allocate on /vms,"),
    "rights on the VM alone": (
        lambda world: world.proxmox.control(
            "acl", path="/vms", user="panel@pve!reinstall", role="PanelReinstall", propagate=0
        ),
        "The token lacks VM.Allocate on /vms,",
    ),
    "no right to clone": (
        lambda world: world.proxmox.control("acl", path="/vms/9000", user="panel@pve!reinstall", role="PVEAuditor"),
        "The token lacks VM.Clone on /vms/9000,",
    ),
    "no right on the bridge": (denied("/sdn/zones/localnetwork/vmbr1"), "The bridge vmbr1 is not on node pve1"),
    "no right on storages": (denied("/storage"), "The storage local"),
    "template gone": (
        lambda world: world.proxmox.control("vm-destroyed", vmid=9000), "The template 9000 is not there",
    ),
    "no template": (
        lambda world: world.proxmox.control("vm-config", vmid=9000, delete=["template"]),
        "The template 9000 is not there",
    ),
    "template without a disk": (
        lambda world: world.proxmox.control("vm-config", vmid=9000, delete=["scsi0"]), "has no system disk",
    ),
    "itself as template": (lambda world: register(world, template=100), "The template 100 is not there"),
    "bridge gone": (lambda world: register(world, bridge="vmbr9"), "The bridge vmbr9 is not on node pve1"),
    "no room": (no_room, "The storage local has no room"),
    "no room for what is grown on a thick storage": (
        lambda world: (thick(world, "ceph"), thick(world, "local"), register(world, system_disk=10**5)),
        "The storage local has no room",
    ),
    "other machine": (foreign, "is not the one that was registered"),
    "HA": (
        lambda world: world.proxmox.control("ha", vmid=100, state="stopped"), "The token lacks Sys.Console on /,",
    ),
}  # fmt: skip


@pytest.mark.slow
def test_nothing_is_touched_where_it_cannot_be_made_again(world: worlds.World) -> None:
    for name, (happens, said) in REFUSALS.items():
        world.proxmox.reset()
        register(world)
        fail_restore(world)
        happens(world)
        before = dict(world.proxmox.vm(100).config)
        operation = run_reinstall(world)

        assert (operation.state, said in str(operation.why)) == ("refused", True), (name, operation.why)
        assert (world.proxmox.vm(100).config, tasks(world)) == (before, []), name
        assert world.service().restore_failed, name
        assert bool(world.service().problem) == (name == "other machine"), name
    assert {mail for mail, _ in mails(world)} == {
        "Reinstallation refused", "Service needs attention", "Trouble over",
    }  # fmt: skip
