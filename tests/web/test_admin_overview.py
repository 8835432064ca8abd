"""Staff's first page has troubles first; the activity log speaks in words."""

from __future__ import annotations

import re

from support import world as worlds

from puq_backups.models import AuditEntry, now

from .admin_rows import HOUR, add_operation, set_service
from .staff_pages import StaffPages


def test_activity_names_services_and_actions_in_words(world: worlds.World, admin: StaffPages) -> None:
    set_service(world, vm_name="bakery-web")
    with world.context.database.begin() as session:
        for action in ("keep", "put_back_firewall"):
            session.add(AuditEntry(service_id="1", actor="system", action=action, text="said", at=now()))

    words = admin.read("/activity", service="1")

    assert "Keep changed bakery-web Service 1 said" in words
    assert "put_back_firewall bakery-web" in words


def test_overview_has_troubles_first_and_what_is_quiet_folded(world: worlds.World, admin: StaffPages) -> None:
    add_operation(world, "running", step="make_archive", started_at=now() - HOUR, lock="1")
    add_operation(world, "failed", finished_at=now() - HOUR)
    set_service(world, "2", protection="unprotected")

    page = admin.get().text
    places = [page.index(mark) for mark in ('"puqb-failed"', '"puqb-unprotected"', '"puqb-running"', "<details")]

    assert places == sorted(places)
    assert re.findall(r"<details[^>]*>", page) == ['<details class="puqb-card puqb-fold">']
    folded = page[page.index("<details") :]
    assert "Stuck" in folded
    assert "puqb-number-bad" not in folded
