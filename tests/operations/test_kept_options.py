"""CPU shares, limits, cloud-init and other options after a restore are those from just before it."""

from __future__ import annotations

from typing import Any

import pytest
from support import world as worlds
from support.client_steps import reason_text, restore, warning_texts

pytestmark = pytest.mark.slow

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
OLD: dict[str, Any] = {
    "cpulimit": "1", "cpuunits": 50, "cpu": "kvm64", "numa": 0, "ciuser": "old",
    "sshkeys": f"ssh-ed25519%20{KEY}%20old", "hotplug": "disk", "keyboard": "de", "boot": "order=scsi0;net0",
}  # fmt: skip
NEW: dict[str, Any] = {
    "cpulimit": "4", "cpuunits": 200, "cpu": "host", "numa": 1, "ciuser": "new",
    "sshkeys": f"ssh-ed25519%20{KEY}%20new", "hotplug": "disk,network", "boot": "order=scsi0",
}  # fmt: skip


def configure(world: worlds.World, config: dict[str, Any], delete: tuple[str, ...] = ()) -> None:
    world.proxmox.control("vm-config", vmid=100, set=config, delete=list(delete))


def test_options_are_those_from_just_before(world: worlds.World) -> None:
    configure(world, OLD)
    backup = world.back_up()
    configure(world, NEW, ("keyboard",))
    operation = restore(world, backup.id)

    config = world.proxmox.vm(100).config
    assert (operation.state, reason_text(operation), warning_texts(operation)) == ("done", "", [])
    assert {key: str(config.get(key)) for key in NEW} == {key: str(value) for key, value in NEW.items()}
    assert "keyboard" not in config


def test_keys_that_proxmox_no_longer_accepts_are_told_and_keep_nothing_else_back(world: worlds.World) -> None:
    configure(world, OLD)
    backup = world.back_up()
    configure(world, NEW | {"sshkeys": "ssh-dss%20AAAA%20anna"})
    operation = restore(world, backup.id)

    config = world.proxmox.vm(100).config
    assert (operation.state, reason_text(operation)) == ("done", "")
    assert "SSH public key validation error" in " ".join(warning_texts(operation))
    assert (config["sshkeys"], config["cpulimit"], config["hotplug"]) == (OLD["sshkeys"], "4", "disk,network")


def test_start_order_that_rights_do_not_reach_is_told_and_keeps_nothing_else_back(world: worlds.World) -> None:
    configure(world, {"startup": "order=9", "cpulimit": "1"})
    backup = world.back_up()
    configure(world, {"startup": "order=1", "cpulimit": "4"})
    operation = restore(world, backup.id)

    assert operation.state == "done"
    assert [words.partition(":")[0] for words in warning_texts(operation)] == [
        "The start order could not be put back"
    ]
    assert int(world.proxmox.vm(100).config["cpulimit"]) == 4


def test_what_comes_from_the_backup_is_told(world: worlds.World) -> None:
    configure(world, {"vga": "std", "machine": "q35"})
    backup = world.back_up()
    configure(world, {"vga": "virtio"})
    operation = restore(world, backup.id)

    assert operation.state == "done"
    assert warning_texts(operation) == ["These settings of the server come from the backup: vga."]


@pytest.mark.parametrize(("then", "today"), [((4, 3), 2), ((2, 2), 4)])
def test_vcpus_of_the_backup_do_not_outlive_a_restore(world: worlds.World, then: tuple[int, int], today: int) -> None:
    configure(world, {"cores": then[0], "vcpus": then[1]})
    backup = world.back_up()
    assert world.call("ChangePackage", **world.params(cores=today)) == "success"
    configure(world, {"cores": today}, ("vcpus",))
    operation = restore(world, backup.id)

    config = world.proxmox.vm(100).config
    assert (operation.state, int(config["cores"]), "vcpus" in config) == ("done", today, False)
    assert world.proxmox.vm(100).running


def test_cpu_and_memory_stay_where_the_package_sets_none(world: worlds.World) -> None:
    configure(world, {"cores": 1, "memory": "512"})
    backup = world.back_up()
    configure(world, {"cores": 2, "memory": "1024", "vcpus": 1})
    operation = restore(world, backup.id)

    config = world.proxmox.vm(100).config
    assert (operation.state, reason_text(operation)) == ("done", "")
    assert [int(config[key]) for key in ("cores", "memory", "vcpus")] == [2, 1024, 1]
