"""What a failed restore leaves, and the VM as it must be after the reinstallation."""

from __future__ import annotations

from typing import Any

from support import world as worlds

from puq_backups.models import Mail, Operation, Service
from puq_backups.operations import engine
from puq_backups.pve import firewall, vms

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
OWN: dict[str, Any] = {
    "name": "shop", "description": "the shop", "tags": "prod;web", "onboot": 1, "protection": 1, "agent": "1",
    "ciuser": "customer", "sshkeys": f"ssh-ed25519%20{KEY}%20me%40home", "ipconfig0": "ip=192.0.2.50/24,gw=192.0.2.1",
    "nameserver": "192.0.2.53", "searchdomain": "example.test", "cpuunits": 200,
    "net0": "virtio=BC:24:11:00:00:64,bridge=vmbr0,firewall=1", "net1": "virtio=BC:24:11:00:01:64,bridge=vmbr1",
}  # fmt: skip
"""What has to be the same afterwards."""
REST: dict[str, Any] = {
    "cipassword": "$5$x", "startup": "order=3", "scsi1": "ceph:vm-100-disk-7,size=2G", "scsi2": "ceph:vm-100-disk-8",
    "scsi0": "local:100/vm-100-disk-0.raw,iothread=1,mbps_rd=80,size=16G",
}  # fmt: skip
FIREWALL: dict[str, Any] = {
    "options": {"enable": "1", "policy_in": "DROP"},
    "rules": [
        {"type": "in", "action": "ACCEPT", "enable": "1", "proto": "tcp", "dport": "22"},
        {"type": "in", "action": "ACCEPT", "enable": "0", "proto": "icmp"},
    ],
}
SETTINGS = set(OWN) - {"ciuser", "sshkeys", "cpuunits"}
"""What of it a restore puts back too: the rest is the backup's."""
TEMPLATE = {"description": "a template", "tags": "template", "ciuser": "debian", "net0": "virtio,bridge=vmbr1"}
PACKAGE = {"template": 9000, "memory": 1024, "additional_disk": 1, "additional_storage": "ceph"}
HA = {"comment": "ours", "max_restart": 3}


def register(world: worlds.World, token: str = "reinstall", **package: Any) -> None:  # noqa: S107 - its name in the seed
    token_id, secret = world.proxmox.tokens[token]
    params = {**world.params(**{**PACKAGE, **package}), "serverusername": token_id, "serverpassword": secret}
    assert world.backups.call("CreateAccount", params) == "success"


def fail_restore(world: worlds.World, own: dict[str, Any] = OWN | REST, rules: Any = FIREWALL) -> None:
    """What a restore leaves that failed half-way: the configuration kept with the operation, and a gutted VM."""
    control, guest = world.proxmox.control, world.proxmox.vm(100)
    control("vm-power", vmid=100, status="stopped")
    control("vm-config", vmid=100, set=own)
    control("vm-config", vmid=9000, set=TEMPLATE)
    world.proxmox.vm(9000).firewall_rules[:] = [{"type": "in", "action": "DROP", "enable": 1}]
    with world.context.database.begin() as session:
        service = session.get_one(Service, "1")
        failed = Operation.new(service, "restore", actor="client alice", origin="manual", storage="local")
        failed.state, failed.finished_at = "failed", failed.created_at
        failed.data = {"before": dict(guest.config), "firewall": rules, "touched": True}
        session.add(failed)
        session.flush()
        service.restore_failed, service.problem = failed.id, None
    control("vm-config", vmid=100, set={"memory": "128"}, delete=[key for key in guest.config if key != "memory"])


def under_ha(world: worlds.World) -> None:
    """The VM under HA, and a token that may change that."""
    world.proxmox.control("ha", vmid=100, state="stopped")
    world.proxmox.vm(100).ha_options = dict(HA)
    for user in ("panel@pve", "panel@pve!reinstall"):
        world.proxmox.control("acl", path="/", user=user, role="Console", privileges=["Sys.Console", "Pool.Audit"])


def run_reinstall(world: worlds.World) -> Operation:
    assert world.call("Reinstall", confirm="REINSTALL") == "success"
    world.drain()
    return world.operations()[-1]


def advance_to_step(world: worlds.World, step: str) -> None:
    """Ask, and go on until this step is the next."""
    assert world.call("Reinstall", confirm="REINSTALL") == "success"
    for _ in range(200):
        operation = world.operations()[-1]
        if operation.step == step:
            return
        engine.advance(world.context, operation.id)
    raise AssertionError(f"{step} never came: {operation.step} {operation.why}")


def assert_vm_complete(world: worlds.World) -> None:
    vm = world.proxmox.vm(100)
    assert {key: vm.config.get(key) for key in OWN} == OWN
    assert (int(vm.config["memory"]), vm.running, vm.lock) == (1024, True, None)
    assert {"size=16G", "mbps_rd=80"} <= set(vm.config["scsi0"].split(","))
    assert vm.config["scsi0"].startswith("local:")
    assert vm.config["scsi1"].startswith("ceph:")
    assert vm.config["ide2"].startswith("local:100/vm-100-cloudinit")
    assert not [key for key in vm.config if key.startswith(("unused", "scsi2"))]
    assert firewall.rules(world.client, vm.node, 100).rules == FIREWALL["rules"]
    assert firewall.options(world.client, vm.node, 100) == FIREWALL["options"]
    assert world.service().restore_failed is None
    assert world.service().vm_identity == vms.identity(vm.config)


def tasks(world: worlds.World) -> list[str]:
    return [task.type for task in world.proxmox.tasks()]


def mails(world: worlds.World) -> list[tuple[str, str]]:
    with world.context.database.open() as session:
        return sorted((mail.name, mail.recipient) for mail in session.query(Mail))
