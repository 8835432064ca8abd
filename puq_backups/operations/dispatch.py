"""Starts waiting operations: each node with capacity takes the next ones of its own queue."""

from __future__ import annotations

import logging
from functools import partial

from ..context import Context
from ..models import Operation
from . import queue, state_changes
from .queue import Place, Running, Waiting
from .set_aside import RowWork

log = logging.getLogger("puq_backups.operations")
MOST_TRIES = 100
"""Operations tried per node and call. The rest is left to the next call."""


def start_waiting(context: Context, operation_id: str | None = None) -> int:
    """Start waiting operations in queue order where there is capacity. Returns how many were started.

    With `operation_id` only the queue of that operation's node is looked at, so that the cost does not depend on how
    many wait elsewhere. A limit per storage concerns several nodes, so then all queues are looked at.
    """
    settings = context.settings
    with context.database.open() as session:
        of = session.get(Operation, operation_id) if operation_id and settings.per_storage is None else None
        only = Place(of.server_id, of.node) if of else None
        waiting = {only: True} if only else queue.places_waiting(session)
        if not waiting:
            return 0
        running = queue.running_backups(session, only)
        open_to = [place for place, others in waiting.items() if others or running.nodes[place] < settings.per_node]
        queues = queue.in_order(session, open_to)
    rows = RowWork(context, "start")
    started = [one for order in queues.values() for one in _start_node(context, running, order, rows)]
    context.enqueue(started)
    return len(started)


def start_accepted(context: Context) -> None:
    """Start what was asked for just now. It is accepted already: if this fails, the next tick starts it."""
    try:
        start_waiting(context)
    except Exception:
        log.exception("what was accepted could not be started; the next tick does it")


def _start_node(context: Context, running: Running, order: list[Waiting], rows: RowWork) -> list[str]:
    started: list[str] = []
    tries = 0
    for one in order:
        if one.blocked or tries == MOST_TRIES or not _has_room(context, running, one):
            continue
        tries += 1
        if not rows.count([(one.id, None, partial(state_changes.start, context, one.id))]):
            continue
        started.append(one.id)
        if one.kind == "backup":
            running.nodes[one.place] += 1
            running.storages[one.place.server_id, one.storage] += 1
    return started


def _has_room(context: Context, running: Running, one: Waiting) -> bool:
    if one.kind != "backup":
        return True
    full = queue.is_full(context.settings, running, one.place.server_id, one.storage)
    return not full and running.nodes[one.place] < context.settings.per_node
