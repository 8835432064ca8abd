"""docs/deploy.md and docs/importing.md: their commands do what the pages say; each is run, or said why not."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, make_url, select, text
from support import world as worlds
from support.services import ROOT

from puq_backups.migrations import running
from puq_backups.models import Backup, Operation, Service
from puq_backups.simulator import Simulator

PAGES = ("deploy", "importing")
NOT_RUN = {
    "sed": "edits units in place; tests/deploy/test_files.py verifies them",
    "cp": "copies files", "systemctl": "needs systemd as root", "docker": "needs a container engine",
    "gunicorn": "tests/deploy/test_files.py serves with it",
}  # fmt: skip
"""First word of a command -> why it is not run here."""
DUMPS = {"pg_dump", "pg_restore", "mysqldump", "mysql", "sqlite3"}


def commands() -> list[str]:
    """The lines of commands in the pages' indented blocks."""
    lines = [line.strip() for page in PAGES for line in (ROOT / "docs" / f"{page}.md").read_text().splitlines()
             if re.match(r" {4,}\S", line)]  # fmt: skip
    return [line.partition("     #")[0] for line in lines if not re.match(r"[A-Z_]+=", line)]


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    host = worlds.ListingHost()
    found = worlds.make(proxmox, database_url, redis_url, host)
    host.listed = {"1": found.params()}
    found.register()
    yield found
    found.context.database.engine.dispose()


def ours() -> list[list[str]]:
    """The arguments of the pages' `flask --app yourapp …` commands."""
    found = [shlex.split(line) for line in commands() if line.startswith("flask ")]
    assert all(words[1:3] == ["--app", "yourapp"] for words in found)
    return [words[3:] for words in found]


def test_each_command_is_run_or_said_why_not() -> None:
    first = {line.split()[0] for line in commands()} - {"flask"}

    assert first == set(NOT_RUN) | DUMPS


@pytest.mark.parametrize("words", [list(words) for words in dict.fromkeys(map(tuple, ours()))], ids=" ".join)
def test_command_of_ours_works(world: worlds.World, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "vms.csv").write_text("serviceid,userid,vmid\n2,bob,101\n")
    (tmp_path / "common.json").write_text(json.dumps({**world.params(), "customfields": {}}))
    here = [str(tmp_path / word) if "." in word else word for word in words]

    ran = world.app.test_cli_runner().invoke(args=here)

    assert not isinstance(ran.exception, Exception), ran.exception
    # No worker and no clock run here, which is what these are for.
    unhealthy = words[1:] in (["status", "--check"], ["init"])
    assert ran.exit_code == int(unhealthy), ran.output


def test_downgrade_asks_first(world: worlds.World) -> None:
    run = world.app.test_cli_runner().invoke

    asked = run(args=["backups", "db", "downgrade", "base"], input="n\n")

    assert asked.exit_code == 1
    assert running.is_current(world.context.database.engine)


@pytest.mark.databases
@pytest.mark.flow
def test_dump_of_our_own_tables_brings_everything_back(world: worlds.World, tmp_path: Path) -> None:
    backup = world.back_up("before the dump")
    lines = [line for line in commands() if line.split()[0] in DUMPS]
    url = make_url(str(world.app.config["SQLALCHEMY_DATABASE_URI"]))
    tool = {"sqlite": "sqlite3", "postgresql": "pg_", "mysql": "mysql"}[url.get_backend_name()]
    dump, *restore = [line for line in lines if line.startswith(tool)]
    shell(dump, world, tmp_path)

    with world.context.database.begin() as session:
        for table in (Backup, Operation, Service):
            session.execute(delete(table))
    world.context.database.engine.dispose()
    for line in restore:
        shell(line, world, tmp_path)
    if tool == "sqlite3":
        for end in ("", "-wal", "-shm"):
            Path(f"{url.database}{end}").unlink(missing_ok=True)
        (tmp_path / "backups.sqlite").rename(str(url.database))

    with world.context.database.open() as session:
        assert session.scalars(select(Backup.note)).all() == ["before the dump"]
        assert session.scalar(text("SELECT version_num FROM puq_backups_alembic")) == running.head()
    assert world.call("RestoreBackup", backup_id=backup.id, confirm=world.service().vm_name) == "success"
    world.drain()
    assert world.operations()[-1].state == "done"


def shell(line: str, world: worlds.World, folder: Path) -> None:
    """Run a line of the page as an operator of this database would."""
    url = make_url(str(world.app.config["SQLALCHEMY_DATABASE_URI"]))
    name = str(url.database)
    if url.get_backend_name() == "postgresql":
        name = url.set(drivername="postgresql").render_as_string(hide_password=False)
    own = {"protocol": "tcp", "host": url.host, "port": url.port or 3306, "user": url.username}
    own["password"] = url.password or ""
    (folder / ".my.cnf").write_text("\n".join(["[client]", *(f"{key}={value}" for key, value in own.items())]))
    ran = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", line.replace("billing.sqlite", shlex.quote(str(url.database)))],
        env={**os.environ, "DATABASE": name, "HOME": str(folder)}, cwd=folder, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


@pytest.mark.flow
def test_what_was_made_after_the_dump_is_taken_over_by_an_import(world: worlds.World) -> None:
    """A sync adopts only archives whose operation it knows."""
    backup = world.back_up("after the dump")
    with world.context.database.begin() as session:
        for table in (Backup, Operation):
            session.execute(delete(table))
    run = world.app.test_cli_runner().invoke

    assert run(args=["backups", "sync"]).exit_code == 0
    assert world.held() == []
    assert run(args=["backups", "import", "--write"]).exit_code == 0

    [found] = world.held()
    assert (found.volid, found.kind, found.note) == (backup.volid, "imported", "after the dump")


@pytest.mark.flow
def test_lost_database_is_taken_back_from_proxmox(world: worlds.World) -> None:
    """Archives of ours carry markers that the new database does not know: they count as imported."""
    backup = world.back_up("of the lost database")
    run = world.app.test_cli_runner().invoke
    assert run(args=["backups", "db", "downgrade", "base", "--yes"]).exit_code == 0
    assert run(args=["backups", "db", "upgrade"]).exit_code == 0

    assert run(args=["backups", "import", "--write"]).exit_code == 0

    [found] = world.held()
    assert (found.volid, found.kind, found.note, found.released_at) == (
        backup.volid, "imported", "of the lost database", None,
    )  # fmt: skip
    assert world.call("RestoreBackup", backup_id=found.id, confirm=world.service().vm_name) == "success"
    world.drain()
    assert world.operations()[-1].state == "done"
    assert world.call("ReleaseBackup", backup_id=found.id) == "success"
    assert world.held()[0].released_at is not None
