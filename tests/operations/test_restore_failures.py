"""What may happen to a restore on its way, and how each ends: in words, with no VM started on half-restored disks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from operations.proxmox_versions import both_versions
from sqlalchemy import select, update
from support import world as worlds
from support.client_steps import advance_until, client_state, drain_while, reason_text, task_types, warning_texts

from puq_backups.client_area import page
from puq_backups.clock import tick
from puq_backups.models import AuditEntry, Mail, Operation, now
from puq_backups.operations import node_watch
from puq_backups.operations.steps import power
from puq_backups.simulator import Simulator

pytestmark = pytest.mark.slow


def begin(world: worlds.World, step: str, **package: Any) -> Operation:
    """A restore that has come to this step."""
    world.call("ChangePackage", **world.params(storage="nfs", cores=4, **package))
    backup = world.back_up()
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"
    return advance_until(world, lambda operation: operation.step == step)


def ended(world: worlds.World) -> Operation:
    world.drain()
    return world.operations()[-1]


def mails(world: worlds.World) -> dict[str, dict[str, Any]]:
    """The fields of the mails written, by folder."""
    with world.context.database.open() as session:
        return {mail.folder: mail.fields for mail in session.scalars(select(Mail))}


REFUSED = {"control": "refuse", "method": "POST", "path": "*/config", "status": 500, "reason": "odd"}
HALFWAY: dict[str, tuple[str, dict[str, Any], str]] = {
    "the VM is deleted": ("set_cpu_and_memory", {"control": "vm-destroyed", "vmid": 100}, "is no longer there."),
    "a step is refused": ("limit_system_disk", REFUSED, "odd"),
    "a task fails": (
        "set_cpu_and_memory", {"control": "task-fails", "type": "resize", "vmid": 100, "text": "odd"}, "odd"
    ),
    "the VM does not start": ("power_on", {"control": "start-fail", "vmid": 100, "text": "odd"}, "would not start: "),
}  # fmt: skip


@pytest.mark.parametrize("what", HALFWAY)
def test_trouble_after_the_disks_were_touched_leaves_the_vm_off_and_marked(world: worlds.World, what: str) -> None:
    step, condition, reason = HALFWAY[what]
    begin(world, step, system_disk=20, system_mbps_rd=50)
    world.proxmox.control_step(condition)
    operation = ended(world)

    assert (operation.state, world.service().restore_failed) == ("failed", operation.id)
    assert reason in reason_text(operation)
    assert 100 not in world.proxmox.vms or not world.proxmox.vm(100).running
    assert client_state(world)["restore_failed"]
    if what == "the VM does not start":
        assert "vm_not_started" in mails(world)
    else:
        assert mails(world)["restore_failed"]["vm_stays_off"] == 1
    assert [volume.vmid for volume in world.proxmox.volumes("nfs")].count(100) == 1


@both_versions
def test_no_room_half_way_leaves_the_vm_off_and_the_backup_there(world: worlds.World) -> None:
    begin(world, "restore_disks")
    world.proxmox.control("hold", method="POST", path="*/nodes/*/qemu", label="sent")
    drain_while(world, "sent", lambda: world.proxmox.control("storage-full", storage="local", full=True))
    operation = ended(world)

    assert (operation.state, world.service().restore_failed) == ("failed", operation.id)
    assert "No space left on device" in reason_text(operation)
    assert task_types(world, "qmstart", "qmconfig") == []

    world.proxmox.control("storage-full", storage="local", full=False)
    assert world.call("RetryRestore", operation_id=operation.id) == "success"
    assert ended(world).state == "done"
    assert world.proxmox.vm(100).running


@both_versions
def test_node_that_dies_with_the_restore_is_waited_for_and_the_vm_stays_off(world: worlds.World) -> None:
    world.proxmox.control("slow-restore", vmid=100, seconds=30)
    begin(world, "restore_disks")
    advance_until(world, lambda operation: operation.upid)
    assert world.proxmox.until(lambda: "scsi0" not in world.proxmox.vm(100).config)
    world.proxmox.control("node-offline", node="pve1")
    waiting = advance_until(world, lambda operation: operation.why)
    assert (waiting.state, waiting.lock) == ("running", "1")
    world.proxmox.control("node-online", node="pve1")
    operation = ended(world)

    assert (operation.state, world.service().restore_failed) == ("failed", operation.id)
    assert task_types(world, "qmstart") == []


def test_vm_deleted_before_the_restore_marks_nothing(world: worlds.World) -> None:
    begin(world, "restore_disks")
    world.proxmox.control("vm-destroyed", vmid=100)
    operation = ended(world)

    assert (operation.state, world.service().restore_failed) == ("failed", None)
    assert reason_text(operation) == "The virtual machine 100 is no longer there."


def test_vm_that_moves_is_followed(world: worlds.World) -> None:
    begin(world, "set_network", rate=5)
    world.proxmox.control("migrate", vmid=100, node="pve2")
    operation = ended(world)

    assert (operation.state, reason_text(operation), world.service().node) == ("done", "", "pve2")
    assert world.proxmox.vm(100).running


def test_vm_started_by_somebody_after_the_data_is_told(world: worlds.World) -> None:
    begin(world, "put_back_settings")
    world.proxmox.control("vm-power", vmid=100, status="running")
    operation = ended(world)

    assert operation.state == "done"
    assert "started by somebody else" in warning_texts(operation)[0]


def test_vm_that_cannot_be_powered_off_runs_on(world: worlds.World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.proxmox.control("powerdown-ignored", vmid=100)
    world.proxmox.control("task-fails", type="qmstop", vmid=100, text="qemu hangs", times=None)
    begin(world, "power_off")
    advance_until(world, lambda operation: "qemu hangs" in str(operation.data.get("off_said")))
    monkeypatch.setattr(power, "POWER_OFF_SECONDS", -3600)
    operation = ended(world)

    assert operation.state == "failed"
    assert reason_text(operation) == "The virtual machine could not be powered off: qemu hangs"
    assert (world.service().restore_failed, world.proxmox.vm(100).running) == (None, True)
    assert mails(world)["restore_failed"]["vm_stays_off"] == 0


def test_paused_vm_is_stopped_where_it_cannot_shut_down(world: worlds.World) -> None:
    refused = {"status": 500, "reason": "VM is paused - cannot shutdown"}
    world.proxmox.control("refuse", method="POST", path="*/status/shutdown", **refused)
    begin(world, "restore_disks")

    assert ended(world).state == "done"
    assert task_types(world, "qmshutdown", "qmstop") == ["qmstop"]


def test_busy_proxmox_is_given_up_before_the_disks_and_the_vm_runs_again(
    proxmox: Simulator, database_url: str, redis_url: str
) -> None:
    world = worlds.make(proxmox, database_url, redis_url, busy_patience=0.2)
    world.register()
    begin(world, "lift_protection")
    busy = "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout"
    proxmox.control("refuse", method="POST", path="*/nodes/*/qemu", status=500, reason=busy, times=None)
    operation = ended(world)

    assert (operation.state, reason_text(operation)) == ("failed", busy)
    assert (world.service().restore_failed, proxmox.vm(100).running) == (None, True)
    world.context.database.engine.dispose()


def test_what_was_to_set_things_right_fails_too_and_both_are_told(world: worlds.World) -> None:
    begin(world, "restore_disks")
    world.proxmox.control("refuse", method="POST", path="*/nodes/*/qemu", status=500, reason="odd", times=None)
    world.proxmox.control("start-fail", vmid=100, text="no bridge")
    operation = ended(world)

    assert (operation.state, world.service().restore_failed) == ("failed", None)
    assert reason_text(operation) == "The restore failed before anything was changed: odd"
    assert "would not start" in warning_texts(operation)[0]


def test_restore_that_waits_past_its_deadline_is_stuck_and_goes_on(
    proxmox: Simulator, database_url: str, redis_url: str
) -> None:
    world = worlds.make(proxmox, database_url, redis_url, staff_email="staff@example.org")
    world.register()
    begin(world, "set_cpu_and_memory")
    world.proxmox.control("leftover-lock", vmid=100, lock="backup")
    with world.context.database.begin() as session:
        session.execute(update(Operation).where(Operation.kind == "restore").values(deadline_at=now()))
        for operation in session.scalars(select(Operation).where(Operation.kind == "restore")):
            operation.store(troubled_since=(now() - timedelta(days=1)).timestamp())
    waiting = advance_until(world, lambda operation: operation.why)
    assert reason_text(waiting) == "Our support has been told: VM is locked (backup)"
    tick.tick(world.context)

    stuck = world.operations()[-1]
    assert (stuck.state, stuck.lock) == ("stuck", "1")
    assert "operation_stuck" in mails(world)

    world.proxmox.control("operator-unlock", vmid=100)
    assert ended(world).state == "done"
    assert world.proxmox.vm(100).running
    world.context.database.engine.dispose()


@pytest.mark.slow
def test_every_call_and_the_end_stand_in_the_audit(world: worlds.World) -> None:
    begin(world, "check", system_disk=20)
    operation = ended(world)

    with world.context.database.open() as session:
        rows = session.scalars(select(AuditEntry).where(AuditEntry.operation_id == operation.id)).all()
    written = [(row.action, row.text) for row in sorted(rows, key=lambda row: row.at)]
    types = ("qmshutdown", "qmrestore", "qmconfig", "resize", "qmstart")
    assert [action for action, _ in written if action in types] == task_types(world, *types)
    assert written[-1][0] == "ended"
    assert written[-1][1].startswith("restore done (task UPID:")


@pytest.mark.slow
@both_versions
def test_progress_of_the_data_is_shown_in_percent_and_bytes(world: worlds.World) -> None:
    world.proxmox.control("slow-restore", vmid=100, seconds=2)
    begin(world, "restore_disks")
    node_watch.note_watched(world.context, "1")
    advance_until(world, lambda operation: (operation.progress or 0) > 1)

    with world.context.database.open() as session:
        actor = worlds.ALICE
        found = page.facts(session, world.context, world.service(), actor)["operation"]
    assert found["step"] == "Restoring the disks"
    assert found["bytes"]["total"] == 16 * 1024**3
    assert found["progress"] == found["bytes"]["done"] * 100 // found["bytes"]["total"]
    assert ended(world).state == "done"
