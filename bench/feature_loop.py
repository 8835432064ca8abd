"""The feature text's own loop, plainly written, as a baseline: it stores nothing, so it asks Proxmox each minute."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from puq_backups.pve import archives, tasks
from puq_backups.pve.client import Proxmox


@dataclass
class Machine:
    """A VM with a backup each day at `time` (HH:MM, UTC) to `storage`; `upid` is the task that runs for it."""

    vmid: int
    node: str
    storage: str
    time: str
    quota: int
    upid: str = ""


def tick(proxmox: Proxmox, machines: list[Machine], at: datetime) -> None:
    """What the text asks of each cron tick, for each VM.

    1. Is the weekday enabled, and 2. is the time in the past? Both are known without Proxmox.
    3. Does today's backup exist? 4. Is there a free slot? One listing tells both; if it is full, the oldest goes.
    5. Create the backup, and monitor its task until it has ended.
    """
    for machine in machines:
        if machine.upid:
            _monitor(proxmox, machine)
        elif f"{at:%H:%M}" >= machine.time:
            _back_up(proxmox, machine, at)


def _monitor(proxmox: Proxmox, machine: Machine) -> None:
    task = tasks.status(proxmox, machine.upid)
    if task is None or not task.running:
        machine.upid = ""


def _back_up(proxmox: Proxmox, machine: Machine, at: datetime) -> None:
    found = archives.listing(proxmox, machine.node, machine.storage, machine.vmid)
    backups = sorted((backup.created_at or 0, backup.volid) for backup in found)
    if any(datetime.fromtimestamp(made, UTC).date() == at.date() for made, _ in backups):
        return
    if len(backups) >= machine.quota:
        archives.remove(proxmox, machine.node, backups[0][1])
    machine.upid = archives.create(
        proxmox, machine.node, machine.vmid, storage=machine.storage, notes_template="{{guestname}}", lockwait=180
    ).text
