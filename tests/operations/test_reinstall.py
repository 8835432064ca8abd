"""A reinstallation after a failed restore: proven, destroyed, made again, and given back what the VM was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import world as worlds
from support.killing import at_every_boundary
from support.thorough import stride

from puq_backups.client_area import page
from puq_backups.errors import Message
from puq_backups.models import Mail, Operation, Service
from puq_backups.operations import engine, reinstall
from puq_backups.pve import firewall, vms
from puq_backups.simulator import Simulator
from puq_backups.simulator.world.model import Guest

OWN: dict[str, Any] = {
    "name": "shop", "description": "the shop", "tags": "prod;web", "onboot": 1, "protection": 1, "agent": "1",
    "ciuser": "customer", "sshkeys": "ssh-ed25519%20AAAA%20me%40home", "ipconfig0": "ip=192.0.2.50/24,gw=192.0.2.1",
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


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    """Alice's service; its token may reinstall."""
    found = worlds.make(
        proxmox, database_url, redis_url, staff_email="staff@example.net", smtp_url="smtp://127.0.0.1:1",
        mail_from="backups@example.net",
    )  # fmt: skip
    register(found)
    yield found
    found.context.database.engine.dispose()


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


def ask(world: worlds.World) -> Operation:
    assert world.call("Reinstall", confirm="REINSTALL") == "success"
    world.drain()
    return world.operations()[-1]


def at_step(world: worlds.World, step: str) -> None:
    """Ask, and go on until this step is the next."""
    assert world.call("Reinstall", confirm="REINSTALL") == "success"
    for _ in range(200):
        operation = world.operations()[-1]
        if operation.step == step:
            return
        engine.advance(world.context, operation.id)
    raise AssertionError(f"{step} never came: {operation.step} {operation.why}")


def is_whole(world: worlds.World) -> None:
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


@pytest.mark.parametrize("pve", ["9.2", "8.4"])
def test_vm_is_made_again_with_all_that_was_its_own(world: worlds.World, pve: str) -> None:
    world.proxmox.reset(pve=pve)
    backup = world.back_up()
    fail_restore(world)
    under_ha(world)
    operation = ask(world)

    assert (operation.state, operation.why) == ("done", None)
    is_whole(world)
    vm = world.proxmox.vm(100)
    assert (vm.ha, vm.ha_options, world.proxmox.world.pools_of("/vms/100")) == ("started", HA, ["customers"])
    assert [volume.volid for volume in world.proxmox.volumes("local")] == [backup.volid]
    assert "Please set a new one" in str(operation.warnings)
    for told in ("The start order could not be put back", "disks of the virtual machine are gone: scsi2"):
        assert told in " ".join(str(Message.from_json(warning)) for warning in operation.warnings)
    assert mails(world) == [("Virtual machine reinstalled", "alice@example.org")]
    assert world.back_up().size


@pytest.mark.slow
def test_vm_is_made_again_after_a_real_failure_and_its_backups_stay(world: worlds.World) -> None:
    good, bad = world.back_up(), world.back_up()
    world.proxmox.control("archive-damaged", volid=bad.volid)
    assert world.call("RestoreBackup", backup_id=bad.id, confirm="web100") == "success"
    world.drain()
    assert world.service().restore_failed
    operation = ask(world)

    assert (operation.state, operation.why) == ("done", None)
    assert "virtio=BC:24:11:00:00:64" in world.proxmox.vm(100).config["net0"]
    assert {backup.id for backup in world.held()} == {good.id, bad.id}
    assert world.call("RestoreBackup", backup_id=good.id, confirm="web100") == "success"
    world.drain()
    assert world.operations()[-1].state == "done"


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
        operation = ask(world)

        assert (operation.state, said in str(operation.why)) == ("refused", True), (name, operation.why)
        assert (world.proxmox.vm(100).config, tasks(world)) == (before, []), name
        assert world.service().restore_failed, name
        assert bool(world.service().problem) == (name == "other machine"), name
    assert {mail for mail, _ in mails(world)} == {"Reinstallation refused", "Service needs attention"}


