"""What a service's scheduled run does, decided from what is known of the service now."""

from __future__ import annotations

from ..config import Settings
from ..errors import Message
from ..models import Operation
from ..rules.package import Package
from ..rules.run_decision import Facts, RunDecision, decide
from ..rules.schedule import Schedule
from .service_backups import Inventory


def decide_run(
    settings: Settings, inventory: Inventory, day: str | None, slot: Operation | None = None
) -> RunDecision:
    """What the run of local date `day` does: that of `slot`, which is claimed already, or the next one (None)."""
    return decide(run_facts(settings, inventory, day, slot))


def run_facts(settings: Settings, inventory: Inventory, day: str | None, slot: Operation | None = None) -> Facts:
    """What that run depends on."""
    service = inventory.service
    manual = settings.manual_counts_as_todays
    todays = inventory.todays(day, manual=manual, but=slot.id if slot else None) if day else None
    return Facts(
        status=service.status, limit=service.quota, rotation=Package.from_json(service.package).rotation,
        backups=inventory.for_rotation(), planned=slot is not None or _planned(inventory),
        has_todays=todays is not None, unfinished=slot is not None and _unfinished(inventory, slot),
        restore_failed=service.restore_failed is not None, problem=Message.from_json(service.problem),
    )  # fmt: skip


def _planned(inventory: Inventory) -> bool:
    stored = inventory.service.schedule
    return bool(stored) and any(day.enabled for day in Schedule.from_json(stored).days)


def _unfinished(inventory: Inventory, slot: Operation) -> bool:
    """Whether another backup waits, or a scheduled one runs. One that was tried already goes on all the same."""
    if slot.attempts:
        return False
    others = [waiting for waiting in inventory.waiting if waiting.kind == "backup" and waiting.id != slot.id]
    running = inventory.running
    return bool(others) or bool(running and running.kind == "backup" and running.slot_date is not None)
