"""The staff pages in a browser: they work without script, fit a phone, follow the dark, and read from the right."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import delete
from support import world as worlds

from puq_backups import Actor
from puq_backups.clock import chores
from puq_backups.errors import Message
from puq_backups.models import Backup, Operation, Service, new_id, now

FULL = Message("Proxmox could not make the backup: {proxmox}", proxmox="no space left on device")
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
PAGES = {
    "overview": "/", "operations": "/operations?state=waiting", "services": "/services", "service": "/services/1/",
    "look": "/services/1/proxmox", "servers": "/servers", "activity": "/activity",
}  # fmt: skip


@pytest.fixture
def busy(world: worlds.World) -> worlds.World:
    """A provider's afternoon: something of everything."""
    world.register("2", 101, "bob", storage="nfs")
    world.register("3", 102, "carol", storage="nfs")
    stray = world.back_up("made before the move")
    for volume in world.proxmox.volumes("local"):
        if volume.volid == stray.volid:
            volume.notes = "made by hand before the move"
    with world.context.database.begin() as session:
        session.execute(delete(Backup).where(Backup.id == stray.id))
    world.back_up("before the update")
    world.back_up("a second one")
    world.host.actor = worlds.STAFF
    for name in ("tick", "worker"):
        chores.record_heartbeat(world.context, name)
    world.app.test_cli_runner().invoke(args=["backups", "sync"])
    ago = timedelta(minutes=1)
    with world.context.database.begin() as session:
        for state, service, more in (
            ("running", "2", {"step": "make_archive", "progress": 42, "lock": "2", "started_at": now() - 8 * ago}),
            ("waiting", "3", {}),
            (
                "stuck",
                "1",
                {"step": "restore_disks", "progress": 87, "kind": "restore", "started_at": now() - 99 * ago},
            ),
            ("failed", "2", {"reason": FULL, "finished_at": now() - 90 * ago}),
            ("missed", "3", {"finished_at": now() - 300 * ago}),
        ):
            session.add(operation(session.get_one(Service, service), state, more))
    world.proxmox.control("leftover-lock", vmid=100, lock="backup")
    return world


def operation(service: Service, state: str, more: dict[str, Any]) -> Operation:
    reason = more.pop("reason", None)
    values: dict[str, Any] = {
        "kind": "backup", "origin": "scheduled", "token": new_id()[:16], "storage": "nfs", "created_at": now(),
        "due_at": now(), "wake_at": now(), "actor": "schedule", **more,
    }  # fmt: skip
    return Operation(
        service_id=service.id, client_id=service.client_id, server_id=service.server_id, node=service.node,
        state=state, reason=reason and reason.to_json(), **values,
    )  # fmt: skip


@pytest.fixture
def look(browser: Browser, address: str, shot: Callable[[Page, str], Path]) -> Callable[..., None]:
    """Look at pages: nothing sticks out to the side; a picture of each."""

    def visit(name: str, titles: Iterable[str], **options: Any) -> None:
        context = browser.new_context(locale="en-GB", **options)
        page = context.new_page()
        for title in titles:
            page.goto(f"{address}/admin/backups{PAGES[title]}")
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide == 0, (title, name)
            shot(page, f"admin-{title}-{name}")
        context.close()

    return visit


def test_pages_fit_desk_and_phone_light_and_dark_and_read_from_the_right(
    busy: worlds.World, look: Callable[..., None]
) -> None:
    look("light", PAGES, viewport=DESK)
    look("phone", PAGES, viewport=PHONE, has_touch=True)
    look("dark", ("overview", "service"), viewport=DESK, color_scheme="dark")
    busy.host.actor = Actor(is_staff=True, name="Samira", locale="ar")
    look("rtl", ("overview",), viewport=DESK)


def test_page_of_a_service_keeps_up_by_itself(busy: worlds.World, page: Page, address: str) -> None:
    with busy.context.database.begin() as session:
        session.execute(delete(Operation).where(Operation.state.in_(("running", "waiting", "stuck"))))
    busy.proxmox.control("operator-unlock", vmid=100)
    page.goto(f"{address}/admin/backups/services/1/")
    expect(page.locator("#puqb-live-list").get_by_role("row")).to_have_count(3)

    busy.back_up("made meanwhile")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    expect(page.locator("#puqb-live-list").get_by_role("row").filter(has_text="made meanwhile")).to_be_visible()


def test_archive_is_adopted_without_script(busy: worlds.World, browser: Browser, address: str) -> None:
    with busy.context.database.begin() as session:
        session.execute(delete(Operation).where(Operation.state.in_(("running", "waiting", "stuck"))))
    busy.proxmox.control("operator-unlock", vmid=100)
    page = browser.new_context(java_script_enabled=False, viewport=DESK).new_page()
    page.goto(f"{address}/admin/backups/services?q=ALICE.exam")
    page.get_by_role("link", name="web100").click()
    page.get_by_role("link", name="Look now").click()
    page.get_by_role("button", name="Adopt").click()
    page.get_by_label("I have made sure").check()
    page.get_by_role("dialog").get_by_role("button", name="Adopt").click()
    expect(page.get_by_role("status")).to_contain_text("The archive is a backup of this service from now on.")

    page.get_by_role("link", name="web100").click()
    expect(page.get_by_role("row").filter(has_text="made by hand before the move")).to_contain_text("Added by staff")
    page.get_by_role("link", name="Client's page").click()
    expect(page.get_by_role("row").filter(has_text="made by hand before the move")).to_be_visible()
