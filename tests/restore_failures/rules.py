"""What has to be so after every case, however it ends."""

from __future__ import annotations

from collections import Counter
from typing import Any

from support import world as worlds

from puq_backups.models import Backup
from puq_backups.simulator.world.task import Task

from .stage import PRESENT, VMID, Stage, system_disk

ONCE = {"qmrestore", "qmdestroy", "qmclone", "vzdump"}
"""Tasks of which one that went well is not repeated."""


def volumes(stage: Stage) -> dict[str, int]:
    """The archives that are there and whole, with their sizes."""
    return {one.volid: one.size for one in stage.proxmox.volumes("nfs") if not one.damaged}


def check(stage: Stage, before: dict[str, int]) -> None:
    """All rules; AssertionError names the one that was broken."""
    one_writer(stage)
    nothing_twice(stage)
    never_started_on_half(stage)
    told(stage)
    backups_there(stage, before)


def one_writer(stage: Stage) -> None:
    tasks = stage.proxmox.tasks()
    for task in tasks:
        beside = [one for one in tasks if one is not task and one.order > task.order]
        over = [one for one in beside if task.ended_before is None or one.order < task.ended_before]
        assert not over, f"{task.type} and {[one.type for one in over]} at once"
    assert not any(task.running for task in tasks)


def nothing_twice(stage: Stage) -> None:
    done = Counter(task.type for task in _mine(stage) if task.type in ONCE and _went_well(task))
    assert set(done.values()) <= {1}, done
    assert len([task for task in _mine(stage) if task.type == "qmrestore" and _wrote(task)]) <= 1


def _mine(stage: Stage) -> list[Task]:
    """The tasks of the operation that the case is about, those before it left out."""
    return [task for task in stage.proxmox.tasks() if task.order >= stage.notes["tasks"]]


def _went_well(task: Task) -> bool:
    return task.exitstatus == "OK"


def _wrote(task: Task) -> bool:
    return _went_well(task) or any("new volume ID" in line or "progress" in line for line in task.lines)


def never_started_on_half(stage: Stage) -> None:
    """No start after a restore that wrote and failed; what runs has its disk, and its own network."""
    half = [task.order for task in stage.proxmox.tasks("qmrestore") if _wrote(task) and not _went_well(task)]
    for start in _mine(stage):
        if start.type in {"qmstart", "hastart"}:
            whole = [task for task in stage.proxmox.tasks() if task.type in {"qmrestore", "qmclone"}]
            last = [task for task in whole if task.order < start.order and (_wrote(task) or task.type == "qmclone")]
            assert not last or last[-1].order not in half, "started on half-restored disks"
    vm = stage.proxmox.vms.get(VMID)
    if vm and vm.running:
        assert system_disk(stage) is not None
        assert not stage.operation.data.get("touched") or "BC:24:11:00:00:65" in str(vm.config.get("net0"))


def told(stage: Stage) -> None:
    """The state is true, a failure has a reason that the page shows, and only what was touched is called so."""
    operation, service = stage.operation, stage.world.service()
    assert operation.lock is None
    assert (operation.state == "done") == (operation.why is None)
    shown = _page(stage)
    assert shown["last_operation"]["state"] == operation.state
    assert shown["last_operation"]["reason"] == (str(operation.why.without_paths()) if operation.why else None)
    assert shown["restore_failed"] == bool(service.restore_failed)
    if operation.state == "done":
        assert service.restore_failed is None
    else:
        disk = system_disk(stage)
        as_it_was = bool(disk) and disk.data == PRESENT
        assert not (as_it_was and service.restore_failed), "told that the restore failed, but nothing was touched"
        assert as_it_was or service.restore_failed or VMID not in stage.proxmox.vms


def _page(stage: Stage) -> dict[str, Any]:
    """What `/state` gives the client."""
    stage.world.host.actor = worlds.ALICE
    found: dict[str, Any] = stage.world.app.test_client().get("/services/1/backups/state").get_json()
    stage.world.host.actor = None
    return found


def backups_there(stage: Stage, before: dict[str, int]) -> None:
    """All whole archives are there as before, and a row for each of ours; a safety copy may have come."""
    now = volumes(stage)
    ours = {one.volid: one.kind for one in stage.world.held()}
    gone = {volid for volid, size in before.items() if now.get(volid) != size}
    assert gone <= {stage.notes["volid"]}, gone
    assert all(ours.get(volid) == "safety" for volid in set(now) - set(before)), set(now) - set(before)
    with stage.world.context.database.open() as session:
        assert {stage.notes["good"], stage.notes["other"]} <= {row.id for row in session.query(Backup)}
