"""What time brings about: the backup task runs with every call of the system's cron."""

import logging
from typing import Any

from puq_backups.clock import tick
from puq_backups.context import Context
from puq_backups.hook_registry.decorators import hook
from puq_backups.mail import daily_summary as summary

log = logging.getLogger("puq_backups.cron")


@hook("AfterCronJob", priority=-100)
def backup_task(context: Context) -> dict[str, Any]:
    """One tick: due slots, waiting operations, mail, housekeeping. Before the host's own hooks."""
    counts = tick.tick(context)
    log.info("tick: %s", ", ".join(f"{name} {count}" for name, count in counts.items()))
    return counts


@hook("DailyCronJob")
def daily_summary(context: Context) -> None:
    """Tell staff of the day, by mail."""
    summary.write(context)
