"""Params of the host that cannot be read or stored, and services that change owner, VM or token."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from support import world as worlds

from puq_backups.models import AuditEntry, Service
from puq_backups.staff import doctor


@pytest.mark.parametrize("quota", ["", None, "many", -1, 2.5])
def test_quota_that_cannot_be_read_keeps_the_last_one_and_staff_is_told(world: worlds.World, quota: Any) -> None:
    """Zero is a quota like any other, whoever of the two says it."""
    for bought, limit in (
        ({"Backups": 7}, 7),
        ({"Backups": quota}, 7),
        ({"Backups": "0"}, 0),
        ({"Backups": quota}, 0),
    ):
        params = world.params(backups=9) | {"configoptions": bought}
        assert world.backups.call("ChangePackage", params) == "success"
        assert world.service().quota == limit

    with world.context.database.open() as session:
        told = session.scalars(select(AuditEntry).where(AuditEntry.action == "quota").order_by(AuditEntry.at)).all()
    assert [entry.text for entry in told] == [
        f"The quota (Backups) of service 1 is empty or unreadable; {stays} stays." for stays in (7, 0)
    ]


@pytest.mark.parametrize("quota", ["3 Backups", "5.00", "Unlimited", "-1", "1000000", "9" * 5000])
def test_quota_that_cannot_be_read_is_refused_at_create_account(world: worlds.World, quota: str) -> None:
    for params in (
        world.params("2", 101, "bob", backups=quota),
        world.params("2", 101, "bob") | {"configoptions": {"Backups": quota}},
    ):
        answer = world.backups.call("CreateAccount", params)
        assert answer == f"Backups must be a number from 0 to 999999; it is {quota}."

    with world.context.database.open() as session:
        assert session.get(Service, "2") is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("serverport", "9" * 5000), ("serverhostname", ",".join(["pve1.example.org"] * 40)),
        ("serverusername", f"u@pve!{'x' * 300}"), ("serveraccesshash", "AB:" * 900),
        ("customfields", {"vmid": "1" * 5000}), ("customfields", {"vmid": 100, "node": "n" * 65}),
        ("configoption2", "s" * 200), ("configoption6", "9" * 5000),
    ],
)  # fmt: skip
def test_value_longer_than_the_database_holds_is_refused_by_its_name(
    world: worlds.World, name: str, value: Any
) -> None:
    answer = world.backups.call("CreateAccount", world.params("2", 101, "bob") | {name: value})

    named = {"customfields": ("vmid", "node"), "configoption2": ("storage",), "configoption6": ("RAM MiB",)}
    assert any(word in answer for word in named.get(name, (name,))), answer
    assert "our side" not in answer


@pytest.mark.parametrize("zone", ["Factory", "localtime", "Mars/Phobos"])
def test_zone_that_no_schedule_may_have_is_not_taken_from_the_client(world: worlds.World, zone: str) -> None:
    params = world.params("2", 101, "bob")
    params["clientsdetails"]["timezone"] = zone
    assert world.backups.call("CreateAccount", params) == "success"

    assert world.service("2").schedule["timezone"] == "UTC"


def test_vm_that_is_the_registered_one_again_is_no_trouble_any_more(world: worlds.World) -> None:
    real = world.service().vm_identity
    for identity, troubled in (("uuid=another", True), (real, False)):
        with world.context.database.begin() as session:
            service = session.get_one(Service, "1")
            service.vm_identity, service.problem = identity, {"text": "Another machine.", "values": {}}
        world.register()
        assert (world.service().problem is not None, world.service().vm_identity) == (troubled, identity)


def test_service_of_another_owner_or_vm_gets_a_token_of_its_own(world: worlds.World) -> None:
    token, identity = world.service().token, world.service().vm_identity
    world.register()
    assert (world.service().token, world.service().vm_identity) == (token, identity)

    world.register(client="carol")
    assert (world.service().token != token, world.service().vm_identity) == (True, identity)
    token = world.service().token
    world.register(vmid=101, client="carol")
    assert world.service().token != token
    assert world.service().vm_identity != identity


@pytest.mark.parametrize("command", ["CreateAccount", "ChangePackage"])
@pytest.mark.flow
def test_another_token_of_the_same_proxmox_leaves_a_service_its_backups(world: worlds.World, command: str) -> None:
    backup = world.back_up()
    token_id, secret = world.proxmox.tokens["reinstall"]
    params = {**world.params(), "serverusername": token_id, "serverpassword": secret}
    assert world.call(command, **params) == "success"

    assert world.held()[0].server_id == world.service().server_id == backup.server_id
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"
    world.drain()
    assert (world.operations()[-1].state, len(world.held())) == ("done", 1)


def test_params_that_the_simulator_prints_register_a_service_as_they_are(world: worlds.World) -> None:
    assert world.backups.call("CreateAccount", world.proxmox.ready()["params"] | {"userid": "alice"}) == "success"


def test_storage_that_proxmox_lacks_is_taken_and_the_doctor_and_the_first_backup_name_it(world: worlds.World) -> None:
    """A package is stored also while its storage is away."""
    world.register(storage="nowhere")

    assert "nowhere" in " ".join(str(finding.text) for finding in doctor.servers(world.context))
    assert world.call("BackupNow") == "success"
    world.drain()
    assert (world.operations()[-1].state, "nowhere" in str(world.operations()[-1].why)) == ("failed", True)
