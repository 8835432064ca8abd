"""Looks into the database before each request that destroys something: is it announced there, and committed?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote

from . import run_record
from .run_record import Destruction, RunRecord

if TYPE_CHECKING:
    from .run import Run

KINDS = (
    (re.compile(r"DELETE .*/storage/[^/]+/content/(.+)$"), "imgdel"),
    (re.compile(r"DELETE .*/qemu/(\d+)(?:\?.*)?$"), "qmdestroy"),
    (re.compile(r"POST .*/qemu/(\d+)/status/stop$"), "qmstop"),
    (re.compile(r"POST .*/qemu/(\d+)/status/shutdown$"), "qmshutdown"),
)
RESTORE, VMID = re.compile(r"POST .*/nodes/[^/]+/qemu$"), re.compile(r"(?:^|&|\")vmid(?:=|\": ?\"?)(\d+)")
ROWS = """
    SELECT COUNT(*) AS count FROM puq_backups_audit WHERE action = :action AND actor != '' AND text LIKE :text
    AND (:vmid = 0 OR service_id IN (SELECT id FROM puq_backups_service WHERE vmid = :vmid))
"""


@contextmanager
def watched(run: Run) -> Iterator[None]:
    """Note each request that destroys something, with the audit rows of it that are committed by then."""

    def look(method: str, url: str, body: str) -> None:
        vmid = VMID.search(body)
        found = _destroys(f"{method} {url}", vmid[1] if vmid else "")
        if found:
            action, subject = found
            text, vmid = (f"%{subject}", 0) if action == "imgdel" else ("%", int(subject))
            rows = run.sql(ROWS, action=action, text=text, vmid=vmid)
            run.record.destructions.append(Destruction(f"{action} {subject}", int(rows[0]["count"])))

    run.boundaries.look = look
    yield
    run.boundaries.look = None


def by_journal(record: RunRecord) -> Iterator[Destruction]:
    """The same of other processes, which cannot be asked before: by the times of their requests and audit rows."""
    vmids = {row["id"]: str(row["vmid"]) for row in record.rows["service"]}
    said = sorted(
        (run_record.seconds(row["at"]), row["action"], row["text"], vmids.get(row["service_id"], ""))
        for row in record.rows["audit"] if row["actor"]
    )  # fmt: skip
    for entry in record.journal:
        if entry.what != "asked" or entry.by != record.token_id:
            continue
        found = _destroys(entry.subject, str(entry.details["params"].get("vmid", "")))
        if found:
            action, subject = found
            announced = sum(
                at <= entry.at and kind == action and (vmid == subject or text.endswith(subject))
                for at, kind, text, vmid in said
            )  # fmt: skip
            yield Destruction(f"{action} {subject}", announced)


def _destroys(request: str, vmid: str) -> tuple[str, str] | None:
    """The action and what it destroys (a volid or a VMID); None for a request that destroys nothing.

    `vmid` is what the request's form names.
    """
    for pattern, action in KINDS:
        if found := pattern.search(request):
            return action, unquote(found[1])
    return ("qmrestore", vmid) if vmid and RESTORE.search(request) else None
