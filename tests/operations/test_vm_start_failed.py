"""A restore whose data is there while the VM does not start: what is told, and what a reinstallation keeps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from support import world as worlds
from support.client_steps import advance_until, restore, task_types

from puq_backups.client_area import page
from puq_backups.models import Backup, Mail, Operation, Service, now

pytestmark = pytest.mark.slow

PACKAGE = {"template": 9000, "memory": 512}


def register(world: worlds.World) -> None:
    """The service with a template, and a token that may reinstall."""
    token_id, secret = world.proxmox.tokens["reinstall"]
    params = {**world.params(**PACKAGE), "serverusername": token_id, "serverpassword": secret}
    assert world.backups.call("CreateAccount", params) == "success"


def restored_but_off(world: worlds.World) -> Operation:
    register(world)
    backup = world.back_up()
    world.proxmox.control("start-fail", vmid=100, text="qemu is odd")
    return restore(world, backup.id)


def page_facts(world: worlds.World) -> dict[str, Any]:
    with world.context.database.open() as session:
        return page.facts(session, world.context, session.get_one(Service, "1"), worlds.ALICE)


def test_mail_and_page_say_that_the_data_is_there(world: worlds.World) -> None:
    operation = restored_but_off(world)

    assert (operation.state, operation.data["restored"]) == ("failed", True)
    with world.context.database.open() as session:
        mails = list(session.scalars(select(Mail)))
    assert [(mail.folder, mail.fields["may_reinstall"]) for mail in mails] == [("vm_not_started", 1)]
    shown = page_facts(world)["restore_failed"]
    assert (shown["data_restored"], shown["disks"], shown["safety_copy_first"]) == (True, ["scsi0"], "offer")


def test_data_that_was_not_restored_is_not_said_to_be(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("archive-damaged", volid=backup.volid)
    restore(world, backup.id)

    shown = page_facts(world)["restore_failed"]
    assert (shown["data_restored"], shown["safety_copy_first"]) == (False, "off")


def test_reinstallation_makes_a_safety_copy_first(world: worlds.World) -> None:
    restored_but_off(world)
    assert world.call("Reinstall", confirm="REINSTALL", safety_copy="1") == "success"
    world.proxmox.control("clear", of="start-fail", vmid=100)
    world.drain()

    assert [(one.kind, one.state) for one in world.operations()][-1] == ("reinstall", "done")
    assert task_types(world, "vzdump", "qmdestroy", "qmclone") == ["vzdump", "vzdump", "qmdestroy", "qmclone"]
    [copy] = [held for held in world.held() if held.kind == "safety"]
    assert copy.size


def test_reinstallation_without_a_safety_copy_says_that_nothing_was_reinstalled(world: worlds.World) -> None:
    restored_but_off(world)
    assert world.call("Reinstall", confirm="REINSTALL", safety_copy="1") == "success"
    world.proxmox.control("storage-offline", storage="local")
    world.drain()

    operation = world.operations()[-1]
    assert (operation.kind, operation.state) == ("reinstall", "failed")
    assert str(operation.why).startswith("No safety copy could be made, so nothing was reinstalled: ")
    assert task_types(world, "qmdestroy") == []


def test_days_of_a_safety_copy_count_from_the_moment_the_failure_is_settled(world: worlds.World) -> None:
    backup = world.back_up()
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100", safety_copy="1") == "success"
    advance_until(world, lambda operation: operation.step == "restore_disks")
    world.proxmox.control("start-fail", vmid=100, text="qemu is odd")
    world.drain()
    with world.context.database.begin() as session:
        copy = session.scalars(select(Backup).where(Backup.kind == "safety")).one()
        copy.expires_at = now() - timedelta(days=1)
    world.proxmox.control("clear", of="start-fail", vmid=100)
    assert world.call("RetryRestore", operation_id=world.operations()[-1].id) == "success"
    world.drain()

    [copy] = [held for held in world.held() if held.kind == "safety"]
    assert copy.expires_at is not None
    assert copy.expires_at > now() + timedelta(days=2)
