"""Doctor names what is missing, by the call that needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from support import databases
from support import world as worlds

from puq_backups.simulator import Simulator


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str, mailbox: Any) -> worlds.World:
    found = worlds.make(
        proxmox,
        sqlite_url,
        redis_url,
        smtp_url=mailbox.url,
        mail_from="a@b.example",
        staff_email="s@b.example",
    )
    found.register()
    return found


def doctor(world: worlds.World) -> tuple[int, list[str]]:
    found = world.app.test_cli_runner().invoke(args=["backups", "doctor"])
    assert not found.exception or isinstance(found.exception, SystemExit), found.exception
    return found.exit_code, found.output.splitlines()


@pytest.mark.flow
def test_doctor_finds_nothing_wrong_with_a_good_set_up(world: worlds.World) -> None:
    for command in (["tick"], ["worker", "--burst"]):
        assert world.app.test_cli_runner().invoke(args=["backups", *command]).exit_code == 0

    code, lines = doctor(world)

    assert (code, [line for line in lines if not line.startswith("ok: ")]) == (0, [])


def test_doctor_says_that_the_clock_does_not_tick(world: worlds.World) -> None:
    code, lines = doctor(world)

    assert code == 1
    assert any("clock does not tick" in line for line in lines)


def test_doctor_names_each_missing_privilege_by_its_call(world: worlds.World) -> None:
    world.proxmox.control(
        "acl", path="/", user="panel@pve!puq", role="Less", privileges=["VM.Audit", "Datastore.Audit"]
    )
    world.proxmox.control("acl", path="/", user="panel@pve!puq", role="Panel", delete=True)

    code, lines = doctor(world)

    assert code == 1
    assert any("lacks VM.Backup on /vms/100, needed for POST …/vzdump" in line for line in lines), lines


def test_doctor_warns_of_a_storage_with_a_retention_of_its_own(world: worlds.World) -> None:
    world.call("ChangePackage", **world.params(storage="nfs-keep2"))

    _, lines = doctor(world)

    assert any("nfs-keep2 has a retention of its own (keep-last=2)" in line for line in lines), lines


@pytest.mark.flow
def test_doctor_says_that_a_server_is_unreachable(world: worlds.World) -> None:
    world.proxmox.control("daemon-down")
    world.proxmox.control("refuse", times=None, status=595, reason="No route to host", path="*")

    code, lines = doctor(world)

    assert code == 1
    assert any("No route to host" in line for line in lines), lines


def test_doctor_says_whether_vms_can_be_reinstalled(world: worlds.World) -> None:
    world.call("ChangePackage", **world.params(template=9000))
    reinstall = "can be reinstalled from template 9000"
    lacks = "nobody can reinstall from template 9000: the token lacks"

    lines = "\n".join(doctor(world)[1])
    assert f"{lacks} VM.Allocate on /vms." in lines
    assert f"{lacks} VM.Clone on /vms/9000." in lines
    for name in ("panel@pve", "panel@pve!puq"):
        world.proxmox.control("acl", path="/vms", user=name, role="PanelReinstall")
    assert reinstall in "\n".join(doctor(world)[1])
    world.proxmox.control("vm-destroyed", vmid=9000)
    assert "the template 9000 is not there" in "\n".join(doctor(world)[1])
    world.host.reinstall = print  # type: ignore[attr-defined]  # optional in a host
    assert "9000" not in "\n".join(doctor(world)[1])


def test_doctor_names_what_cannot_hold_every_text(proxmox: Simulator, redis_url: str) -> None:
    if reason := databases.why_no_database("mariadb"):
        pytest.skip(reason)
    with databases.scratch_database("mariadb", Path()) as url:
        world = worlds.make(proxmox, url.replace("utf8mb4", "latin1"), redis_url)
        with world.context.database.begin() as session:
            session.execute(text("ALTER TABLE puq_backups_email_template CONVERT TO CHARACTER SET latin1"))
        status, lines = doctor(world)
        world.context.database.engine.dispose()

    assert status == 1
    assert "error: These tables cannot hold every text, convert them to utf8mb4: puq_backups_email_template." in lines
    assert any("add charset=utf8mb4 to SQLALCHEMY_DATABASE_URI" in line for line in lines)
