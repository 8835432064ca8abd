"""A reinstallation after a failed restore: proven, destroyed, made again, and given back what the VM was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import world as worlds

from puq_backups.models import Operation, Service, new_id
from puq_backups.operations import engine
from puq_backups.simulator import Simulator

OWN = {
    "description": "shop", "tags": "prod;web", "onboot": 1, "protection": 1, "ciuser": "customer",
    "cipassword": "$5$x", "sshkeys": "ssh-ed25519%20AAAA%20me%40home", "ipconfig0": "ip=192.0.2.50/24,gw=192.0.2.1",
    "nameserver": "192.0.2.53", "searchdomain": "example.test", "net0": "virtio=BC:24:11:00:00:64,bridge=vmbr0,firewall=1",
    "startup": "order=3", "scsi0": "local:100/vm-100-disk-0.raw,iothread=1,mbps_rd=80,size=16G",
}  # fmt: skip


@pytest.fixture(params=["9.2", "8.4"])
def either(request: pytest.FixtureRequest, proxmox: Simulator) -> Simulator:
    proxmox.reset(pve=request.param)
    return proxmox


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    """Alice's service after a failed restore; her VM has its own settings, its token may reinstall."""
    found = worlds.make(proxmox, database_url, redis_url, staff_email="staff@example.net")
    register(found, template=9000, cores=1, memory=1024, additional_disk=1, additional_storage="ceph")
    fail_restore(found)
    yield found
    found.toolbox.database.engine.dispose()


def register(world: worlds.World, token: str = "reinstall", **package: Any) -> None:
    token_id, secret = world.proxmox.tokens[token]
    params = {**world.params(**package), "serverusername": token_id, "serverpassword": secret}
    assert world.backups.call("CreateAccount", params) == "success"


def fail_restore(world: worlds.World) -> None:
    """What a restore leaves that failed half-way: the VM's configuration with the operation, and a gutted VM."""
    guest = world.proxmox.vm(100)
    world.proxmox.control("vm-power", vmid=100, status="stopped")
    world.proxmox.control("vm-config", vmid=100, set=OWN)
    with world.toolbox.database.begin() as session:
        service = session.get_one(Service, "1")
        facts = {"before": dict(guest.config), "touched": True}
        failed = Operation.asked(service, "restore", actor="client alice", origin="manual", storage="local")
        failed.state, failed.data, failed.finished_at = "failed", facts, failed.created_at
        session.add(failed)
        service.restore_failed = failed.id
    world.proxmox.control("vm-config", vmid=100, set={"memory": "128"}, delete=[key for key in guest.config if key != "memory"])


def ask(world: worlds.World) -> Operation:
    assert world.call("Reinstall", confirm="REINSTALL") == "success"
    world.drain()
    return world.operations()[-1]


def test_vm_is_made_again_with_all_that_was_its_own(either: Simulator, world: worlds.World) -> None:
    operation = ask(world)

    vm = world.proxmox.vm(100)
    assert (operation.state, operation.why) == ("done", None)
    assert world.service().restore_failed is None
    assert vm.running
    assert {key: vm.config.get(key) for key in OWN if key not in {"scsi0", "startup", "cipassword"}} == {
        key: OWN[key] for key in OWN if key not in {"scsi0", "startup", "cipassword"}
    }
    assert (vm.config["name"], int(vm.config["cores"]), int(vm.config["memory"])) == ("web100", 1, 1024)
