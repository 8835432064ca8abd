"""Tasks: how they stand, what they log, and finding one again whose name was lost."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import ProxmoxRefused
from . import paths
from .client import Proxmox
from .logs import archive_target, failure_reason, included_disks, moved, progress, waits_for_node, warnings
from .upid import Upid

__all__ = [
    "Task", "Upid", "active", "archive_target", "failure_reason", "find", "included_disks", "log", "moved",
    "progress", "status", "stop", "waits_for_node", "warnings",
]  # fmt: skip

WARNED = re.compile(r"WARNINGS: (\d+)")
BEGINS = "starting new backup job:"
"""The log line that repeats the notes template. It comes after the wait for the node's lock."""
LIMIT = 1000
HEAD = 50


@dataclass(frozen=True)
class Task:
    """How a task stands. `exitstatus` is None while it runs."""

    upid: str
    running: bool
    exitstatus: str | None

    @property
    def ok(self) -> bool:
        """Whether it ended well; with warnings is well."""
        return not self.running and (self.exitstatus == "OK" or self.warnings > 0 or self.exitstatus == "WARNINGS: 0")

    @property
    def warnings(self) -> int:
        """How many warnings it ended with."""
        match = WARNED.fullmatch(self.exitstatus or "")
        return int(match.group(1)) if match else 0


def status(proxmox: Proxmox, upid: str) -> Task | None:
    """How a task stands; None if Proxmox knows it no more, which says nothing about its outcome."""
    try:
        row = proxmox.get_dict(*_path(upid), "status")
    except ProxmoxRefused as error:
        if _unknown(error):
            return None
        raise
    running = row.get("status") != "stopped"
    return Task(str(upid), running, None if running else str(row.get("exitstatus", "")))


def log(proxmox: Proxmox, upid: str, start: int = 0) -> list[str]:
    """The lines of a task's log from line `start` on; none if the log is empty or gone."""
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
    """Tasks that our token started on `node` since then (epoch seconds of the node's clock), newest first.

    With `marker` only those whose log names it, and those still waiting for the node's lock: their log cannot
    name it yet, and taking them for somebody else's would start the same work twice.
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
    lines = _log(proxmox, upid.text, start=0, limit=HEAD)
    if any(BEGINS in line for line in lines):
        return any(marker in line for line in lines)
    task = status(proxmox, upid.text)
    return task is not None and task.running


def active(proxmox: Proxmox, node: str) -> set[str]:
    """The UPIDs of the tasks running on a node, as far as our token may see them."""
    rows = proxmox.get_list("nodes", paths.node(node), "tasks", source="active", limit=LIMIT)
    return {str(row["upid"]) for row in rows if "upid" in row and "endtime" not in row}


def stop(proxmox: Proxmox, upid: str) -> None:
    """Ask a task to stop. One that has ended, or is known no more, needs no stopping."""
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
