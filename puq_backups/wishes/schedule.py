"""The wish for a weekly schedule."""

from __future__ import annotations

from typing import Any

from .. import inventory, schedules, slots
from ..host import Actor
from ..models import now
from ..operations import engine
from ..toolbox import Toolbox
from . import asking


def save_schedule(toolbox: Toolbox, service_id: str, actor: Actor, form: Any) -> None:
    """Take over the weekly schedule of a form. Where a run of today becomes due at once, the page says so."""
    slots.claim(toolbox, service_id)
    with toolbox.database.begin() as session:
        service = asking.locked(session, service_id)
        standing = inventory.standing(session, service)
        asking.check("schedule", standing, actor)
        old = schedules.Schedule.from_json(service.schedule)
        new = schedules.read(form, default_timezone=toolbox.settings.timezone, before=old)
        at = now()
        today = schedules.local_date(at, new.timezone)
        made = slots.todays(toolbox, standing, today.isoformat()) is not None
        dates = slots.taken(session, service)
        since = schedules.on_save(old, new, at, catch_up=toolbox.settings.catch_up, taken=dates, made_today=made)
        last = slots.newest(session, service, at)
        new = schedules.bridge(old, new, at, since=since, taken=dates, last=last)
        service.schedule, service.slots_from = new.to_json(), since
        engine.audit(session, service_id, None, "schedule", f"saved by {actor.title}", actor=actor.title)
        slots.plan(session, service, since)
