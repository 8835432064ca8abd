"""Proxmox tasks: status, log, stop, and finding a task whose UPID was lost."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import ProxmoxRefused
from . import paths
from .client import Proxmox
from .task_logs import (
    archive_target,
    backup_progress,
    failure_reason,
    freeze_error,
    included_disks,
    is_damaged,
    progress,
    restore_progress,
    waits_for_node,
    warnings,
)
from .upid import Upid

__all__ = [
    "Task",
    "Upid",
    "active",
    "archive_target",
    "backup_progress",
    "failure_reason",
    "find",
    "freeze_error",
    "included_disks",
    "is_damaged",
    "log",
    "progress",
    "restore_progress",
    "status",
    "stop",
    "waits_for_node",
    "warnings",
]  # fmt: skip

WARNED = re.compile(r"WARNINGS: (\d+)")
JOB_START = "starting new backup job:"
"""The log line that contains the notes template. It follows the wait for the node's lock."""
LIMIT = 1000
HEAD_LINES = 50


@dataclass(frozen=True)
class Task:
    """Status of a task. `exitstatus` is None while it runs."""

    upid: str
    running: bool
    exitstatus: str | None

    @property
    def ok(self) -> bool:
        """Whether it succeeded, with or without warnings."""
        return not self.running and (self.exitstatus == "OK" or self.warnings > 0 or self.exitstatus == "WARNINGS: 0")

    @property
    def warnings(self) -> int:
        """Number of warnings in its exit status."""
        match = WARNED.fullmatch(self.exitstatus or "")
        return int(match.group(1)) if match else 0


def status(proxmox: Proxmox, upid: str) -> Task | None:
    """Read a task's status; None if Proxmox no longer knows it, which says nothing about its outcome."""
    try:
        row = proxmox.get_dict(*_path(upid), "status")
    except ProxmoxRefused as error:
        if _unknown(error):
            return None
        raise
    running = row.get("status") != "stopped"
    return Task(str(upid), running, None if running else str(row.get("exitstatus", "")))


def log(proxmox: Proxmox, upid: str, start: int = 0) -> list[str]:
    """The lines of a task's log from line `start` on; empty if the log is empty or gone."""
    return _log(proxmox, upid, start=start, limit=0)


def _log(proxmox: Proxmox, upid: str, *, start: int, limit: int) -> list[str]:
    data = proxmox.get(*_path(upid), "log", start=start, limit=limit)
    rows = data if isinstance(data, list) else [data]
    lines = [str(row.get("t", "")) for row in rows if isinstance(row, dict)]
    gone = len(lines) == 1 and (lines[0] == "no content" or lines[0].startswith("unable to open file - "))
    return [] if gone else lines


def find(
    proxmox: Proxmox,
    node: str,
    *,
    type: str,  # noqa: A002 - Proxmox's name for it
    id: str,  # noqa: A002 - likewise
    since: int,
    marker: str | None = None,
) -> list[Upid]:
    """Find tasks that the token started on `node` since `since` (epoch seconds of the node's clock), newest first.

    With `marker`: only tasks whose log contains it, and tasks that still wait for the node's lock. Their log does not
    contain it yet, and ignoring them would start the same work twice.
    """
    rows = proxmox.get_list(
        "nodes", paths.node(node), "tasks",
        source="all", typefilter=type, since=since, limit=LIMIT, vmid=id if id.isdigit() else None,
    )  # fmt: skip
    known = {upid for row in rows if (upid := _parsed(row.get("upid")))}
    found = [
        upid
        for upid in sorted(known, key=lambda upid: (upid.started_at, upid.text), reverse=True)
        if (upid.type, upid.id, upid.user) == (type, id, proxmox.access.token_id) and upid.started_at >= since
    ]
    return [upid for upid in found if not marker or _carries(proxmox, upid, marker)]


def _carries(proxmox: Proxmox, upid: Upid, marker: str) -> bool:
    lines = _log(proxmox, upid.text, start=0, limit=HEAD_LINES)
    if any(JOB_START in line for line in lines):
        return any(marker in line for line in lines)
    task = status(proxmox, upid.text)
    return task is not None and task.running


def active(proxmox: Proxmox, node: str) -> set[str]:
    """UPIDs of the tasks running on a node that the token may see."""
    rows = proxmox.get_list("nodes", paths.node(node), "tasks", source="active", limit=LIMIT)
    return {str(row["upid"]) for row in rows if "upid" in row and "endtime" not in row}


def stop(proxmox: Proxmox, upid: str) -> None:
    """Ask a task to stop. No error is raised if it has ended or is unknown."""
    try:
        proxmox.delete(*_path(upid))
    except ProxmoxRefused as error:
        if not _unknown(error):
            raise


def _path(upid: str) -> tuple[str, ...]:
    part = paths.upid(str(upid))
    return "nodes", paths.node(part.split(":")[1]), "tasks", part


def _unknown(error: ProxmoxRefused) -> bool:
    return error.errors.get("upid") == "no such task"


def _parsed(text: object) -> Upid | None:
    try:
        return Upid.parse(text)
    except ValueError:
        return None