@pytest.mark.slow
def test_answers_that_are_lost_repeat_nothing(world: worlds.World) -> None:
    for method, path in (("DELETE", "*/qemu/100"), ("POST", "*/clone")):
        for when in ("before", "after"):
            world.proxmox.reset()
            fail_restore(world)
            world.proxmox.control("drop", when=when, method=method, path=path)
            operation = ask(world)

            assert (operation.state, operation.why) == ("done", None), (method, when)
            is_whole(world)
            assert (tasks(world).count("qmdestroy"), tasks(world).count("qmclone")) == (1, 1), (method, when)


@pytest.mark.slow
def test_lost_clone_is_not_taken_for_another_ones_of_the_same_template(world: worlds.World) -> None:
    fail_restore(world)
    at_step(world, "clone_template")
    world.proxmox.control("drop", when="before", method="POST", path="*/clone")
    engine.advance(world.context, world.operations()[-1].id)
    vms.clone(world.client, "pve1", 9000, 130)
    world.drain()

    assert world.operations()[-1].state == "done"
    is_whole(world)


@pytest.mark.slow
def test_slow_clone_whose_answer_was_lost_is_waited_for(world: worlds.World) -> None:
    fail_restore(world)
    at_step(world, "clone_template")
    world.proxmox.control("drop", when="after", method="POST", path="*/clone")
    engine.advance(world.context, world.operations()[-1].id)
    assert world.proxmox.idle()
    world.proxmox.control("vm-config", vmid=100, set={"lock": "clone"})
    for _ in range(80):
        engine.advance(world.context, world.operations()[-1].id)
        time.sleep(0.01)  # longer in all than PUQ_BACKUPS_SETTLE
    assert world.operations()[-1].step == "clone_template"
    world.proxmox.control("vm-config", vmid=100, delete=["lock"])
    world.drain()

    is_whole(world)
    assert tasks(world).count("qmclone") == 1


@pytest.mark.slow
def test_copy_that_fails_leaves_a_way_on(world: worlds.World) -> None:
    fail_restore(world)
    under_ha(world)
    world.proxmox.control("task-fails", type="qmclone", text="clone failed: No space left on device")
    operation = ask(world)

    assert (operation.state, "No space left" in str(operation.why)) == ("failed", True)
    assert (100 in world.proxmox.vms, world.service().restore_failed) == (False, operation.id)
    assert "failed" in (world.backups.lock_reason("1") or "")
    assert mails(world) == [
        ("Reinstallation failed", "alice@example.org"), ("Reinstallation failed (staff)", "staff@example.net")
    ]  # fmt: skip
    assert ask(world).state == "done"
    is_whole(world)
    assert (world.proxmox.vm(100).ha, world.proxmox.world.pools_of("/vms/100")) == ("started", ["customers"])


@pytest.mark.slow
def test_template_that_goes_after_the_vm_leaves_the_restore_as_a_way_on(world: worlds.World) -> None:
    backup = world.back_up()
    fail_restore(world)
    under_ha(world)
    at_step(world, "clone_template")
    world.proxmox.vms.pop(9000)
    world.drain()

    failed = world.operations()[-1]
    assert (failed.state, "The template 9000 is not there" in str(failed.why)) == ("failed", True)
    assert ask(world).state == "refused"
    assert world.service().restore_failed == failed.id
    assert world.call("RetryRestore", operation_id=failed.id, backup_id=backup.id) == "success"
    world.drain()

    vm, restored = world.proxmox.vm(100), world.operations()[-1]
    assert (restored.state, restored.why, world.service().restore_failed) == ("done", None, None)
    assert {key: vm.config.get(key) for key in SETTINGS} == {key: OWN[key] for key in SETTINGS}
    assert (vm.running, vm.ha, world.proxmox.world.pools_of("/vms/100")) == (True, "started", ["customers"])


def test_vm_that_somebody_makes_in_between_is_left_alone(world: worlds.World) -> None:
    fail_restore(world)
    at_step(world, "clone_template")
    theirs = world.proxmox.vms[100] = Guest(100, "pve2", {"name": "theirs", "smbios1": "uuid=1"})
    world.drain()

    operation = world.operations()[-1]
    assert (operation.state, "not the one that was registered" in str(operation.why)) == ("failed", True)
    assert (world.proxmox.vms[100], theirs.config["name"]) == (theirs, "theirs")
    assert world.service().problem
    assert "not the one" in world.call("Reinstall", confirm="REINSTALL")


