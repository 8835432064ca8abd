"""Looks into the database before each request that destroys something: is it announced there, and committed?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote

from .run_record import Destruction

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
        found = _destroys(f"{method} {url}", body)
        if found:
            action, subject = found
            text, vmid = (f"%{subject}", 0) if action == "imgdel" else ("%", int(subject))
            rows = run.sql(ROWS, action=action, text=text, vmid=vmid)
            run.record.destructions.append(Destruction(f"{action} {subject}", int(rows[0]["count"])))

    run.boundaries.look = look
    yield
    run.boundaries.look = None


def _destroys(request: str, body: str) -> tuple[str, str] | None:
    """The action and what it destroys (a volid or a VMID); None for a request that destroys nothing."""
    for pattern, action in KINDS:
        if found := pattern.search(request):
            return action, unquote(found[1])
    vmid = VMID.search(body) if RESTORE.search(request) else None
    return ("qmrestore", vmid[1]) if vmid else None
