"""The demo's pages: who sees what, and what the buttons do while the machine is locked."""

from __future__ import annotations

import pytest
from flask import Flask

from demo import mails
from demo.models import Service, db
from puq_backups import models as backups
from puq_backups.simulator import simulator

from .conftest import Visitor

pytestmark = pytest.mark.slow

WEB, DATABASE, BLOG = 1, 2, 3


def test_customers_see_their_own_services_and_no_others(app: Flask, alice: Visitor) -> None:
    bob, sam = Visitor(app.test_client(), "2"), Visitor(app.test_client(), "staff")

    assert "bakery-web" in alice.get("/")[1]
    assert "bobs-blog" not in alice.get("/")[1]
    assert alice.get(f"/services/{BLOG}/")[0] == 404
    assert alice.get(f"/services/{BLOG}/backups/")[0] == 404
    assert bob.get(f"/services/{BLOG}/backups/")[0] == 200
    assert [sam.get(f"/services/{number}/backups/")[0] for number in (1, 2, 3)] == [200, 200, 200]


def test_backups_page_stands_in_the_applications_frame(alice: Visitor) -> None:
    page = alice.get(f"/services/{WEB}/backups/")[1]

    assert "Northwind Hosting" in page
    assert "0/10" in page


@pytest.mark.parametrize(("language", "said"), [("de", "Geplante automatische Backups"), ("ar", 'dir="rtl"')])
def test_customer_chooses_the_language_of_backups_and_mails(
    app: Flask, alice: Visitor, language: str, said: str
) -> None:
    assert f'value="{language}" lang="{language}" selected' in alice.post("/", "/language", language=language)

    assert said in alice.get(f"/services/{WEB}/backups/")[1]
    with app.extensions["puq_backups"].context.database.open() as session:
        assert session.get_one(backups.Service, str(WEB)).client["language"] == language
    alice.post("/", "/language", language="en")


def test_buttons_stop_and_start_the_machine(alice: Visitor, proxmox: simulator.Simulator) -> None:
    page = f"/services/{WEB}/"

    assert "bakery-web is stopped." in alice.post(page, f"{page}stop")
    assert not proxmox.vm(100).running
    assert "bakery-web is running." in alice.post(page, f"{page}start")
    assert proxmox.vm(100).running


def test_changed_package_reaches_proxmox_and_the_quota(
    app: Flask, alice: Visitor, proxmox: simulator.Simulator
) -> None:
    page = f"/services/{DATABASE}/"

    alice.post(page, f"{page}stop")
    assert "bakery-db is changed" in alice.post(page, f"{page}package", package="Small")

    assert "0/1" in alice.get(f"{page}backups/")[1]
    assert str(proxmox.vm(101).config["cores"]) == "1"
    with app.app_context():
        assert db.session.get_one(Service, DATABASE).package == "Small"


def test_buttons_are_refused_with_the_reason_while_proxmox_holds_the_machine(
    alice: Visitor, proxmox: simulator.Simulator
) -> None:
    page = f"/services/{WEB}/"
    proxmox.vm(100).config["lock"] = "backup"

    for action in ("start", "stop", "package"):
        assert "Another task blocks this server now (backup)." in alice.post(page, page + action, package="Small")

    assert proxmox.vm(100).running
    assert str(proxmox.vm(100).config["cores"]) == "4"


def test_buttons_are_refused_with_the_reason_while_a_backup_runs_and_work_after(
    app: Flask, alice: Visitor, proxmox: simulator.Simulator
) -> None:
    page = f"/services/{WEB}/"
    proxmox.control("slow-backup", vmid=100, seconds=1)
    alice.post(f"{page}backups/", f"{page}backups/create")
    reason = "You cannot start, stop or restore until this backup is done."

    assert reason in alice.get(page)[1]
    for action in ("start", "stop", "package"):
        assert reason in alice.post(page, page + action, package="Small")
    assert proxmox.vm(100).running

    proxmox.control("release", label="slow")
    assert app.test_cli_runner().invoke(args=["backups", "worker", "--burst"]).exit_code == 0
    assert reason not in alice.get(page)[1]
    assert "bakery-web is stopped." in alice.post(page, f"{page}stop")


def test_unknown_package_is_bad_input(alice: Visitor) -> None:
    page = f"/services/{WEB}/"

    assert "Bad Request" in alice.post(page, f"{page}package", package="Huge")


def test_mails_are_shown_and_nothing_in_them_runs(alice: Visitor) -> None:
    assert "No mail yet" in alice.get("/mails")[1]
    (mails.folder() / "17.eml").write_text(
        "Subject: Backup restored\nFrom: a@example.org\nTo: b@example.org\nContent-Type: text/html\n\n<p>Text</p>"
    )

    assert "Backup restored" in alice.get("/mails")[1]
    assert "sandbox" in alice.client.get("/mails/17.html").headers["Content-Security-Policy"]
    assert alice.get("/mails/18.html")[0] == 404


def test_staff_finds_the_staff_pages_in_the_applications_frame_and_customers_do_not(
    app: Flask, alice: Visitor
) -> None:
    sam = Visitor(app.test_client(), "staff")

    assert '"/admin/backups/"' in sam.get("/")[1]
    status, page = sam.get("/admin/backups/")
    assert (status, "Northwind Hosting" in page, "Signs of life" in page) == (200, True, True)
    assert "bakery-web" in sam.get("/admin/backups/services")[1]
    assert "/admin/backups" not in alice.get("/")[1]
    assert alice.get("/admin/backups/")[0] == 404
