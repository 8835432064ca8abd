"""Staff's page of the servers."""

from __future__ import annotations

import re

from support import world as worlds

from puq_backups.errors import Message
from puq_backups.models import Chore, Server, now

from .client_pages import visible_text
from .staff_pages import StaffPages


def test_servers_tell_their_storages_their_trouble_and_no_secret(world: worlds.World, admin: StaffPages) -> None:
    world.call("ChangePackage", **world.params(storage="nfs-keep2"))
    world.back_up()
    assert world.app.test_cli_runner().invoke(args=["backups", "sync"]).exit_code == 0
    trouble = Message("No route to host.").to_json()
    with world.context.database.begin() as session:
        [server] = session.query(Server).all()
        session.add(Chore(name=f"vms {server.id}", due_at=now(), last_run_at=now(), last_error=trouble))

    pages = [admin.get("/servers"), admin.get(f"/servers/{server.id}"), admin.get()]

    for page in pages:
        words = visible_text(page)
        assert re.search(r"nfs-keep2 .*GiB free · 1 backup of ours, [\d.<]+ ?[\d.]* ?GiB", words)
        assert "The storage has a retention of its own (keep-last=2)" in words
        assert "No route to host." in words
        assert "2 services" in words or "Services 2" in words
        assert world.proxmox.tokens["panel"][1] not in page.text
    assert world.proxmox.fingerprint in pages[1].text
    assert admin.get("/servers/nobody").status_code == 404


def test_server_is_tested_and_examined_live(world: worlds.World, admin: StaffPages) -> None:
    with world.context.database.open() as session:
        [server] = session.query(Server).all()
    at = f"/servers/{server.id}"

    assert re.search(r"Proxmox answers, version [89]\.", admin.read(f"{at}/connection"))
    assert re.search(r"What the doctor found OK .* answers with version", admin.read(f"{at}/doctor"))
    world.proxmox.control("refuse", times=None, status=595, reason="No route to host", path="*")
    assert "No route to host" in admin.read(f"{at}/connection")
    assert re.search(r"Error .*No route to host", admin.read(f"{at}/doctor"))