def test_vm_that_replaces_ours_before_it_is_destroyed_is_left_alone(world: worlds.World) -> None:
    fail_restore(world)
    under_ha(world)
    at_step(world, "destroy_vm")
    theirs = world.proxmox.vms[100] = Guest(100, "pve1", {"name": "theirs", "smbios1": "uuid=1"})
    world.drain()

    assert (world.operations()[-1].state, bool(world.service().problem)) == ("failed", True)
    assert world.proxmox.vms[100] is theirs
    assert (theirs.config, theirs.ha) == ({"name": "theirs", "smbios1": "uuid=1"}, None)


def test_vm_that_is_made_while_we_clone_is_left_alone(world: worlds.World) -> None:
    fail_restore(world)
    at_step(world, "clone_template")
    world.proxmox.control("hold", method="POST", path="*/clone", label="late")
    world.proxmox.control(
        "refuse", method="POST", path="*/clone", reason="unable to create VM 100: config file already exists"
    )
    world.proxmox.control("release", label="late")
    engine.advance(world.context, world.operations()[-1].id)
    theirs = world.proxmox.vms[100] = Guest(100, "pve1", {"name": "theirs", "smbios1": "uuid=1"})
    world.drain()

    assert world.operations()[-1].state == "failed"
    assert theirs.config == {"name": "theirs", "smbios1": "uuid=1"}


def test_vm_that_proxmox_does_not_destroy_stays_as_it_was(world: worlds.World) -> None:
    fail_restore(world)
    under_ha(world)
    world.proxmox.control("vm-config", vmid=100, set={"protection": 1})
    world.proxmox.control("refuse", method="DELETE", path="*/qemu/100", reason="There is a replication job")
    operation = ask(world)

    vm = world.proxmox.vm(100)
    assert (operation.state, "There is a replication job" in str(operation.why)) == ("failed", True)
    assert (vm.config["protection"], vm.ha, vm.ha_options, vm.running) == (1, "stopped", HA, False)
    assert {"qmclone", "qmdestroy", "resize"} & set(tasks(world)) == set()


def test_vm_that_somebody_starts_in_between_is_stopped_first(world: worlds.World) -> None:
    fail_restore(world)
    at_step(world, "destroy_vm")
    world.proxmox.control("vm-power", vmid=100, status="running")
    world.drain()

    assert world.operations()[-1].state == "done"
    is_whole(world)


def test_vm_that_is_gone_already_is_made_again(world: worlds.World) -> None:
    fail_restore(world)
    world.proxmox.control("vm-destroyed", vmid=100)
    assert ask(world).state == "done"
    is_whole(world)


def test_vm_on_another_node_than_the_template_goes_to_a_shared_storage(world: worlds.World) -> None:
    world.proxmox.control("migrate", vmid=100, node="pve2")
    fail_restore(world)
    assert ask(world).state == "done"

    vm = world.proxmox.vm(100)
    assert (vm.node, world.service().node, vm.running) == ("pve2", "pve2", True)
    assert vm.config["scsi0"].startswith("ceph:")


def test_each_step_has_a_label() -> None:
    assert {step.__name__ for step in reinstall.STEPS} <= set(page.LABELS["reinstall"])


@pytest.mark.slow
def test_reinstallation_killed_anywhere_goes_on(world: worlds.World) -> None:
    """Each fortieth boundary is tried, all of them by `make thorough`."""
    own = {"net0": OWN["net0"], "ciuser": "customer", "protection": 1}
    register(world, additional_disk="")

    def again() -> None:
        world.proxmox.reset()
        fail_restore(world, own, None)
        assert world.call("Reinstall", confirm="REINSTALL") == "success"

    def check(times: int) -> None:
        vm, operations = world.proxmox.vm(100), world.operations()
        assert [one.state for one in operations if one.kind == "reinstall"] == ["done"] * times
        assert (tasks(world).count("qmdestroy"), tasks(world).count("qmclone")) == (1, 1)
        assert {key: vm.config.get(key) for key in own} == own
        assert (vm.running, "size=16G" in vm.config["scsi0"], world.service().restore_failed) == (True, True, None)

    boundaries = at_every_boundary(world, again, check, stride=stride(40))

    assert boundaries > 60
