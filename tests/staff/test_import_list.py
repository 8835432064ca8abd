"""What `flask backups import` reads: a CSV file, common params, the host; and what it says of what it cannot read."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from support import world as worlds

from .import_helpers import run

GIB = 1024**3
STATE_OF_BACKUP = "/nodes/{node}/vzdump/extractconfig"
CONFIG = "/nodes/{node}/qemu/{vmid}/config"


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
