"""Cron hooks: the tick at AfterCronJob and the daily summary at DailyCronJob."""

import logging
from typing import Any

from puq_backups.clock import tick
from puq_backups.context import Context
from puq_backups.hook_registry.decorators import hook
from puq_backups.mail import daily_summary as summary

log = logging.getLogger("puq_backups.cron")


@hook("AfterCronJob", priority=-100)
def backup_task(context: Context) -> dict[str, Any]:
    """Run one tick and return its counts. The priority puts it before the host's own hooks."""
    counts = tick.tick(context)
    log.info("tick: %s", ", ".join(f"{name} {count}" for name, count in counts.items()))
    return counts


@hook("DailyCronJob")
def daily_summary(context: Context) -> None:
    """Write the daily summary mail to staff."""
    summary.write(context)
