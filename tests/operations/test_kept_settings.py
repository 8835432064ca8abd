"""What a restore would revert, and what is kept of it as it was just before."""

from __future__ import annotations

from typing import Any

import pytest
from operations.proxmox_versions import both_versions
from support import world as worlds
from support.client_steps import reason_text, task_types, warning_texts

from puq_backups.models import Operation
from puq_backups.pve import firewall
from puq_backups.simulator.world.seed import PANEL

pytestmark = pytest.mark.slow

OLD = {
    "name": "old100", "description": "of last year", "tags": "old", "agent": "0", "onboot": 0,
    "searchdomain": "old.org", "ipconfig0": "ip=dhcp", "net1": "virtio=BC:24:11:00:AA:01,bridge=vmbr1",
}  # fmt: skip
NEW = {
    "name": "web100", "description": "the shop\nask Steve", "tags": "gold;shop", "agent": "1,fstrim_cloned_disks=1",
    "onboot": 1, "nameserver": "9.9.9.9", "ipconfig0": "ip=10.0.0.5/24,gw=10.0.0.1",
    "net0": "virtio=BC:24:11:00:FF:64,bridge=vmbr1,firewall=1,tag=30",
}  # fmt: skip
RULES = [
    {"type": "in", "action": "ACCEPT", "enable": "1", "proto": "tcp", "dport": "443", "comment": "shop"},
    {"type": "in", "action": "ACCEPT", "enable": "0", "macro": "SSH", "source": "10.0.0.0/8"},
    {"type": "in", "action": "DROP", "enable": "1"},
]
RESTORE = {"method": "POST", "path": "*/nodes/*/qemu"}


def configure(world: worlds.World, config: dict[str, Any], delete: tuple[str, ...] = ()) -> None:
    world.proxmox.control("vm-config", vmid=100, set=config, delete=list(delete))


def write_rules(world: worlds.World, rules: list[dict[str, str]], options: dict[str, str]) -> None:
    for _ in firewall.rules(world.client, "pve1", 100).rules:
        firewall.remove_first(world.client, "pve1", 100, None)
    for rule in reversed(rules):
        firewall.put_first(world.client, "pve1", 100, rule)
    had = firewall.options(world.client, "pve1", 100)
    firewall.set_options(world.client, "pve1", 100, options, delete=[name for name in had if name not in options])


def old_backup(world: worlds.World) -> str:
    """A backup of the VM as it was once; now it is another."""
    configure(world, OLD)
    write_rules(world, [RULES[2], {"type": "out", "action": "DROP", "enable": "1"}], {"enable": "0", "dhcp": "1"})
    backup = world.back_up()
    configure(world, NEW, ("searchdomain", "net1"))
    write_rules(world, RULES, {"enable": "1", "policy_in": "DROP"})
    return backup.id


def restore(world: worlds.World, backup_id: str) -> Operation:
    asked = world.call("RestoreBackup", backup_id=backup_id, confirm=world.service().vm_name)
    assert asked == "success", asked
    world.drain()
    return world.operations()[-1]


def is_as_before(world: worlds.World, config: dict[str, Any]) -> None:
    vm = world.proxmox.vm(100)
    assert {key: str(vm.config.get(key)) for key in config} == {key: str(value) for key, value in config.items()}
    assert not {"searchdomain", "net1"} & set(vm.config)


def rules_are_as_before(world: worlds.World) -> None:
    assert firewall.rules(world.client, "pve1", 100).rules == RULES
    assert firewall.options(world.client, "pve1", 100) == {"enable": "1", "policy_in": "DROP"}


@both_versions
def test_what_a_restore_would_revert_is_as_it_was_just_before(world: worlds.World) -> None:
    backup_id = old_backup(world)
    configure(world, {"protection": 1})
    operation = restore(world, backup_id)

    assert (operation.state, reason_text(operation), warning_texts(operation)) == ("done", "", [])
    is_as_before(world, {**NEW, "protection": 1})
    rules_are_as_before(world)
    assert world.proxmox.vm(100).running
    # The protection goes and comes back, and what only the backup had is dropped: all else went with the restore.
    assert len(task_types(world, "qmconfig")) == 4


def test_values_that_cannot_be_sent_with_the_restore_are_set_after_it(world: worlds.World) -> None:
    backup_id = old_backup(world)
    world.proxmox.control("refuse", **RESTORE, status=400, errors={"tags": "not allowed"}, times=2)
    operation = restore(world, backup_id)

    assert operation.state == "done"
    assert "Not all values could be sent with the restore" in warning_texts(operation)[0]
    is_as_before(world, NEW)
    rules_are_as_before(world)


