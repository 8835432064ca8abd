"""Every function that takes an id, asked with ids that are not the caller's: one answer, and Proxmox is not asked.

The functions are those that there are; tests/web/access/test_access.py asks the same of every route.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import world as worlds
from support.world import ALICE, BOB, CHARLIE, STAFF

from puq_backups import Actor
from puq_backups.simulator import Simulator
from puq_backups.whmcs.callers import HOST_FUNCTIONS

from .caller_helpers import FOR_CLIENTS, said

NOT_FOUND = "There is nothing here."
TAKES = {
    "RestoreBackup": "backup_id", "RemoveBackup": "backup_id", "UndoRemove": "backup_id", "DeleteBackup": "backup_id",
    "ReleaseBackup": "backup_id", "EditNote": "backup_id", "KeepBackup": "backup_id", "RetryRestore": "operation_id",
    "BackToBefore": "operation_id", "CancelOperation": "operation_id",
}  # fmt: skip
WITHOUT = {"BackupNow", "SaveSchedule", "Reinstall", "ClientArea"}
"""Functions of clients that take no id besides the service's."""
ODD = ["", "0", "x" * 100, "\0", "💾", "1'--", "../1", "%"]
FORM = {"confirm": "web100", "note": "mine", "kept": "1", "safety_copy": "0"}


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str) -> Iterator[worlds.World]:
    """Alice and Bob have a backup each, and each one that was removed."""
    found = worlds.make(proxmox, sqlite_url, redis_url, rate_limits={})
    found.register()
    found.register("2", 101, "bob", storage="nfs")
    for service_id in ("1", "2"):
        removed, kept = found.back_up("", service_id), found.back_up("", service_id)
        assert found.call("DeleteBackup", service_id, backup_id=removed.id) == "success"
        found.drain()
        found.extra[service_id] = {
            "backup_id": kept.id, "operation_id": found.operations(service_id)[1].id, "removed": removed.id,
        }  # fmt: skip
    yield found
    found.context.database.engine.dispose()


def asked(world: worlds.World, actor: Actor, name: str, service_id: str, key: str) -> str:
    return said(world.backups.call(name, {"serviceid": service_id, TAKES[name]: key, **FORM}, actor=actor))


def test_every_function_of_clients_is_here() -> None:
    named = set(TAKES) | WITHOUT
    assert {name for name in FOR_CLIENTS if not name.endswith(("Array", "AllowedFunctions"))} == named
    assert not named & HOST_FUNCTIONS


@pytest.mark.flow
def test_ids_that_are_not_the_callers_are_not_there(world: worlds.World) -> None:
    before = len(world.proxmox.requests())
    written = {service_id: [vars(one)["state"] for one in world.operations(service_id)] for service_id in ("1", "2")}
    for name, field in TAKES.items():
        mine, theirs = world.extra["1"][field], world.extra["2"][field]
        for actor, service_id, key in [
            (ALICE, "1", theirs), (ALICE, "2", theirs), (BOB, "1", mine), (CHARLIE, "1", mine), (Actor(), "1", mine),
            (ALICE, "nowhere", mine), *((ALICE, "1", odd) for odd in ODD),
        ]:  # fmt: skip
            assert asked(world, actor, name, service_id, key) == NOT_FOUND, (name, actor, service_id, key)
        if field == "backup_id":
            assert asked(world, ALICE, name, "1", world.extra["1"]["removed"]) == NOT_FOUND, name
        # Staff may do everything, but not with one client's backup at another's service.
        assert asked(world, STAFF, name, "1", theirs) == NOT_FOUND, name

    assert len(world.proxmox.requests()) == before
    assert {
        service_id: [vars(one)["state"] for one in world.operations(service_id)] for service_id in written
    } == written
    assert all(not backup.kept and not backup.note for backup in (*world.held("1"), *world.held("2")))


@pytest.mark.flow
def test_functions_without_an_id_of_their_own(world: worlds.World) -> None:
    """What is no service's id at all may be called so: nobody learns by it what is there."""
    before = len(world.proxmox.requests())
    for name in sorted(WITHOUT):
        for actor, service_id in [(BOB, "1"), (CHARLIE, "1"), (Actor(), "1"), *((ALICE, odd) for odd in ODD[1:])]:
            answer = said(world.backups.call(name, {"serviceid": service_id, **FORM}, actor=actor))
            assert answer == NOT_FOUND or answer.startswith("serviceid is "), (name, actor, service_id)
    assert len(world.proxmox.requests()) == before
