"""The demo's month of history: each machine shows what it is there for, and can be mended."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from demo import machines
from demo.models import Service, db
from puq_backups import models as backups
from puq_backups.simulator import simulator

from .conftest import Visitor

pytestmark = pytest.mark.slow


def staff_page(app: Flask, path: str) -> str:
    status, page = Visitor(app.test_client(), "staff").get(path)
    assert status == 200
    return page


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("clark-shop", ["6/10", "1 skipped", "1 missed", "1 failed"]),
        ("clark-mail", ["The restore failed", "The file of this backup is damaged.", "Damaged"]),
        ("clark-files", ["3/3", "All 3 backups are kept"]),
        ("clark-test", ["The last two backups were not made."]),
    ],
)
def test_each_machine_of_the_month_shows_what_it_is_there_for(app: Flask, name: str, shown: list[str]) -> None:
    with app.app_context():
        service = db.session.query(Service).filter_by(name=name).one()
        page = Visitor(app.test_client(), str(service.client_id)).get(f"/services/{service.id}/backups/")[1]

    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert [text for text in shown if text not in words] == []
    assert next(machine.tip for machine in machines.MACHINES if machine.name == name) in page


def test_rows_of_the_month_are_what_proxmox_holds(app: Flask, proxmox: simulator.Simulator) -> None:
    ran = app.test_cli_runner().invoke(args=["backups", "sync"])
    assert ran.exit_code == 0, ran.output

    with app.extensions["puq_backups"].context.database.open() as session:
        of_the_month = session.query(backups.Backup).filter(backups.Backup.id.startswith("demo"))
        lost = of_the_month.filter(backups.Backup.gone_since.is_not(None)).count()
        there = of_the_month.filter(backups.Backup.removed_at.is_(None)).count()
    assert (lost, there) == (0, sum(len(machine.held) for machine in machines.MACHINES))


def test_restore_that_failed_can_be_mended(app: Flask, proxmox: simulator.Simulator) -> None:
    context = app.extensions["puq_backups"].context
    with context.database.open() as session:
        service = session.query(backups.Service).filter(backups.Service.restore_failed.is_not(None)).one()

    params = {"serviceid": service.id, "operation_id": service.restore_failed}
    assert app.extensions["puq_backups"].call("RetryRestore", params) == "success"
    assert app.test_cli_runner().invoke(args=["backups", "worker", "--burst"]).exit_code == 0

    with context.database.open() as session:
        assert session.get_one(backups.Service, service.id).restore_failed is None
    assert proxmox.vm(104).running


def test_queue_of_one_node_holds_up_nobody_else(app: Flask, proxmox: simulator.Simulator) -> None:
    ran = app.test_cli_runner().invoke(args=["queue", "--seconds", "1"])
    assert ran.exit_code == 0, ran.output

    assert "clark-app-3" in staff_page(app, "/admin/backups/operations?state=waiting")
    for path in ("/", "/mails", "/admin/backups/", "/admin/backups/services", "/admin/backups/activity"):
        assert "Try this:" in staff_page(app, path)
    assert app.test_cli_runner().invoke(args=["backups", "worker", "--burst"]).exit_code == 0
