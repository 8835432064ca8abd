"""Tasks on their way: watched until they end, and found again where the answer to a call was lost."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from sqlalchemy import select

from ..errors import Message, ProxmoxBusy
from ..models import Operation
from ..pve import tasks
from ..pve.translation import is_busy
from .step import GiveUp, StepContext, TaskResult

RECENT_OPERATIONS = 10
"""How many of a service's operations may hold tasks that could be mistaken for a lost one."""
READ_ONLY = "unable to open file '/etc/pve/"
"""How a task ends that writes a configuration while the cluster has no quorum."""
NODE_WAITS = Message("Another backup runs on the same node; this one goes on after it.")
CLOCK_RESOLUTION = 2
"""Seconds by which a task may seem older than the call: a node's clock is known to the second only."""


def watch(step: StepContext) -> TaskResult | None:
    """The end of the running task, or None; what the page shows of it meanwhile."""
    upid = str(step.operation.upid)
    task = tasks.status(step.proxmox, upid)
    if task is None:
        return TaskResult(None, "Proxmox no longer knows the task.")
    lines = tasks.log(step.proxmox, upid)
    if task.running:
        _show(step.operation, lines)
        return None
    ended = TaskResult(task.ok, tasks.failure_reason(lines, task.exitstatus), lines, tasks.warnings(lines))
    if not task.ok and (is_busy(ended.reason) or ended.reason.startswith(READ_ONLY)):
        # Nothing was done for the lock's sake: the step is run again from its beginning.
        step.operation.upid = step.operation.intent = None
        raise ProxmoxBusy(ended.reason)
    if not task.ok and not (step.operation.intent or {}).get("tolerate"):
        step.operation.upid = step.operation.intent = None
        raise GiveUp("{proxmox}", proxmox=ended.reason)
    return ended


def _show(operation: Operation, lines: list[str]) -> None:
    """Note for the page how far the task is: in percent, and a restore's data in bytes; and what it waits for."""
    operation.reason = NODE_WAITS.to_json() if tasks.waits_for_node(lines) else None
    moved = tasks.moved(lines, operation.data.get("preflight", {}).get("sizes", {}))
    operation.progress = moved.percent if moved else tasks.progress(lines)
    if moved:
        operation.store(bytes=asdict(moved))


def find_lost(step: StepContext) -> bool:
    """Look for the task of a call whose answer never came; True where it is found, or was never started.

    Not found proves nothing before `settle` has passed, nor while the node cannot be reached.
    """
    intent = dict(step.operation.intent or {})
    known = _known_tasks(step)
    fresh = [upid.text for upid in _candidates(step, intent) if upid.text not in known]
    if fresh:
        step.operation.upid = fresh[0]
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
    """The tasks that came of other calls. A node's clock is known to the second only, so one may look like ours."""
    latest = select(Operation.data).where(Operation.service_id == step.service.id)
    with step.context.database.open() as session:
        kept = session.scalars(latest.order_by(Operation.created_at.desc()).limit(RECENT_OPERATIONS)).all()
    return {upid for data in kept for upid in data.get("upids", [])}


def forget(operation: Operation) -> None:
    """Let go of the task and its intent; the UPID is kept, so that it is not taken for another call's."""
    if operation.upid:
        operation.store(upids=[*operation.data.get("upids", []), operation.upid])
    operation.upid = operation.intent = None
