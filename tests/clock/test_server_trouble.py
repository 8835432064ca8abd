"""Staff are mailed about a server that cannot be read, and about what holds operations up."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import time_machine
from sqlalchemy import select, update
from support import world as worlds

from puq_backups.clock import tick
from puq_backups.models import Chore, EmailTemplate, Mail, now
from puq_backups.operations import engine, state_changes
from puq_backups.pve import paths
from puq_backups.simulator import Simulator


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str) -> Iterator[worlds.World]:
    with worlds.registered(proxmox, sqlite_url, redis_url, staff_email="staff@example.net") as found:
        yield found


def mails(world: worlds.World) -> list[tuple[str, str]]:
    with world.context.database.open() as session:
        found = session.scalars(select(Mail).where(Mail.recipient == "staff@example.net").order_by(Mail.created_at))
        return [(mail.folder, str(mail.fields["reason"])) for mail in found if "reason" in mail.fields]


def page(world: worlds.World) -> str:
    world.host.actor = worlds.ALICE
    return str(world.app.test_client().get("/services/1/backups/").text)


def tick_again(world: worlds.World) -> None:
    """A tick to which all chores are due."""
    with world.context.database.begin() as session:
        session.execute(update(Chore).values(due_at=now()))
    tick.tick(world.context)


@pytest.mark.flow
def test_look_at_vms_and_storages_where_all_is_well_is_one_call(world: worlds.World) -> None:
    world.back_up()
    before = len(world.proxmox.requests())

    tick_again(world)

    assert [one.template for one in world.proxmox.requests()[before:]] == ["/cluster/resources"]
    assert world.service().vm_status == "running"
    assert mails(world) == []


@pytest.mark.flow
def test_refused_token_is_told_once(world: worlds.World) -> None:
    world.back_up()
    world.proxmox.control("token-revoked", token="panel")
    for _ in range(2):
        tick_again(world)

    [(folder, reason)] = mails(world)
    assert folder == "server_trouble"
    assert "Proxmox refused the API token" in reason
    assert "The server does not answer" in page(world)

    world.proxmox.control("token-restored", token="panel")
    for _ in range(2):
        tick_again(world)

    assert [folder for folder, _ in mails(world)] == ["server_trouble", "trouble_over"]
    assert "The server does not answer" not in page(world)


def test_client_reads_of_a_silent_server_though_none_of_its_storages_was_ever_read(world: worlds.World) -> None:
    world.proxmox.control("token-revoked", token="panel")
    tick_again(world)

    assert [folder for folder, _ in mails(world)] == ["server_trouble"]
    assert "The server does not answer" in page(world)

    world.proxmox.control("token-restored", token="panel")
    tick_again(world)
    assert "The server does not answer" not in page(world)


@pytest.mark.parametrize("backups", [0, 1])
def test_client_reads_of_a_silent_server_though_no_staff_is_mailed(
    proxmox: Simulator, sqlite_url: str, redis_url: str, backups: int
) -> None:
    world = worlds.make(proxmox, sqlite_url, redis_url)
    world.register()
    for _ in range(backups):
        world.back_up()
    world.proxmox.control("token-revoked", token="panel")
    tick_again(world)

    assert "The server does not answer. We keep trying." in page(world)
    assert "support has been told" not in page(world)
    world.context.database.engine.dispose()


def test_lock_left_behind_is_told_though_nothing_waits(world: worlds.World) -> None:
    with time_machine.travel("2026-11-29T10:00:00Z", tick=True) as clock:
        world.proxmox.control("leftover-lock", vmid=100, lock="backup")
        tick_again(world)
        assert (mails(world), "Another task blocks this server now" in page(world)) == ([], True)
        clock.shift(130)
        tick_again(world)
        tick_again(world)

        [(folder, reason)] = mails(world)
        assert folder == "proxmox_standstill"
        assert "qm unlock 100" in reason or "qm unlock {vmid}" in reason
        clock.shift(3600)
        assert "Proxmox still blocks this server. Our support has been told." in page(world)

        world.proxmox.control("vm-config", vmid=100, delete=["lock"])
        tick_again(world)

    assert [folder for folder, _ in mails(world)] == ["proxmox_standstill", "trouble_over"]
    assert world.backups.lock_reason("1") is None


def test_lock_of_a_running_task_is_not_left_behind(world: worlds.World) -> None:
    with time_machine.travel("2026-11-29T10:00:00Z", tick=True) as clock:
        world.proxmox.control("slow-backup", vmid=100, seconds=600)
        world.client.post("nodes", paths.node(world.service().node), "vzdump", vmid=100, storage="local")
        tick_again(world)
        clock.shift(130)
        tick_again(world)

    assert world.service().vm_lock == "backup"
    assert mails(world) == []


def test_silent_storage_is_told_once_and_when_it_answers(world: worlds.World) -> None:
    world.back_up()
    tick_again(world)
    world.proxmox.control("storage-offline", storage="local")
    for _ in range(2):
        tick_again(world)

    [(folder, reason)] = mails(world)
    assert (folder, "does not answer" in reason) == ("proxmox_standstill", True)
    assert "The backup storage does not answer. Our support has been told." in page(world)
    world.proxmox.control("storage-online", storage="local")
    tick_again(world)

    assert [folder for folder, _ in mails(world)] == ["proxmox_standstill", "trouble_over"]


@pytest.mark.flow
def test_failed_restore_is_over_when_a_retry_worked(world: worlds.World) -> None:
    good, bad = world.back_up(), world.back_up()
    world.proxmox.control("archive-damaged", volid=bad.volid)
    world.call("RestoreBackup", backup_id=bad.id, confirm="web100")
    world.drain()
    failed = world.operations()[-1]
    assert world.service().restore_failed == failed.id

    assert world.call("RetryRestore", operation_id=failed.id, backup_id=good.id) == "success"
    world.drain()

    assert world.service().restore_failed is None
    assert [folder for folder, _ in mails(world)] == ["restore_failed_staff", "trouble_over"]


@pytest.mark.flow
@pytest.mark.parametrize("disabled", [False, True])
def test_lock_left_behind_is_told_to_staff_and_client(world: worlds.World, *, disabled: bool) -> None:
    if disabled:
        with world.context.database.begin() as session:
            session.add(EmailTemplate(name="Proxmox needs attention", locale="", changed_at=now(), disabled=True))
    world.proxmox.control("leftover-lock", vmid=100, lock="backup")
    assert world.call("BackupNow") == "success"
    operation = world.operations()[-1]
    state_changes.start(world.context, operation.id)
    engine.advance(world.context, operation.id)
    with world.context.database.begin() as session:
        held_up = session.merge(world.operations()[-1])
        held_up.store(troubled_since=time.time() - 200)
        held_up.wake_at = now()
    engine.advance(world.context, operation.id)

    assert [folder for folder, _ in mails(world)] == ["operation_trouble"] * (not disabled)
    told = "VM is locked (backup)" if disabled else "Our support has been told: VM is locked (backup)"
    assert str(world.operations()[-1].why) == told


def test_failed_backup_is_told_to_staff(world: worlds.World) -> None:
    world.proxmox.control("backup-error", vmid=100, text="job failed with err -5 - Input/output error")
    assert world.call("BackupNow") == "success"
    world.drain()

    [(folder, reason)] = mails(world)
    assert folder == "operation_trouble"
    assert "Input/output error" in reason

    world.proxmox.control("undo", of="backup-error")
    world.back_up()

    assert [folder for folder, _ in mails(world)] == ["operation_trouble", "trouble_over"]
