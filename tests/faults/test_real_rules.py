"""What is checked of a run with real processes: slots at its end, and audit rows by their times."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from faults import destruction_audit, rules
from faults.run_record import Destruction

from puq_backups.simulator.world.journal import Entry

from .journal_helpers import DAY, NOON, TOKEN, A, audit, good, operation

REQUESTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "imgdel": (f"DELETE /nodes/pve1/storage/nfs/content/{quote(A)}", {}, f"remove {A}"),
    "qmrestore": ("POST /nodes/pve1/qemu", {"vmid": "100"}, f"restore of VM 100 from {A}"),
    "qmstop": ("POST /nodes/pve1/qemu/100/status/stop", {}, "qmstop of VM 100"),
    "qmdestroy": ("DELETE /nodes/pve1/qemu/100", {}, "qmdestroy of VM 100"),
}


@pytest.mark.parametrize("action", REQUESTS)
def test_request_is_compared_with_the_audit_rows_before_it(action: str) -> None:
    found = good()
    request, params, said = REQUESTS[action]
    found.rows["audit"] = [audit(action, said, "opc", at="2026-01-02 12:00:01")]
    found.journal += [Entry(NOON + at, TOKEN, "asked", request, {"params": params}) for at in (DAY, DAY + 2)]

    subject = A if action == "imgdel" else "100"
    assert list(destruction_audit.by_journal(found)) == [
        Destruction(f"{action} {subject}", announced) for announced in (0, 1)
    ]


def test_slot_of_the_last_day_is_missed_where_nothing_was_made() -> None:
    found = good()
    found.promised["1"] = "2026-01-09"
    lacking = list(rules.all_ended(found))
    found.rows["operation"].append(operation("opi", slot_date="2026-01-09", state="skipped", reason="made"))

    assert lacking == ["3: service 1 has no slot on 2026-01-09, for which a schedule was saved"]
    assert list(rules.all_ended(found)) == []


def test_slot_that_a_backup_of_its_day_stands_for_is_none() -> None:
    found = good()
    found.promised["1"] = "2026-01-09"
    found.rows["backup"][0]["local_date"] = "2026-01-09"

    assert list(rules.all_ended(found)) == []


@pytest.mark.parametrize(
    "change", [{"state": "running"}, {"token": "none"}, {"state": "failed"}, {"slot_date": "2026-01-02"}]
)
def test_slot_without_its_end_or_twice(change: dict[str, Any]) -> None:
    found = good()
    found.rows["operation"][0].update(change)

    assert [one[:2] for one in rules.all_ended(found)] == ["3:"]
