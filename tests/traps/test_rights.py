"""Traps of rights: a token that is revoked, or may no longer do one thing."""

from __future__ import annotations

import re

import pytest
from support import world as worlds
from support.client_steps import advance_until, back_up, reason_text, restore, run_slot, task_types

from puq_backups.simulator.world.seed import PANEL

pytestmark = pytest.mark.slow


def take_right(world: worlds.World, privilege: str) -> None:
    user = world.proxmox.tokens["panel"][0]
    left = [name for name in PANEL if name != privilege]
    world.proxmox.control("acl", path="/", user=user, role="Panel", privileges=left)


def test_trap_token_is_revoked(world: worlds.World) -> None:
    for _ in range(3):
        world.back_up()
    world.proxmox.control("token-revoked", token="panel")
    operation = run_slot(world, "2026-11-23")

    assert operation.lock is None
    assert reason_text(operation).startswith("Proxmox refused the API token: ")
    assert (task_types(world, "imgdel"), len(world.held())) == ([], 3)


def test_trap_token_is_revoked_while_a_backup_runs(world: worlds.World) -> None:
    world.proxmox.control("hold-task", type="vzdump", vmid=100, label="running")
    world.call("BackupNow")
    advance_until(world, lambda operation: operation.upid)
    world.proxmox.control("token-revoked", token="panel")
    waiting = advance_until(world, lambda operation: operation.why)
    assert (waiting.state, waiting.lock) == ("running", "1")
    assert "refused the API token" in reason_text(waiting)

    world.proxmox.control("token-restored", token="panel")
    world.proxmox.control("release", label="running")
    world.drain()
    assert world.operations()[-1].state == "done"
    assert len(world.proxmox.tasks("vzdump")) == 1


@pytest.mark.parametrize("privilege", ["VM.Backup", "Datastore.AllocateSpace"])
def test_trap_right_to_back_up_is_missing(world: worlds.World, privilege: str) -> None:
    take_right(world, privilege)
    operation = back_up(world)

    assert (operation.state, operation.lock, world.held()) == ("failed", None, [])
    assert privilege in reason_text(operation)
    assert world.proxmox.vm(100).lock is None


@pytest.mark.parametrize("privilege", ["VM.Backup", "VM.PowerMgmt", "SDN.Use"])
def test_trap_right_to_restore_is_missing(world: worlds.World, privilege: str) -> None:
    backup = world.back_up()
    take_right(world, privilege)
    operation = restore(world, backup.id)

    # SDN.Use is asked for before anything is touched.
    state = "refused" if privilege == "SDN.Use" else "failed"
    assert (operation.state, operation.lock, world.service().restore_failed) == (state, None, None)
    assert re.search(f"Permission check failed|{privilege}|the token may not use it", reason_text(operation))
    assert "scsi0" in world.proxmox.vm(100).config
    assert world.proxmox.vm(100).running
