"""The wish for a weekly schedule."""

from __future__ import annotations

from typing import Any

from ..clock import slots
from ..context import Context
from ..host import Actor
from ..inventory import service_backups
from ..models import now
from ..models.audit_log import audit
from ..rules import schedule
from . import requests


def save_schedule(context: Context, service_id: str, actor: Actor, form: Any) -> None:
    """Take over the weekly schedule of a form. Where a run of today becomes due at once, the page says so."""
    slots.claim(context, service_id)
    with context.database.begin() as session:
        service = requests.locked(session, service_id)
        standing = service_backups.standing(session, service)
        requests.check("schedule", standing, actor)
        old = schedule.Schedule.from_json(service.schedule)
        new = schedule.read(form, default_timezone=context.settings.timezone, before=old)
        at = now()
        today = schedule.local_date(at, new.timezone)
        made = slots.todays(context, standing, today.isoformat()) is not None
        dates = slots.taken(session, service)
        since = schedule.on_save(old, new, at, catch_up=context.settings.catch_up, taken=dates, made_today=made)
        last = slots.newest(session, service, at)
        new = schedule.bridge(old, new, at, since=since, taken=dates, last=last)
        service.schedule, service.slots_from = new.to_json(), since
        audit(session, service_id, None, "schedule", f"saved by {actor.title}", actor=actor.title)
        slots.plan(session, service, since)
