"""Whether a service is protected by its backups, why, and when that is due to change. Values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..errors import Message
from ..i18n.translator import N_
from .run_decision import NO_BACKUPS, RunDecision

NOTHING_GOOD = Message("There is no backup that can be restored.")
PAUSED = Message("Backups are paused while the service is suspended.")
ENDED = Message("The service has ended.")
NOT_SCHEDULED = Message("No backups are scheduled.")


@dataclass(frozen=True)
class Slot:
    """A scheduled run: `at` is when it was due. `skipped`: a backup of its day existed. `open`: it waits or runs."""

    at: datetime
    skipped: bool = False
    open: bool = False


@dataclass(frozen=True)
class Good:
    """A backup that can be restored: when it was made, and whether its storage was seen of late."""

    at: datetime
    reachable: bool = True


@dataclass(frozen=True)
class Facts:
    """`slots` are the last scheduled runs whose time has come, newest first, those included that nobody claimed;
    `good` the backups that count and can be restored, newest first. `next_at` is when the next run is due,
    `unseen_since` since when no storage of a good backup answers.
    """

    status: str
    limit: int
    planned: bool
    slots: Sequence[Slot]
    good: Sequence[Good]
    next_at: datetime | None
    next_run: RunDecision
    unseen_since: datetime | None = None


@dataclass(frozen=True)
class Protection:
    """`state` is one of models.PROTECTION, `reason` a sentence, `changes_at` when it is to be computed again."""

    state: str
    reason: Message
    last_good_at: datetime | None = None
    changes_at: datetime | None = None


def judge(facts: Facts, now: datetime, catch_up: timedelta) -> Protection:
    """How a service is protected at `now`. A run may be late by `catch_up` before it counts as not made."""
    last = max((good.at for good in facts.good), default=None)
    state, reason = _judge(facts, now, catch_up, last)
    return Protection(state, reason, last, _changes_at(facts, now, catch_up))


def _changes_at(facts: Facts, now: datetime, catch_up: timedelta) -> datetime | None:
    if facts.status != "active":
        return None
    coming = [slot.at for slot in facts.slots if slot.open] + ([facts.next_at] if facts.next_at else [])
    return min((at + catch_up for at in coming if at + catch_up > now), default=None)


def _judge(facts: Facts, now: datetime, catch_up: timedelta, last: datetime | None) -> tuple[str, Message]:
    if facts.status != "active":
        return "paused", ENDED if facts.status == "terminated" else PAUSED
    if facts.limit == 0 or not facts.planned:
        return "unscheduled", _unscheduled(facts, last)
    if facts.good and not any(good.reachable for good in facts.good):
        return "unknown", _unknown(facts)
    reachable = max((good.at for good in facts.good if good.reachable), default=None)
    due = [slot for slot in facts.slots if not slot.open or slot.at + catch_up <= now]
    return _by_slots(facts, due, reachable)


def _by_slots(facts: Facts, due: Sequence[Slot], last: datetime | None) -> tuple[str, Message]:
    lost = [slot for slot in due if not slot.skipped and (last is None or slot.at > last)]
    if last is None:
        return ("unprotected", NOTHING_GOOD) if lost else _starting(facts)
    if not due or due[0] not in lost:
        return _well(facts, last)
    if len(due) > 1 and due[1] in lost:
        return "unprotected", Message("Last good backup: {last}. The last two backups were not made.", last=last)
    text = N_("Last good backup: {last}. The backup due at {slot} was not made.")
    return "at_risk", Message(text, last=last, slot=due[0].at)


def _starting(facts: Facts) -> tuple[str, Message]:
    if facts.next_run.outcome == "refused":
        return "at_risk", _will_not_run(facts)
    if facts.next_at is None:
        return "starting", NOTHING_GOOD
    return "starting", Message("First backup: {next}.", next=facts.next_at)


def _well(facts: Facts, last: datetime) -> tuple[str, Message]:
    if facts.next_run.outcome == "refused":
        return "at_risk", _will_not_run(facts)
    if facts.next_at is None:
        return "protected", Message("Last good backup: {last}.", last=last)
    return "protected", Message("Last good backup: {last}. Next backup: {next}.", last=last, next=facts.next_at)


def _will_not_run(facts: Facts) -> Message:
    return Message("The next backup will not run. {reason}", reason=facts.next_run.reason or Message(""))


def _unknown(facts: Facts) -> Message:
    if facts.unseen_since is None:
        return Message("The storage of your backups does not answer.")
    return Message("The storage of your backups has not answered since {since}.", since=facts.unseen_since)


def _unscheduled(facts: Facts, last: datetime | None) -> Message:
    if facts.limit == 0:
        return NO_BACKUPS
    if last is None:
        return NOT_SCHEDULED
    return Message("No backups are scheduled. Last good backup: {last}.", last=last)
