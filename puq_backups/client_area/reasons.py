"""Why an action is not possible, and why an operation failed, in words for the client."""

from __future__ import annotations

from typing import Any

from ..errors import Message
from ..host import Actor
from ..inventory import policy, service_backups
from ..models import Backup, Operation
from ..rules.failure_causes import explained


def reason_against(
    action: str, inventory: service_backups.Inventory, actor: Actor, backup: Backup | None = None
) -> Message | None:
    """Return why `actor` may not or cannot do `action` (to `backup`) now; None where it is possible."""
    return policy.forbidden(action, actor) or policy.reason_against(
        action, inventory, backup, is_staff=actor.is_staff
    )


def for_client(stored: dict[str, Any] | None) -> Message | None:
    """Return a stored reason without paths of the node; None if there is none."""
    message = Message.from_json(stored)
    return message.without_paths() if message else None


def failure(operation: Operation) -> dict[str, Any]:
    """`cause` and `advice` in plain words if the reason is a technical one, and its text as `raw`; else each None."""
    reason = for_client(operation.reason) if operation.finished_at else None
    cause, text = explained(reason, operation.kind)
    return {"cause": cause and cause.sentence, "advice": cause and cause.advice, "raw": str(reason) if text else None}
