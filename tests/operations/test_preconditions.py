"""What would refuse the restored VM is found before its disks are touched."""

from __future__ import annotations

from typing import Any

import pytest
from support import world as worlds
from support.client_steps import reason_text, restore, task_types

from puq_backups.models import Service


def is_untouched(world: worlds.World) -> None:
    assert (task_types(world, "qmrestore"), world.service().restore_failed) == ([], None)
    assert world.proxmox.vm(100).running


def take_package(world: worlds.World, **values: Any) -> None:
    """Store package values as if an earlier release had taken them."""
    with world.context.database.begin() as session:
        service = session.get_one(Service, "1")
        service.package = {**service.package, **values}


@pytest.mark.parametrize(("title", "value"), [("memory", 4), ("cores", 5000), ("system_disk", 10**6)])
def test_impossible_value_of_a_package_is_refused_at_the_door(world: worlds.World, title: str, value: int) -> None:
    answer = world.call("ChangePackage", **world.params(**{title: value}))

    assert f"must be a number from {16 if title == 'memory' else 0} to " in answer


@pytest.mark.slow
def test_value_that_proxmox_refuses_ends_the_restore_before_its_disks_are_touched(world: worlds.World) -> None:
    world.proxmox.control("vm-power", vmid=100, status="running")
    backup = world.back_up()
    take_package(world, memory=4)
    operation = restore(world, backup.id)

    assert operation.state == "failed"
    assert reason_text(operation).startswith("Proxmox refuses a value of the package, so nothing was restored: ")
    is_untouched(world)


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ({"cores": 65}, "The server would have 65 CPUs, and node pve1 has "),
        ({"bridge": "vmbr99"}, "The bridge vmbr99 is not on node pve1"),
        ({"restore_storage": "nope"}, "The disks would go to the storage nope"),
    ],
)
def test_what_the_node_lacks_is_found_before(world: worlds.World, package: dict[str, Any], words: str) -> None:
    world.proxmox.control("vm-power", vmid=100, status="running")
    backup = world.back_up()
    assert world.call("ChangePackage", **world.params(**package)) == "success"
    operation = restore(world, backup.id)

    assert operation.state == "refused"
    assert reason_text(operation).startswith(words)
    is_untouched(world)
    assert task_types(world, "qmshutdown", "qmstop") == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/storage/ceph", "The API token lacks Datastore.AllocateSpace on /storage/ceph"),
        ("/sdn/zones/localnetwork/vmbr0", "The bridge vmbr0 is not on node pve1, or the token may not use it."),
    ],
)
def test_rights_are_asked_for_before(world: worlds.World, path: str, words: str) -> None:
    world.proxmox.control("vm-power", vmid=100, status="running")
    backup = world.back_up()
    assert world.call("ChangePackage", **world.params(restore_storage="ceph")) == "success"
    user = world.proxmox.tokens["panel"][0]
    for holder in (user.partition("!")[0], user):
        world.proxmox.control("acl", path=path, user=holder, role="Seeing", privileges=["Datastore.Audit"])
    operation = restore(world, backup.id)

    assert operation.state == "refused"
    assert reason_text(operation).startswith(words)
    is_untouched(world)


@pytest.mark.flow
def test_refused_value_is_told_by_a_retry_and_the_vm_comes_back(world: worlds.World) -> None:
    good, bad = world.back_up(), world.back_up()
    world.proxmox.control("archive-damaged", volid=bad.volid)
    failed = restore(world, bad.id)
    take_package(world, memory=4)
    assert world.call("RetryRestore", operation_id=failed.id, backup_id=good.id) == "success"
    world.drain()

    operation = world.operations()[-1]
    assert (operation.state, reason_text(operation)) == ("done", "")
    assert "Proxmox refuses a value of the package" in str(operation.warnings)
    assert world.proxmox.vm(100).running


@pytest.mark.slow
def test_retries_add_no_second_disk(world: worlds.World) -> None:
    backup = world.back_up()
    package = {"additional_disk": 1, "additional_storage": "ceph"}
    assert world.call("ChangePackage", **world.params(**package)) == "success"
    world.proxmox.control("start-fail", vmid=100, text="qemu is odd")
    failed = restore(world, backup.id)
    assert failed.state == "failed"
    first = world.proxmox.vm(100).config["scsi1"].partition(",")[0]
    for _ in range(2):
        assert world.call("RetryRestore", operation_id=world.operations()[-1].id) == "success"
        world.drain()

    config = world.proxmox.vm(100).config
    disks = {key: value.partition(",")[0] for key, value in config.items() if key.startswith(("scsi", "unused"))}
    assert {key: disks[key] for key in disks if key not in {"scsi0", "scsihw"}} == {"scsi1": first}
