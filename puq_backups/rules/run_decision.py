"""What a scheduled run does: whether it runs, is skipped or refused, and which backups it removes. Values only.

The same function decides a slot when it is claimed and started, and says beforehand what the next run will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import Message
from ..i18n.translator import N_
from . import retention
from .retention import BackupInfo

ALL_KEPT = N_("All {limit} backups are kept, so none can make room. Choose “Do not keep” for one.")
TODAYS = Message("There is a backup of this day already.")
UNFINISHED = Message("The backup before this one is not done yet.")
RESTORE_FAILED = Message("No backup is made until the server is restored or reinstalled.")
NO_BACKUPS = Message("Your package includes no backups.")
SUSPENDED = Message("The service is suspended.")
TERMINATED = Message("The service is terminated.")
NO_SCHEDULE = Message("No day of the schedule is enabled.")


@dataclass(frozen=True)
class Facts:
    """What a scheduled run of a service depends on.

    `planned`: at least one weekday is enabled. `has_todays`: a backup counts as that of the run's date.
    `unfinished`: another backup of the service waits, or a scheduled one runs. `problem` is why the service is
    locked for staff. `limit` is the quota, `rotation` "before" or "after".
    """

    status: str
    limit: int
    rotation: str
    backups: Sequence[BackupInfo]
    planned: bool = True
    has_todays: bool = False
    unfinished: bool = False
    restore_failed: bool = False
    problem: Message | None = None


@dataclass(frozen=True)
class RunDecision:
    """`outcome` is runs, skipped, refused or none (there is no run); `reason` says why where it does not run.

    `before` and `after` are the ids of the backups that rotation removes before and after the new one is made,
    if all goes well. `emptied` are those that leave the bin for its place.
    """

    outcome: str
    reason: Message | None = None
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()

    @property
    def removes(self) -> list[str]:
        """All backups that rotation removes, in their order."""
        return [*self.before, *self.after]


def decide(facts: Facts) -> RunDecision:
    """What a scheduled run does in these circumstances."""
    if reason := _none(facts):
        return RunDecision("none", reason)
    if reason := _refused(facts):
        return RunDecision("refused", reason)
    if facts.has_todays:
        return RunDecision("skipped", TODAYS)
    if facts.unfinished:
        return RunDecision("skipped", UNFINISHED)
    # Only where a new one is to be made: a day that has its backup needs no place.
    if retention.blocked_by_kept(facts.backups, limit=facts.limit):
        return RunDecision("refused", Message(ALL_KEPT, limit=facts.limit))
    before, after = retention.next_removals(facts.backups, limit=facts.limit, rotation=facts.rotation)
    gone = {*before, *after}
    left = [backup for backup in facts.backups if backup.id not in gone]
    emptied = retention.to_empty(left, limit=facts.limit, coming=1)
    return RunDecision("runs", None, tuple(before), tuple(after), tuple(emptied))


def _none(facts: Facts) -> Message | None:
    if facts.status == "suspended":
        return SUSPENDED
    if facts.status == "terminated":
        return TERMINATED
    return None if facts.planned else NO_SCHEDULE


def _refused(facts: Facts) -> Message | None:
    if facts.problem:
        return facts.problem
    if facts.restore_failed:
        return RESTORE_FAILED
    return NO_BACKUPS if facts.limit == 0 else None
