"""What has to be so after every case, however it ends."""

from __future__ import annotations

from collections import Counter
from typing import Any

from support import world as worlds

from puq_backups.models import Backup
from puq_backups.simulator.world.task import Task

from .prepared_world import PRESENT, VMID, PreparedWorld, system_disk

ONCE = {"qmrestore", "qmdestroy", "qmclone", "vzdump"}
"""Tasks of which one that went well is not repeated."""


def volumes(prepared: PreparedWorld) -> dict[str, int]:
    """The archives that are there and whole, with their sizes."""
    return {one.volid: one.size for one in prepared.proxmox.volumes("nfs") if not one.damaged}


def check(prepared: PreparedWorld, before: dict[str, int]) -> None:
    """All rules; AssertionError names the one that was broken."""
    one_writer(prepared)
    nothing_twice(prepared)
    never_started_on_half(prepared)
    told(prepared)
    backups_there(prepared, before)


def one_writer(prepared: PreparedWorld) -> None:
    tasks = prepared.proxmox.tasks()
    for task in tasks:
        beside = [one for one in tasks if one is not task and one.order > task.order]
        over = [one for one in beside if task.ended_before is None or one.order < task.ended_before]
        assert not over, f"{task.type} and {[one.type for one in over]} at once"
    assert not any(task.running for task in tasks)


def nothing_twice(prepared: PreparedWorld) -> None:
    done = Counter(task.type for task in _mine(prepared) if task.type in ONCE and _went_well(task))
    assert set(done.values()) <= {1}, done
    assert len([task for task in _mine(prepared) if task.type == "qmrestore" and _wrote(task)]) <= 1


def _mine(prepared: PreparedWorld) -> list[Task]:
    """The tasks of the operation that the case is about, those before it left out."""
    return [task for task in prepared.proxmox.tasks() if task.order >= prepared.notes["tasks"]]


def _went_well(task: Task) -> bool:
    return task.exitstatus == "OK"


def _wrote(task: Task) -> bool:
    return _went_well(task) or any("new volume ID" in line or "progress" in line for line in task.lines)


def never_started_on_half(prepared: PreparedWorld) -> None:
    """No start after a restore that wrote and failed; what runs has its disk, and its own network."""
    half = [task.order for task in prepared.proxmox.tasks("qmrestore") if _wrote(task) and not _went_well(task)]
    for start in _mine(prepared):
        if start.type in {"qmstart", "hastart"}:
            whole = [task for task in prepared.proxmox.tasks() if task.type in {"qmrestore", "qmclone"}]
            last = [task for task in whole if task.order < start.order and (_wrote(task) or task.type == "qmclone")]
            assert not last or last[-1].order not in half, "started on half-restored disks"
    vm = prepared.proxmox.vms.get(VMID)
    if vm and vm.running:
        assert system_disk(prepared) is not None
        assert not prepared.operation.data.get("touched") or "BC:24:11:00:00:65" in str(vm.config.get("net0"))


def told(prepared: PreparedWorld) -> None:
    """The state is true, a failure has a reason that the page shows, and only what was touched is called so."""
    operation, service = prepared.operation, prepared.world.service()
    assert operation.lock is None
    assert (operation.state == "done") == (operation.why is None)
    shown = _page(prepared)
    assert shown["last_operation"]["state"] == operation.state
    assert shown["last_operation"]["reason"] == (str(operation.why.without_paths()) if operation.why else None)
    assert shown["restore_failed"] == bool(service.restore_failed)
    if operation.state == "done":
        assert service.restore_failed is None
    else:
        disk = system_disk(prepared)
        as_it_was = bool(disk) and disk.data == PRESENT
        assert not (as_it_was and service.restore_failed), "told that the restore failed, but nothing was touched"
        assert as_it_was or service.restore_failed or VMID not in prepared.proxmox.vms


def _page(prepared: PreparedWorld) -> dict[str, Any]:
    """What `/state` gives the client."""
    prepared.world.host.actor = worlds.ALICE
    found: dict[str, Any] = prepared.world.app.test_client().get("/services/1/backups/state").get_json()
    prepared.world.host.actor = None
    return found


def backups_there(prepared: PreparedWorld, before: dict[str, int]) -> None:
    """All whole archives are there as before, and a row for each of ours; a safety copy may have come."""
    now = volumes(prepared)
    ours = {one.volid: one.kind for one in prepared.world.held()}
    gone = {volid for volid, size in before.items() if now.get(volid) != size}
    assert gone <= {prepared.notes["volid"]}, gone
    assert all(ours.get(volid) == "safety" for volid in set(now) - set(before)), set(now) - set(before)
    with prepared.world.context.database.open() as session:
        assert {prepared.notes["good"], prepared.notes["other"]} <= {row.id for row in session.query(Backup)}
