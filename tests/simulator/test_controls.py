"""Controls refuse what they do not know, and each is undone by its name."""

import dataclasses

import pytest

from puq_backups.simulator import BadControl
from puq_backups.simulator.faults.registry import CONTROLS

ARCHIVE = "archive"
"""Stands for the archive that the initial state has."""
STEPS = {
    "acl": {"path": "/vms/101", "user": "low@pve", "role": "Extra", "privileges": ["VM.Audit"]},
    "active-list-lags": {"seconds": 60},
    "agent-answers": {"vmid": 100},
    "archive-damaged": {"volid": ARCHIVE},
    "archive-gone": {"volid": ARCHIVE},
    "backup-error": {"vmid": 100, "text": "job failed"},
    "clock-skew": {"seconds": 60},
    "clock-zone": {"seconds": 3600},
    "config-lock-held": {"vmid": 100},
    "daemon-down": {},
    "daemon-up": {},
    "delay": {"seconds": 1},
    "drop": {},
    "encrypted": {"volid": ARCHIVE},
    "garbage": {},
    "garbage-collected": {"storage": "pbs"},
    "gateway-timeout": {},
    "ha": {"vmid": 100},
    "hold": {},
    "hold-task": {},
    "image-locked": {"volid": ARCHIVE},
    "leftover-lock": {"vmid": 100},
    "meanwhile": {"step": {"control": "quorum"}},
    "migrate": {"vmid": 100, "node": "pve2"},
    "node-offline": {"node": "pve3"},
    "node-online": {"node": "pve3"},
    "operator-unlock": {"vmid": 100},
    "owner-mismatch": {"storage": "pbs", "vmid": 100},
    "powerdown-ignored": {"vmid": 100},
    "prune-behind": {"storage": "nfs", "keep": 0},
    "quorum": {},
    "refuse": {},
    "slow-backup": {"vmid": 100, "seconds": 3},
    "slow-restore": {"vmid": 100, "seconds": 3},
    "snapshot-taken": {"vmid": 100},
    "start-fail": {"vmid": 100, "text": "kvm: no"},
    "storage-config": {"storage": "nfs", "prune-backups": "keep-last=1", "disable": True, "nodes": ["pve1"]},
    "storage-empty": {"storage": "nfs"},
    "storage-full": {"storage": "nfs"},
    "storage-lock-held": {"storage": "nfs"},
    "storage-offline": {"storage": "nfs", "node": "pve1"},
    "storage-online": {"storage": "offline"},
    "storage-removed": {"storage": "nfs"},
    "storage-slow": {"storage": "nfs", "seconds": 5},
    "task-fails": {},
    "task-lost": {},
    "task-unexpected": {},
    "task-warnings": {},
    "token-restored": {"token": "panel"},
    "token-revoked": {"token": "panel"},
    "verification": {"volid": ARCHIVE},
    "vm-config": {"vmid": 100, "set": {"memory": "64", "agent": "1"}, "delete": ["boot"]},
    "vm-destroyed": {"vmid": 100},
    "vm-power": {"vmid": 102, "status": "running"},
    "vmid-reused": {"vmid": 100},
    "vzdump-lock-held": {},
}
FOR_GOOD = {"worker-killed", "node-rebooted", "vzdump-lock-released", "clock-advanced"}
NO_STATE = {"undo", "clear", "release", "pause"}


def picture(proxmox):
    """Everything that a control can change."""
    world = proxmox.world
    volumes = sorted((repr(one) for one in world.volumes), key=str)
    storages = sorted((name, repr(dataclasses.asdict(one))) for name, one in world.storages.items())
    guests = {vmid: (guest.text(), guest.node, guest.status, guest.ha) for vmid, guest in world.guests.items()}
    nodes = {
        name: (one.online, one.daemon, one.clock_skew, one.utc_offset, one.vzdump_holder)
        for name, one in world.nodes.items()
    }
    rights = (world.roles, world.acl, {name: one.revoked for name, one in world.tokens.items()}, world.pools)
    rest = (world.conditions, [one.name for one in world.faults], list(world.flocks), world.quorum, world.active_lag)
    lost = [task.upid for task in world.tasks.values() if task.lost]
    return repr((volumes, storages, sorted(guests.items()), nodes, rights, rest, world.protection_marks, lost))


def test_every_control_is_tried_here():
    assert {*STEPS, *FOR_GOOD, *NO_STATE} == set(CONTROLS)


@pytest.mark.parametrize("name", STEPS)
def test_a_control_is_undone_by_its_name(proxmox, api, name):
    api.wait(api.backup(102, "pve2", "pbs"))
    archive = proxmox.volumes("nfs")[0].volid
    arguments = {key: archive if value == ARCHIVE else value for key, value in STEPS[name].items()}
    proxmox.world.storages["pbs"].kept_by_garbage = 512
    before = picture(proxmox)
    proxmox.control(name, **arguments)
    changed = picture(proxmox) != before
    proxmox.control("undo", of=name)
    assert picture(proxmox) == before
    harmless = {"daemon-up", "node-online", "operator-unlock", "token-restored"}
    assert changed or name in harmless


def test_undo_takes_the_latest_first_and_can_be_about_one(proxmox):
    proxmox.control("vm-config", vmid=100, set={"memory": "64"})
    proxmox.control("vm-config", vmid=100, set={"memory": "128"})
    proxmox.control("vm-config", vmid=102, set={"memory": "32"})
    proxmox.control("undo", of="vm-config", vmid=100)
    assert (proxmox.vm(100).config["memory"], proxmox.vm(102).config["memory"]) == ("2048", "32")


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ({"control": "slow-backup", "vmid": 100, "second": 3}, "does not know 'second'; it takes vmid, seconds"),
        ({"control": "slow-backup", "vmid": 100}, "needs 'seconds'"),
        ({"control": "slow-backup", "vmid": "a", "seconds": 3}, "'vmid' of 'slow-backup' must be a whole number"),
        ({"control": "storage-full", "storage": "nfs", "full": "yes"}, "must be true or false"),
        ({"control": "daemon-down", "vmid": 1}, "does not know 'vmid'; it takes node"),
        ({"control": "drop", "when": "during"}, "must be before or after"),
        ({"control": "vm-power", "vmid": 100, "status": "on"}, "must be running or stopped"),
        ({"control": "undo", "of": "quorum"}, "No 'quorum' is in effect"),
        ({"control": "undo", "of": "earthquake"}, "no control named"),
        ({"control": "undo"}, "needs 'of'"),
    ],
)
def test_a_control_refuses_what_it_does_not_know(proxmox, step, reason):
    with pytest.raises(BadControl, match=reason):
        proxmox.control_step(step)


def test_what_is_for_good_cannot_be_undone(proxmox):
    proxmox.control("node-rebooted", node="pve3")
    with pytest.raises(BadControl, match="cannot be undone"):
        proxmox.control("undo", of="node-rebooted")


def test_a_restore_that_fails_takes_its_lock_away(proxmox, api):
    volid = proxmox.volumes("nfs")[0].volid
    proxmox.control("task-fails", type="qmrestore", text="no")
    assert api.task("POST", "/nodes/pve2/qemu", vmid=102, archive=volid, force=1) == "no"
    assert proxmox.vm(102).lock is None
    proxmox.control("task-fails", type="qmcreate")
    api.task("POST", "/nodes/pve2/qemu", vmid=150)
    assert 150 not in proxmox.vms
