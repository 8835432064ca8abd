"""Watches running Proxmox tasks, and finds the task of a call whose answer was lost."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from sqlalchemy import select

from ..config import Settings
from ..errors import ProxmoxBusy
from ..models import Operation
from ..pve import tasks
from ..pve.error_mapping import is_busy
from . import errors, operation_log
from .start_conditions import NODE_BUSY
from .step import GiveUp, StepContext, TaskResult

RECENT_OPERATIONS = 10
"""Number of the service's latest operations whose tasks are excluded from the search for a lost one."""
LONGEST = 12
"""The longest interval of polls, in shortest ones: with 5 seconds, 60. Before that age they stay at the shortest."""
GROWTH = 4
"""After that the interval is this part of the time that the task runs already: 60 seconds after 4 minutes."""
READ_ONLY = "unable to open file '/etc/pve/"
"""Start of the exit status of a task that wrote a configuration while the cluster had no quorum."""
CLOCK_RESOLUTION = 2
"""Seconds by which a task may seem older than its call, because the node's clock is known to the second only."""


def watch(step: StepContext) -> TaskResult | None:
    """The result of the operation's task, or None while it runs. Its log is read at its end, and while watched.

    Raises ProxmoxBusy if the task ended for a lock, GiveUp if it failed and the step does not tolerate that.
    """
    upid = str(step.operation.upid)
    if step.task_runs:
        _show(step)
        return None
    task = tasks.status(step.proxmox, upid)
    if task is None:
        return TaskResult(None, "Proxmox no longer knows the task.")
    if task.running:
        if step.context.watched([step.service.id]):
            _show(step)
        else:
            errors.forget_trouble_of_task(step)
        return None
    lines = tasks.log(step.proxmox, upid)
    ended = TaskResult(task.ok, tasks.failure_reason(lines, task.exitstatus), lines, tasks.warnings(lines))
    if not task.ok and (is_busy(ended.reason) or ended.reason.startswith(READ_ONLY)):
        # The task did nothing because of the lock: the step is run again from its beginning.
        step.operation.upid = step.operation.intent = None
        raise ProxmoxBusy(ended.reason)
    if not task.ok and not (step.operation.intent or {}).get("tolerate"):
        step.operation.upid = step.operation.intent = None
        raise GiveUp("{proxmox}", proxmox=ended.reason)
    return ended


def pause_seconds(settings: Settings, intent: dict[str, Any] | None, *, watched: bool) -> float:
    """Seconds until the next poll of a running task: `PUQ_BACKUPS_POLL` in its first minute and while `watched`.

    Otherwise a quarter of the time that it runs already, at most twelve times `PUQ_BACKUPS_POLL`.
    """
    shortest = settings.poll.total_seconds()
    longest = shortest * LONGEST
    age = time.time() - float((intent or {}).get("at") or time.time())
    return shortest if watched or age < longest else min(age / GROWTH, longest)


def _show(step: StepContext) -> None:
    """Store the task's progress: percent, bytes, rate, and whether it waits for another backup.

    Of a backup's log only the lines since the last poll are read. A restore's progress needs those before as well.
    """
    operation = step.operation
    start = int(operation.data.get("log_lines") or 0) if operation.kind == "backup" else 0
    lines = tasks.log(step.proxmox, str(operation.upid), start)
    errors.forget_trouble_of_task(step)
    if not lines:
        return
    operation.store(log_lines=start + len(lines))
    operation.reason = NODE_BUSY.to_json() if tasks.waits_for_node(lines) else None
    moved = tasks.restore_progress(lines, operation.data.get("preflight", {}).get("sizes", {}))
    percent = moved.percent if moved else tasks.progress(lines)
    # Sizes that are known only when their disk begins would take it back.
    operation.progress = max(percent, operation.progress or 0) if percent is not None else operation.progress
    if moved:
        operation.store(bytes={**asdict(moved), "rate": _rate(operation, moved.done)})
    elif copied := tasks.backup_progress(lines):
        operation.store(bytes=asdict(copied))


def _rate(operation: Operation, done: int) -> int | None:
    """Bytes a second since the first look at the data; a restore's log does not say."""
    first = operation.data.get("bytes_first")
    if not first:
        operation.store(bytes_first={"at": time.time(), "done": done})
        return None
    passed = time.time() - first["at"]
    return round((done - first["done"]) / passed) if passed > 1 else None


def find_lost(step: StepContext) -> bool:
    """Look for the task of a call whose answer was lost. True if it was found, or if it was certainly never started.

    "Not found" proves nothing before `PUQ_BACKUPS_SETTLE` has passed, or while the node cannot be reached.
    """
    intent = dict(step.operation.intent or {})
    known = _known_tasks(step)
    fresh = [upid.text for upid in _candidates(step, intent) if upid.text not in known]
    if fresh:
        step.operation.upid = fresh[0]
        operation_log.task(step.operation)
        return True
    if time.time() - float(intent["at"]) < step.context.settings.settle.total_seconds():
        return False
    step.operation.intent = None
    return True


def _candidates(step: StepContext, intent: dict[str, Any]) -> list[tasks.Upid]:
    if not intent.get("findable", True):
        return []
    return tasks.find(
        step.proxmox,
        intent["node"],
        type=intent["type"],
        id=intent["id"],
        since=int(intent["since"]) - CLOCK_RESOLUTION,
        marker=intent["marker"],
    )


def _known_tasks(step: StepContext) -> set[str]:
    """UPIDs of tasks of earlier calls, which could be mistaken for the lost one within the same second."""
    latest = select(Operation.data).where(Operation.service_id == step.service.id)
    with step.context.database.open() as session:
        kept = session.scalars(latest.order_by(Operation.created_at.desc()).limit(RECENT_OPERATIONS)).all()
    return {upid for data in kept for upid in data.get("upids", [])}


def forget(operation: Operation) -> None:
    """Clear UPID and intent. The UPID is stored in `data["upids"]`, so that it is not taken for a lost task."""
    if operation.upid:
        operation.store(upids=[*operation.data.get("upids", []), operation.upid], log_lines=None)
    operation.upid = operation.intent = None
