"""`flask backups import`: services and archives of an existing cluster, dry first, again and again, none rotated."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import delete, func, select, update
from support import world as worlds

from puq_backups.models import AuditEntry, Backup, Mail, Operation, Server, Service, Storage, now
from puq_backups.simulator import Simulator, start

GIB = 1024**3
STATE_OF_BACKUP = "/nodes/{node}/vzdump/extractconfig"
CONFIG = "/nodes/{node}/qemu/{vmid}/config"


class Host(worlds.Host):
    """A host that lists its services."""

    listed: dict[str, dict[str, Any]]

    def service_ids(self) -> list[str]:
        return list(self.listed)

    def service_params(self, service_id: str) -> dict[str, Any]:
        return self.listed.get(service_id, {})


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    host = Host()
    found = worlds.make(proxmox, database_url, redis_url, host)
    host.listed = {"1": found.params(), "2": found.params("2", 102, "bob")}
    yield found
    found.context.database.engine.dispose()


def run(world: worlds.World, *words: str) -> Result:
    return world.app.test_cli_runner().invoke(args=["backups", "import", *words])


def rows(world: worlds.World) -> list[int]:
    with world.context.database.open() as session:
        tables = (Server, Service, Backup, Storage, Operation, Mail, AuditEntry)
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def lines(found: Result) -> dict[str, list[str]]:
    """The table by service, without its headings."""
    split = [line.split(maxsplit=7) for line in found.stdout.splitlines()]
    return {cells[0]: cells[1:] for cells in split[1:] if len(cells) > 6 and cells[1].isdecimal()}


@pytest.mark.databases
def test_dry_run_says_what_would_be_stored_and_stores_nothing(world: worlds.World) -> None:
    before = rows(world)

    dry = run(world, "--daily", "02:00")
    stored = rows(world)
    wet = run(world, "--daily", "02:00", "--write")

    assert stored == before
    assert dry.stdout.splitlines()[:-1] == wet.stdout.splitlines()
    assert dry.stdout.endswith("Nothing was stored. Run it again with --write to store this.\n")
    table = lines(dry)
    assert table["1"][:6] == ["100", "web100", "new", "0", "0", "0"]
    assert table["2"][:6] == ["102", "spare102", "new", "1", "0", "0"]
    assert table["2"][6].endswith(" 02:00 UTC: makes 1 backup, removes 0")
    assert (dry.exit_code, wet.exit_code) == (0, 0)
    [archive] = world.held("2")
    assert (archive.kind, archive.disks, archive.note) == ("imported", 1, "an earlier customer's")
    assert world.service("2").next_run_at is not None


def test_import_goes_on_where_it_was_interrupted(world: worlds.World) -> None:
    host = world.host
    assert isinstance(host, Host)
    everything, host.listed = host.listed, {"2": host.listed["2"]}
    run(world, "--write")
    before = rows(world)
    host.listed = everything
    configs, insides = (world.proxmox.count("GET", path) for path in (CONFIG, STATE_OF_BACKUP))

    again = run(world, "--write")

    assert {key: cells[2:5] for key, cells in lines(again).items()} == {
        "1": ["new", "0", "0"],
        "2": ["known", "0", "1"],
    }
    assert world.proxmox.count("GET", CONFIG) - configs == 1
    assert world.proxmox.count("GET", STATE_OF_BACKUP) == insides
    assert rows(world)[:3] == [before[0], before[1] + 1, before[2]]


def test_archive_of_another_machine_is_left_alone(world: worlds.World) -> None:
    world.register()
    world.back_up()
    with world.context.database.begin() as session:
        for table in (Backup, Operation, Service):
            session.execute(delete(table))
    world.proxmox.control("vmid-reused", vmid=100)

    found = run(world, "--write")

    assert lines(found)["1"][2:6] == ["new", "0", "0", "1"]
    assert world.held() == []
    assert len(world.proxmox.volumes("local")) == 1


def test_imported_archives_are_not_rotated_until_they_are_released(world: worlds.World) -> None:
    """Fourteen archives of others under quota 3 lose nothing; once released, the oldest ones make room."""
    world.register("9", 103, "zoe", storage="nfs")
    for _ in range(4):
        world.back_up(service_id="9") if len(world.held("9")) < 3 else None
    with world.context.database.begin() as session:
        for table in (Backup, Operation):
            session.execute(delete(table))
    run(world, "--write")
    host = world.host
    assert isinstance(host, Host)
    host.listed = {"9": world.params("9", 103, "zoe", storage="nfs")}
    assert lines(run(world, "--write"))["9"][2:6] == ["known", "3", "0", "0"]
    there = {backup.volid for backup in world.held("9")}

    for _ in range(3):
        scheduled(world, "9")
    held = world.held("9")
    assert there < {backup.volid for backup in held}
    assert len(held) == 6
    oldest = held[0]
    host.actor = worlds.Actor(client_id="zoe")
    assert world.call("ReleaseBackup", "9", backup_id=oldest.id) == "success"
    scheduled(world, "9")

    left = {backup.volid for backup in world.held("9")}
    assert oldest.volid not in left
    assert there - left == {oldest.volid}


def scheduled(world: worlds.World, service_id: str) -> None:
    """A run of the schedule that ends well, on a day of its own."""
    number = len(world.operations(service_id))
    with world.context.database.begin() as session:
        service = session.get_one(Service, service_id)
        session.add(Operation.new(
            service, "backup", origin="scheduled", actor="schedule", slot_date=f"2026-01-{number + 1:02}",
            storage="nfs",
        ))  # fmt: skip
        session.execute(update(Backup).values(local_date="2025-01-01"))
    world.drain()
    assert [one.state for one in world.operations(service_id) if one.kind == "backup"][-1] == "done"


def write_csv(path: Path, *services: dict[str, Any]) -> Path:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(services[0]))
        table.writeheader()
        table.writerows(services)
    return path


def test_csv_and_common_params_name_the_services(world: worlds.World, tmp_path: Path) -> None:
    common = tmp_path / "common.json"
    common.write_text(json.dumps({**world.params(), "serviceid": None, "userid": None, "customfields": {}}))
    services = write_csv(
        tmp_path / "vms.csv",
        {"serviceid": "7", "userid": "c7", "vmid": "101", "email": "c7@example.org", "Backups": "5"},
        {"serviceid": "8", "userid": "c8", "vmid": "999", "email": "", "Backups": ""},
        {"serviceid": "9", "userid": "", "vmid": "102", "email": "", "Backups": ""},
        {"serviceid": "10", "userid": "c7", "vmid": "x", "email": "", "Backups": ""},
    )

    found = run(world, str(services), "--params", str(common), "--write")

    service = world.service("7")
    assert (service.vmid, service.quota, service.client["email"]) == (101, 5, "c7@example.org")
    assert found.exit_code == 1
    assert "Proxmox has no virtual machine 999, or the token may not see it." in found.stdout
    assert "userid is missing or longer than 64 characters." in found.stdout
    assert "customfields.vmid must be the number of the virtual machine, from 100." in found.stdout
    assert "4 services: 1 new, 0 known, 3 refused; 0 archives imported." in found.stdout
    assert world.params()["serverpassword"] not in found.output


def test_what_cannot_be_read_is_said(world: worlds.World, tmp_path: Path) -> None:
    wrong = write_csv(tmp_path / "vms.csv", {"serviceid": "7", "colour": "red"})
    assert "The column colour is unknown" in run(world, str(wrong)).output
    (tmp_path / "params.json").write_text("{")
    assert "params.json is no JSON" in run(world, "--params", str(tmp_path / "params.json")).output
    assert "write it as HH:MM" in run(world, "--daily", "25:00").output
    world.proxmox.control("refuse", path="*/storage/nfs/content", status=500, reason="stale file handle", times=None)
    dry = run(world)
    assert dry.exit_code == 1
    assert "The storage nfs, seen from pve1, was not listed: stale file handle" in dry.stderr
    world.proxmox.control("refuse", path="*/cluster/resources", status=595, reason="No route to host", times=None)
    assert run(world).stdout.count("No route to host") == 2
    world.host = worlds.Host()
    object.__setattr__(world.context, "host", world.host)
    assert "Your Host has no method service_ids: name a CSV file." in run(world).output


def test_service_of_another_client_or_machine_is_refused(world: worlds.World) -> None:
    world.register("1", 101, "bob")
    before = world.service("1")

    found = run(world, "--write")

    assert "registered with another client or virtual machine" in lines(found)["1"][-1] + found.stdout
    assert (world.service("1").vmid, world.service("1").client_id) == (before.vmid, before.client_id)


def large(count: int) -> dict[str, Any]:
    vmids = range(100, 100 + count)
    vms = {
        str(vmid): {
            "status": "running", "node": f"pve{vmid % 3 + 1}",
            "config": {
                "name": f"vm{vmid}", "memory": "2048", "scsi0": f"ceph:vm-{vmid}-disk-0,size=32G",
                "smbios1": f"uuid=6b1f3a00-0000-4000-8000-{vmid:012d}",
            },
        }
        for vmid in vmids
    }  # fmt: skip
    disks = [{"volid": f"ceph:vm-{vmid}-disk-0", "vmid": vmid, "size": 32 * GIB} for vmid in vmids]
    archives = [
        {"volid": f"nfs:backup/vzdump-qemu-{vmid}-2026_01_01-03_00_00.vma.zst", "vmid": vmid, "size": 3 * GIB}
        for vmid in vmids
    ]
    return {
        "nodes": ["pve1", "pve2", "pve3"], "vms": vms, "volumes": disks + archives,
        "storages": [
            {"storage": "ceph", "type": "rbd", "content": ["images"]},
            {"storage": "nfs", "type": "nfs", "content": ["backup"]},
        ],
        "tokens": {"panel": {"user": "root@pam", "token": "root@pam!t", "secret": "secret-of-root"}},
    }  # fmt: skip


@pytest.mark.slow
def test_two_thousand_machines(sqlite_url: str, redis_url: str) -> None:
    """One call for each machine and one for each archive; again, none for either."""
    count, host = 2000, Host()
    with start(state=large(count), https=False) as proxmox, proxmox.in_process():
        world = worlds.make(proxmox, sqlite_url, redis_url, host)
        host.listed = {
            str(number): world.params(str(number), 100 + number, f"c{number % 700}", storage="nfs")
            for number in range(count)
        }

        found = run(world, "--write")
        asked = len(proxmox.requests())
        again = run(world, "--write")
        world.context.database.engine.dispose()

        assert f"{count} services: {count} new, 0 known, 0 refused; {count} archives imported." in found.stdout
        assert asked <= 2 * count + 10
        assert f"{count} services: 0 new, {count} known, 0 refused; 0 archives imported." in again.stdout
        assert len(proxmox.requests()) - asked <= 10
        assert found.stderr.splitlines() == [f"Services: {count * part // 10} of {count}" for part in range(1, 11)]
    with world.context.database.open() as session:
        assert session.scalar(select(func.count()).select_from(Backup)) == count
        assert session.scalar(select(func.count()).where(Service.created_at <= now())) == count


@pytest.mark.parametrize("words", [("sync",), ("keys", "rotate"), ("import",)])
def test_long_commands_show_their_progress(world: worlds.World, words: tuple[str, ...]) -> None:
    world.register()

    found = world.app.test_cli_runner().invoke(args=["backups", *words])

    assert " of " in found.stderr
    assert not found.exception or words == ("import",), found.output
