"""What a server is: its address, token and secret may change, and nothing is renewed, hidden or duplicated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from support import world as worlds

from puq_backups.clock import periodic
from puq_backups.models import Backup, Server, Service
from puq_backups.simulator import Simulator


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    found = worlds.make(proxmox, database_url, redis_url)
    found.register(backups=2)
    yield found
    found.context.database.engine.dispose()


def servers(world: worlds.World) -> list[Server]:
    with world.context.database.open() as session:
        return list(session.scalars(select(Server)))


def secret(world: worlds.World) -> str:
    [server] = servers(world)
    return world.context.vault.open(server.sealed_secret)


def other_token(world: worlds.World) -> dict[str, Any]:
    token_id, its_secret = world.proxmox.tokens["reinstall"]
    return {"serverusername": token_id, "serverpassword": its_secret}


@pytest.mark.parametrize("command", ["CreateAccount", "ChangePackage"])
@pytest.mark.parametrize("change", ["another name", "a second node", "another token"])
@pytest.mark.flow
def test_changed_access_renews_the_server_and_duplicates_nothing(
    world: worlds.World, command: str, change: str
) -> None:
    backup = world.back_up()
    changes = {
        "another name": {"serverhostname": "localhost"},
        "a second node": {"serverhostname": f"localhost,{world.proxmox.host}"},
        "another token": other_token(world),
    }
    params = world.params(backups=2) | changes[change]

    assert world.backups.call(command, params) == "success"
    periodic.sync_all(world.context)

    [server] = servers(world)
    assert (server.hosts, server.token_id) == (params["serverhostname"], params["serverusername"])
    assert [(one.id, one.server_id) for one in world.held()] == [(backup.id, server.id)]
    assert world.call("ClientArea")["vars"]["quota"]["used"] == 1
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"
    world.drain()
    assert world.operations()[-1].state == "done"


def test_second_service_by_another_name_is_on_the_same_server(world: worlds.World) -> None:
    params = world.params("2", 101, "bob") | {"serverhostname": "localhost"}

    assert world.backups.call("CreateAccount", params) == "success"
    assert {world.service(key).server_id for key in ("1", "2")} == {servers(world)[0].id}


def test_two_rows_that_show_the_same_vm_are_merged_and_a_volume_keeps_one_row(world: worlds.World) -> None:
    backup = world.back_up()
    params = world.params(backups=2) | {"serverhostname": "localhost"}
    with world.context.database.begin() as session:
        own = session.get_one(Server, world.service().server_id)
        copy = Server(hosts="localhost", port=own.port, token_id=own.token_id, sealed_secret=own.sealed_secret)
        session.add(copy)
        session.flush()
        twin = Backup.of(
            session.get_one(Service, "1"), volid=backup.volid, storage="local", kind="adopted",
            local_date="2026-01-01", created_at=backup.created_at,
        )  # fmt: skip
        twin.server_id = copy.id
        session.add(twin)

    assert world.backups.call("CreateAccount", params) == "success"

    [server] = servers(world)
    assert (server.id, server.hosts) == (own.id, "localhost")
    assert [(one.id, one.kind) for one in world.held()] == [(backup.id, "manual")]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"serverpassword": "00000000-0000-0000-0000-000000000000"}, "Proxmox refused it"),
        ({"serverport": 9}, "Proxmox refused it"),
        ({"serverport": "x"}, "serverport must be a number"),
    ],
)
def test_access_that_does_not_work_never_replaces_one_that_does(
    world: worlds.World, changes: dict[str, Any], said: str
) -> None:
    before = secret(world)
    answer = world.backups.call("ChangePackage", world.params(backups=7) | changes)

    assert said in answer
    assert secret(world) == before
    # The package is taken over all the same, unless a parameter cannot be right.
    assert world.service().quota == (2 if "must be" in said else 7)
    assert world.backups.call("SuspendAccount", world.params() | changes) == "success"
    assert (world.service().status, secret(world)) == ("suspended", before)


def test_server_where_another_machine_has_the_number_is_not_the_same(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("vmid-reused", vmid=100)
    params = world.params(backups=2) | {"serverhostname": "localhost"}

    assert "are not seen there" in world.backups.call("ChangePackage", params)
    assert [server.hosts for server in servers(world)] == [world.proxmox.host]
    assert world.held()[0].id == backup.id
