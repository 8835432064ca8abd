"""Imports of thousands of machines, and the progress that long commands show."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
from sqlalchemy import func, select
from support import world as worlds
from support.thorough import THOROUGH

from puq_backups.cli.progress import tracked
from puq_backups.models import Backup, Service, now
from puq_backups.simulator import start

from .import_helpers import run

GIB = 1024**3
STATE_OF_BACKUP = "/nodes/{node}/vzdump/extractconfig"
CONFIG = "/nodes/{node}/qemu/{vmid}/config"


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
def test_many_machines(sqlite_url: str, redis_url: str) -> None:
    """One call for each machine and one for each archive; again, none for either."""
    count, host = 2000 if THOROUGH else 400, worlds.ListingHost()
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


class Terminal(io.StringIO):
    """A standard error that somebody looks at."""

    def isatty(self) -> bool:
        return True


def test_terminal_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    assert list(tracked(["a", "b", "c"], "Services")) == ["a", "b", "c"]

    assert "Services" in terminal.getvalue()
    assert "100%" in terminal.getvalue()
    assert " of " not in terminal.getvalue()


@pytest.mark.parametrize("words", [("sync",), ("keys", "rotate"), ("import",)])
def test_long_commands_show_their_progress(world: worlds.World, words: tuple[str, ...]) -> None:
    world.register()

    found = world.app.test_cli_runner().invoke(args=["backups", *words])

    assert " of " in found.stderr
    assert not found.exception or words == ("import",), found.output


def test_sync_says_that_there_is_no_server_yet(world: worlds.World) -> None:
    assert world.app.test_cli_runner().invoke(args=["backups", "sync"]).stdout == "No server is known yet.\n"
    world.register()
    found = world.app.test_cli_runner().invoke(args=["backups", "sync"])
    assert found.stdout == "Servers compared: 1.\n"
