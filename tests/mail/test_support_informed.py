"""Clients read that support was told only where a provider has an address for its staff."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import services
from support import world as worlds
from support.client_steps import restore

from puq_backups.mail import delivery
from puq_backups.models import Operation, SetAside, now
from puq_backups.simulator import Simulator


@pytest.fixture(params=["", "staff@provider.example"])
def world(
    request: pytest.FixtureRequest, proxmox: Simulator, sqlite_url: str, redis_url: str, mailbox: services.Mailbox
) -> Iterator[worlds.World]:
    found = worlds.make(
        proxmox, sqlite_url, redis_url, smtp_url=mailbox.url, mail_from="b@provider.example",
        staff_email=request.param,
    )  # fmt: skip
    found.register()
    yield found
    found.context.database.engine.dispose()


@pytest.mark.flow
def test_mails_and_page(world: worlds.World, mailbox: services.Mailbox) -> None:
    told = bool(world.context.settings.staff_email)
    backup = world.back_up()
    world.proxmox.control("start-fail", vmid=100, text="qemu is odd")
    operation = restore(world, backup.id)
    delivery.send_due(world.context)
    [mail] = [one for one in mailbox if one["To"] == "alice@example.org"]
    for kind in ("plain", "html"):
        assert ("support has been told" in mail.get_body((kind,)).get_content()) is told

    with world.context.database.begin() as session:
        service = session.merge(world.service())
        service.next_run_at, service.restore_failed = now(), None
        session.add(SetAside(work="slot", key="1", service_id="1", reason={}, since=now(), again_at=now()))
        session.get_one(Operation, operation.id).state = "stuck"
    world.host.actor = worlds.ALICE
    page = world.app.test_client().get("/services/1/backups/").text.replace("&#39;", "'")
    assert "This takes longer than it should." in page
    assert ("upport has been told" in page) is told
