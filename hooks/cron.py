"""What time brings about: the backup task runs with every call of the system's cron."""

import logging
from typing import Any

from puq_backups import summary, ticking
from puq_backups.hooking import hook
from puq_backups.toolbox import Toolbox

log = logging.getLogger("puq_backups.cron")


@hook("AfterCronJob", priority=-100)
def backup_task(toolbox: Toolbox) -> dict[str, Any]:
    """One tick: due slots, waiting operations, mail, housekeeping. Before the host's own hooks."""
    counts = ticking.tick(toolbox)
    log.info("tick: %s", ", ".join(f"{name} {count}" for name, count in counts.items()))
    return counts


@hook("DailyCronJob")
def daily_summary(toolbox: Toolbox) -> None:
    """Tell staff of the day, by mail."""
    summary.tell(toolbox)
