"""Leases on running operations. One worker holds an operation at a time; without the lease nothing is committed."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from ..context import Context
from ..models import Operation, database_now, leases, now
from .step import StepContext


class LeaseLost(Exception):
    """The lease ran out and another worker took the operation over. This worker must not write any more."""


def claim(context: Context, session: Session, operation_id: str) -> Operation | None:
    """Lease a running operation for this process.

    Returns None if another process holds it, it has ended, or its `wake_at` has not come. The lease lasts
    `leases.duration_seconds()` by the database's clock.
    """
    operation = session.get(Operation, operation_id)
    if operation is None or operation.state not in {"running", "stuck"} or operation.wake_at > now():
        return None
    clock = database_now(session)
    if leases.is_held(operation.lease_owner, operation.lease_until, clock):
        return None
    before, owner = operation.lease_owner, leases.new_owner()
    taken = session.execute(
        update(Operation)
        .where(
            Operation.id == operation_id,
            Operation.lease_owner.is_(None) if before is None else Operation.lease_owner == before,
        )
        .values(lease_owner=owner, lease_until=clock + timedelta(seconds=leases.duration_seconds(context.settings)))
    )
    session.commit()
    # No row: another worker got there first.
    if taken.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has it
        return None
    session.refresh(operation)
    return operation if operation.state in {"running", "stuck"} else None


def commit(step: StepContext, owner: str, *, release: bool = False) -> None:
    """Commit the changes of a step and renew or release the lease; raises LeaseLost if the lease has run out."""
    clock = database_now(step.session)
    until = clock + timedelta(seconds=leases.duration_seconds(step.context.settings))
    held = step.session.execute(
        update(Operation)
        .where(Operation.id == step.operation.id, Operation.lease_owner == owner, Operation.lease_until > clock)
        .values(lease_owner=None if release else owner, lease_until=until, enqueued_at=None)
        .execution_options(synchronize_session=False)
    )
    if held.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has it
        raise LeaseLost
    step.session.commit()


def pause(step: StepContext, owner: str, seconds: float) -> bool:
    """Commit, release the lease and set `wake_at` to `seconds` from now. Returns whether it can continue at once."""
    step.operation.wake_at = now() + timedelta(seconds=seconds)
    commit(step, owner, release=True)
    return seconds <= 0
