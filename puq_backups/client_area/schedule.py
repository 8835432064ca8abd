"""Client request to save the weekly schedule."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ..clock import slots
from ..context import Context
from ..errors import Refused
from ..host import Actor
from ..inventory import service_backups
from ..models import now
from ..models.audit_log import audit
from ..models.conflicts import repeated
from ..rules import next_run
from ..rules.schedule import Schedule, read_form
from ..rules.wall_time import local_date
from . import requests


class ScheduleChanged(Refused):
    """The schedule was changed meanwhile. Yours is not saved."""


def version_of(stored: Mapping[str, Any]) -> str:
    """A short mark of a stored schedule, which changes with its days, times and zone."""
    seen = {"timezone": stored.get("timezone"), "days": stored.get("days")}
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:16]


def save_schedule(context: Context, service_id: str, actor: Actor, form: Any) -> None:
    """Take over the weekly schedule of a form. Where a run of today becomes due at once, the page says so.

    `schedule_version` is the one that the form was made from; ScheduleChanged where another one is stored by now.
    Without it nothing is compared.
    """
    slots.claim_service(context, service_id)
    _save(context, service_id, actor, form)


@repeated
def _save(context: Context, service_id: str, actor: Actor, form: Any) -> None:
    with context.database.begin() as session:
        service = requests.lock_service(session, service_id)
        inventory = service_backups.load_inventory(session, service)
        requests.require_possible("schedule", inventory, actor)
        old = Schedule.from_json(service.schedule)
        new = read_form(form, default_timezone=context.settings.timezone, before=old)
        if form.get("schedule_version") not in {None, "", version_of(old.to_json())}:
            raise ScheduleChanged
        at = now()
        today = local_date(at, new.timezone)
        made = inventory.todays(today.isoformat(), manual=context.settings.manual_counts_as_todays) is not None
        dates = slots.taken_dates(session, service)
        since = next_run.effective_from(
            old, new, at, catch_up=context.settings.catch_up, taken=dates, made_today=made
        )
        last = slots.newest_due_at(session, service, at)
        new = next_run.limit_zone_change_gap(old, new, at, since=since, taken=dates, last=last)
        service.schedule, service.slots_from = new.to_json(), since
        audit(session, service_id, None, "schedule", f"saved by {actor.label}", actor=actor.label)
        slots.plan_next(session, service, since)
