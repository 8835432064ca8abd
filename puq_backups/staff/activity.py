"""The activity log (audit entries) for staff: filter, pages and CSV export."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from ..i18n.translator import N_
from ..models import AuditEntry, Database, Service
from . import paging

ORDER = paging.Order(AuditEntry.at)
BATCH = 2000
COLUMNS = ("at", "service_id", "operation_id", "actor", "action", "text")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters of cells that a spreadsheet would evaluate as a formula."""

VERBS = {
    "backup": N_("Backup asked for"), "restore": N_("Restore asked for"), "remove": N_("Backup removed"),
    "reinstall": N_("Reinstall asked for"), "cancel": N_("Cancelled"), "ended": N_("Ended"),
    "schedule": N_("Schedule saved"), "keep": N_("Keep changed"), "bin": N_("Put into the bin"),
    "undo": N_("Taken out of the bin"), "release": N_("Counted toward the quota"), "adopt": N_("Archive adopted"),
    "hide": N_("Archive hidden"), "unhide": N_("Archive shown again"), "resolve": N_("Failed restore settled"),
    "identity": N_("Machine confirmed"), "storage": N_("Storage changed"), "server": N_("Servers merged"),
    "import": N_("Imported"),
    "email": N_("E-mail"), "quota": N_("Quota changed"), "params": N_("Package read"), "create": N_("Registered"),
    "suspend": N_("Suspended"), "unsuspend": N_("Unsuspended"), "terminate": N_("Terminated"),
    "vzdump": N_("Backup started"), "qmrestore": N_("Restore started"), "imgdel": N_("Backup deleted"),
    "qmshutdown": N_("Server shut down"), "qmstop": N_("Server stopped"), "qmstart": N_("Server started"),
    "qmconfig": N_("Settings changed"), "resize": N_("Disk resized"), "qmclone": N_("Template copied"),
    "qmdestroy": N_("Server destroyed"),
}  # fmt: skip
"""What each action of the log is called for staff; an action without a name is shown as it is stored."""


@dataclass(frozen=True)
class Filter:
    """Filter of the log; "" and None match all. `since` (inclusive) and `until` (exclusive) are aware datetimes."""

    service: str = ""
    client: str = ""
    actor: str = ""
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None


def read(form: Mapping[str, str], zone: tzinfo) -> Filter:
    """Read the filter from query parameters. `from` and `to` are dates in `zone`; an invalid date is ignored."""
    words = {name: _word(form.get(name, "")) for name in ("service", "client", "actor", "action")}
    first, last = _day(form.get("from", "")), _day(form.get("to", ""))
    return Filter(
        **words,
        since=datetime.combine(first, time(), zone) if first else None,
        until=datetime.combine(last + timedelta(days=1), time(), zone) if last else None,
    )


def _word(text: str) -> str:
    # PostgreSQL refuses NUL in a parameter.
    return "".join(filter(str.isprintable, text)).strip()[:190]


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    # 9999-12-31 has no next day, and no valid UTC time in some zones.
    return found if 1970 <= found.year < 9999 else None  # noqa: PLR2004 - years that every database stores


def rows(session: Session, wanted: Filter) -> Select[Any]:
    """Return the statement that selects the entries matching a filter."""
    found = select(AuditEntry)
    if wanted.service:
        found = found.where(AuditEntry.service_id == wanted.service)
    if wanted.client:
        theirs = select(Service.id).where(Service.client_id == wanted.client)
        found = found.where(AuditEntry.service_id.in_(session.scalars(theirs).all()))
    if wanted.actor:
        found = found.where(AuditEntry.actor == _actor(session, wanted.actor))
    if wanted.action:
        found = found.where(AuditEntry.action == wanted.action)
    if wanted.since:
        found = found.where(AuditEntry.at >= wanted.since)
    return found.where(AuditEntry.at < wanted.until) if wanted.until else found


def _actor(session: Session, text: str) -> str:
    """Return the actor as stored: "Sam" becomes "staff (Sam)" if such an entry exists."""
    named = f"staff ({text})"
    return named if session.scalar(select(exists().where(AuditEntry.actor == named))) else text


def page(session: Session, wanted: Filter, at: paging.Cursor = paging.START) -> paging.Page[AuditEntry]:
    """Return a page of entries, newest first."""
    return paging.page(session, rows(session, wanted), ORDER, at)


def service_names(session: Session, entries: Iterable[AuditEntry]) -> dict[str, str]:
    """Return the VM names of the services that the entries are about, by service id. One query."""
    ids = {entry.service_id for entry in entries if entry.service_id}
    found = session.execute(select(Service.id, Service.vm_name).where(Service.id.in_(ids)))
    return {service_id: name for service_id, name in found if name}


def as_csv(database: Database, wanted: Filter) -> Iterator[str]:
    """Yield the entries as CSV text, newest first, BATCH rows at a time, each batch in its own short transaction."""
    yield _line(COLUMNS)
    after = ""
    while True:
        with database.open() as session:
            found = paging.page(session, rows(session, wanted), ORDER, paging.Cursor(after=after), BATCH)
        if found.rows:
            yield "".join(_line(_cells(entry)) for entry in found.rows)
        after = found.after
        if not after:
            return


def _cells(entry: AuditEntry) -> list[str]:
    at = entry.at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    found = [at, entry.service_id, entry.operation_id, entry.actor, entry.action, entry.text]
    return [_harmless(cell or "") for cell in found]


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _line(cells: Any) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()
