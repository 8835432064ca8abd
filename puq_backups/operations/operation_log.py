"""One log line at INFO for each start, step, task and end of an operation, with the ids of its service and task."""

from __future__ import annotations

import logging

from ..errors import Message
from ..models import Operation

log = logging.getLogger("puq_backups.operations")


def started(operation: Operation, first_step: str) -> None:
    """It has left the queue, and its first step begins. `operation` is the row as it was before."""
    _write(operation, "started", f"attempt {operation.attempts + 1}, by {operation.origin}")
    step(operation, first_step)


def step(operation: Operation, name: str) -> None:
    """Its step `name` begins."""
    _write(operation, "step", name)


def task(operation: Operation) -> None:
    """Proxmox has started a task for it."""
    _write(operation, "task", operation.step)


def stuck(operation: Operation) -> None:
    """It runs past its deadline."""
    _write(operation, "stuck", operation.step)


def ended(operation: Operation, state: str, reason: Message | None) -> None:
    """It has ended in `state`; `waiting` if a scheduled backup is tried again later."""
    _write(operation, "ended", f"{state}: {reason}" if reason else state)


def _write(operation: Operation, event: str, said: str) -> None:
    log.info(
        "operation %s: %s of service %s: %s: %s", operation.id, operation.kind, operation.service_id, event, said,
        extra={
            "event": event, "service_id": operation.service_id, "operation_id": operation.id,
            "task_id": operation.last_task,
        },
    )  # fmt: skip