def take_rights(world: worlds.World, *privileges: str) -> None:
    user = world.proxmox.tokens["panel"][0]
    left = [name for name in PANEL if name not in privileges]
    world.proxmox.control("acl", path="/", user=user, role="Panel", privileges=left)


@pytest.mark.parametrize(
    ("privileges", "words"),
    [
        (("VM.Config.Options",), ("start at boot could not all be put back", "The tags could not be put back")),
        (("VM.Config.Network", "VM.Config.Cloudinit"), ("name servers could not", "firewall's rules could not all")),
    ],
)
def test_what_rights_do_not_reach_is_told(
    world: worlds.World, privileges: tuple[str, ...], words: tuple[str, ...]
) -> None:
    configure(world, {"description": "old", "tags": "old", "nameserver": "1.1.1.1"})
    write_rules(world, RULES[:1], {})
    backup = world.back_up()
    configure(world, {"description": "new", "tags": "new", "nameserver": "9.9.9.9"})
    write_rules(world, RULES, {})
    take_rights(world, *privileges)
    operation = restore(world, backup.id)

    told = warning_texts(operation)
    assert (operation.state, world.proxmox.vm(100).running) == ("done", True)
    assert "Not all values could be sent" in told[0]
    assert [any(text in line for line in told) for text in words] == [True, True], told


def test_protection_is_put_back_where_the_restore_was_refused(world: worlds.World) -> None:
    backup_id = old_backup(world)
    configure(world, {"protection": 1})
    world.proxmox.control("refuse", **RESTORE, status=500, reason="something is odd", times=None)
    operation = restore(world, backup_id)

    assert operation.state == "failed"
    assert reason_text(operation) == "The restore failed before anything was changed: something is odd"
    is_as_before(world, {**NEW, "protection": 1})
    assert (world.service().restore_failed, world.proxmox.vm(100).running) == (None, True)


@both_versions
def test_all_is_put_back_by_the_restore_that_follows_a_failed_one(world: worlds.World) -> None:
    backup_id = old_backup(world)
    bad = world.back_up()
    configure(world, {"protection": 1})
    world.proxmox.control("archive-damaged", volid=bad.volid)
    failed = restore(world, bad.id)
    assert (failed.state, world.proxmox.vm(100).running) == ("failed", False)

    assert world.call("RetryRestore", operation_id=failed.id, backup_id=backup_id) == "success"
    world.drain()

    operation = world.operations()[-1]
    assert (operation.state, reason_text(operation)) == ("done", "")
    is_as_before(world, {**NEW, "protection": 1})
    rules_are_as_before(world)


def test_protection_that_cannot_be_lifted_refuses_the_restore(world: worlds.World) -> None:
    backup_id = old_backup(world)
    configure(world, {"protection": 1})
    take_rights(world, "VM.Config.Options")
    operation = restore(world, backup_id)

    assert operation.state == "refused"
    assert "protected against changes" in reason_text(operation)
    assert task_types(world, "qmshutdown", "qmrestore") == []


def test_a_lost_answer_doubles_no_rule(world: worlds.World) -> None:
    backup_id = old_backup(world)
    world.proxmox.control("drop", when="before", method="POST", path="*/firewall/rules")
    world.proxmox.control("drop", when="after", method="DELETE", path="*/firewall/rules/*")
    operation = restore(world, backup_id)

    assert (operation.state, warning_texts(operation)) == ("done", [])
    rules_are_as_before(world)


def test_a_rule_that_is_refused_keeps_no_other_back(world: worlds.World) -> None:
    backup_id = old_backup(world)
    reason = {"status": 400, "errors": {"source": "no such ipset 'office'"}}
    world.proxmox.control("refuse", method="POST", path="*/firewall/rules", **reason)
    operation = restore(world, backup_id)

    assert operation.state == "done"
    assert "no such ipset" in warning_texts(operation)[0]
    left = [rule for rule in RULES if rule in firewall.rules(world.client, "pve1", 100).rules]
    assert len(left) == len(RULES) - 1


def test_firewall_that_cannot_be_read_is_told(world: worlds.World) -> None:
    backup_id = old_backup(world)
    world.proxmox.control(
        "refuse", method="GET", path="*/firewall/options", status=403, reason="Permission check failed"
    )
    operation = restore(world, backup_id)

    assert operation.state == "done"
    assert warning_texts(operation)[0].startswith("The firewall could not be read")
