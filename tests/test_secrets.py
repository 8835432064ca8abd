"""No secret leaves us: a day with its troubles is played, and everything that anybody can read of it is searched."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from redis import Redis
from sqlalchemy import inspect, text
from support import services
from support import world as worlds
from support.world import ALICE, STAFF

from puq_backups.simulator import Simulator

pytestmark = pytest.mark.slow

KEY = Fernet.generate_key().decode()
SESSION_KEY = "session-key-5f2c"
IDS = {"service_id": "1", "slug": "backup-done", "number": "0"}


@pytest.fixture
def world(
    proxmox: Simulator, sqlite_url: str, redis_url: str, mailbox: services.Mailbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[worlds.World]:
    monkeypatch.setattr(worlds, "KEY", KEY)
    found = worlds.make(
        proxmox, sqlite_url, redis_url, smtp_url=mailbox.url, mail_from="b@provider.example",
        staff_email="staff@provider.example", rate_limits={}, busy_patience=0.2, retry_delays=[0.1],
    )  # fmt: skip
    found.app.secret_key = SESSION_KEY
    found.register()
    yield found
    found.context.database.engine.dispose()


def trouble(world: worlds.World) -> None:
    """A backup, a restore, a failed one, refusals, an error inside, a token that Proxmox does not take any more."""
    control, backup = world.proxmox.control, world.back_up("a note")
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"
    world.drain()
    control("task-fails", type="qmrestore", text="no luck")
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"
    world.drain()
    for fault in ({"control": "garbage"}, {"control": "refuse", "status": 500}, {"control": "drop"}):
        control(**{"name": fault.pop("control"), "path": "*", **fault})
        world.backups.call("TestConnection", world.params())
    control("token-revoked", token="panel")
    for name in ("TestConnection", "CreateAccount", "ChangePackage", "LoadStorages"):
        world.backups.call(name, world.params())
    world.app.test_cli_runner().invoke(args=["backups", "tick"])
    control("token-restored", token="panel")


def fail_inside(world: worlds.World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function of a host that raises with all of its params in hand."""

    def broken(params: dict[str, Any]) -> str:
        raise ValueError(f"cannot handle {params}")

    monkeypatch.setitem(world.context.hooks.functions, "SuspendAccount", broken)
    answer = world.backups.call("SuspendAccount", world.params())
    assert answer == "Something went wrong on our side; the log has the details."


def pages(world: worlds.World) -> Iterator[str]:
    """Every page of client and staff, and every command that prints what is known."""
    ids = IDS | {"backup_id": world.held()[0].id, "operation_id": world.operations()[-1].id}
    with world.context.database.open() as session:
        ids["server_id"] = session.scalar(text("SELECT id FROM puq_backups_server"))
        ids["mail_id"] = session.scalar(text("SELECT id FROM puq_backups_mail"))
    browser = world.app.test_client()
    for rule in world.app.url_map.iter_rules():
        if (
            "GET" in (rule.methods or ())
            and rule.endpoint.startswith("puq_backups")
            and "static" not in rule.endpoint
        ):
            world.host.actor = STAFF if rule.endpoint.startswith("puq_backups_admin") else ALICE
            with world.app.test_request_context():
                address = world.app.url_map.bind("localhost").build(
                    rule.endpoint, {name: ids.get(name, "x") for name in rule.arguments}
                )
            answer = browser.get(address)
            assert answer.status_code != 500, address
            yield f"{address} {answer.headers} {answer.text}"
    runner = world.app.test_cli_runner()
    for command in ("doctor --json", "status", "status --json"):
        yield f"{command} {runner.invoke(args=['backups', *command.split()]).output}"


def rows(world: worlds.World) -> Iterator[str]:
    engine = world.context.database.engine
    with engine.connect() as connection:
        for table in inspect(engine).get_table_names():
            for row in connection.execute(text(f"SELECT * FROM {table}")):  # noqa: S608 - names of the database
                yield f"{table} {row}"


def jobs(url: str) -> Iterator[str]:
    redis = Redis.from_url(url)
    for key in redis.scan_iter():
        yield f"{key!r} {redis.dump(key)!r}"


def test_no_secret_in_anything_that_can_be_read(
    world: worlds.World, redis_url: str, mailbox: services.Mailbox, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    world.host.actor = ALICE
    trouble(world)
    fail_inside(world, monkeypatch)
    secrets = [world.proxmox.tokens["panel"][1], KEY, SESSION_KEY]
    assert any("cannot handle" in record.getMessage() for record in caplog.records)

    told: list[str] = [*pages(world), *rows(world), *jobs(redis_url), *(mail.as_string() for mail in mailbox)]
    formatter = logging.Formatter("%(name)s %(message)s")
    told += [formatter.format(record) for record in caplog.records]

    assert len(mailbox) > 1
    assert any("panel@pve!puq" in one for one in told)
    assert [one[:300] for one in told if any(secret in one for secret in secrets)] == []
    assert KEY not in repr(world.context.settings)
