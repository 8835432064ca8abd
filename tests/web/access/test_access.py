"""Who may come in: whoever may not learns nothing, and nothing reaches Proxmox."""

from __future__ import annotations

import pytest
from support.world import ALICE, BOB, CHARLIE, STAFF

from puq_backups import Actor
from puq_backups.host import PERMISSIONS

from ..client_pages import ClientPages, visible_text
from ..client_routes import FORM, RIGHTS, ask, ids, routes


def test_every_form_has_a_right(unchanged: ClientPages) -> None:
    forms = {path for method, path, _ in routes(unchanged, "b", "o") if method == "POST"}

    assert forms == set(RIGHTS)
    assert set(RIGHTS.values()) <= PERMISSIONS


@pytest.mark.parametrize("actor", [None, CHARLIE, BOB, Actor(), Actor(client_id="1")], ids=str)
def test_stranger_gets_404_everywhere_and_proxmox_is_not_asked(unchanged: ClientPages, actor: Actor | None) -> None:
    world, token = unchanged.world, unchanged.token()
    asked, written = len(world.proxmox.requests()), len(world.operations())

    for method, path, address in routes(unchanged, *ids(world, "1"), custom=True):
        status, text = ask(unchanged, method, address, actor, token)

        assert status == 404, path
        assert "web100" not in text
        assert "secret" not in text
    assert len(world.proxmox.requests()) == asked
    assert len(world.operations()) == written


def test_stranger_cannot_tell_a_service_that_is_there_from_one_that_is_not(unchanged: ClientPages) -> None:
    there = unchanged.get(actor=BOB)
    unchanged.service_id = "no-such-service"
    nowhere = unchanged.get(actor=BOB)
    staff = unchanged.get(actor=STAFF)

    assert (there.status_code, there.text) == (nowhere.status_code, nowhere.text) == (404, staff.text)


@pytest.mark.parametrize("service_id", ["x" * 65, "1%00", "%00", "%F0%9F%92%BE", "1'--", "..%2f1", "%20"])
def test_odd_service_id_is_404(unchanged: ClientPages, service_id: str) -> None:
    unchanged.service_id = service_id

    for actor in (None, ALICE, STAFF):
        assert unchanged.get(actor=actor).status_code == 404


def test_sub_user_who_may_not_view_gets_403_everywhere(unchanged: ClientPages) -> None:
    world, token = unchanged.world, unchanged.token()
    sub = Actor(client_id="alice", permissions=PERMISSIONS - {"view"})
    asked = len(world.proxmox.requests())

    for method, path, address in routes(unchanged, *ids(world, "1"), custom=True):
        status, text = ask(unchanged, method, address, sub, token)

        assert status == 403, path
        assert "secret" not in text
    assert len(world.proxmox.requests()) == asked


@pytest.mark.flow
def test_sub_user_without_the_right_gets_403_and_proxmox_is_not_asked(unchanged: ClientPages) -> None:
    world, token = unchanged.world, unchanged.token()
    asked, written = len(world.proxmox.requests()), len(world.operations())

    for method, path, address in routes(unchanged, *ids(world, "1")):
        rights = PERMISSIONS - {RIGHTS.get(path, "")}
        for form in (FORM, {}, {"note": "two\nlines", "kept": "2", "day_9": "1"}):
            unchanged.world.host.actor = sub = Actor(client_id="alice", permissions=rights)
            if path in RIGHTS:
                answer = (
                    unchanged.post(address, form, sub, token) if method == "POST" else unchanged.get(address, sub)
                )
                assert answer.status_code == 403, path
                assert "Your account does not have the right to do this." in visible_text(answer)
            else:
                assert unchanged.get(address, sub).status_code == 200
    assert len(world.proxmox.requests()) == asked
    assert len(world.operations()) == written


@pytest.mark.flow
def test_staff_may_come_in_everywhere(with_backups: ClientPages) -> None:
    world, token = with_backups.world, with_backups.token()

    for method, path, address in routes(with_backups, *ids(world, "1")):
        assert ask(with_backups, method, address, STAFF, token)[0] in (
            {303, 400, 409} if method == "POST" else {200}
        ), path


FOREIGN = ["bob's", "nobody", "x" * 100, "%00", "%F0%9F%92%BE", "1'--"]


@pytest.mark.databases
@pytest.mark.flow
def test_foreign_ids_are_404_and_proxmox_is_not_asked(with_backups: ClientPages) -> None:
    world, token = with_backups.world, with_backups.token()
    asked, written = len(world.proxmox.requests()), len(world.operations())

    for wrong in FOREIGN:
        backup, operation = ids(world, "2") if wrong == "bob's" else (wrong, wrong)
        for method, path, address in routes(with_backups, backup, operation):
            if "_id>" in path:
                assert ask(with_backups, method, address, ALICE, token)[0] == 404, (path, wrong)
    assert len(world.proxmox.requests()) == asked
    assert len(world.operations()) == written
    assert not world.held("2")[0].kept


@pytest.mark.flow
def test_retry_with_anothers_backup_is_404(with_backups: ClientPages) -> None:
    world = with_backups.world
    world.proxmox.control("archive-damaged", volid=world.held()[0].volid)
    assert world.call("RestoreBackup", backup_id=ids(world, "1")[0], confirm="web100") == "success"
    world.drain()
    failed = world.operations()[-1]
    assert failed.id == world.service().restore_failed
    asked = len(world.proxmox.requests())

    answer = with_backups.post(f"/operations/{failed.id}/retry", {"backup_id": ids(world, "2")[0]})

    assert answer.status_code == 404
    assert len(world.proxmox.requests()) == asked
    assert world.operations()[-1].id == failed.id


def test_address_of_a_form_leads_to_the_page_and_strangers_nowhere(unchanged: ClientPages) -> None:
    for path in ("/create", "/schedule", f"/{ids(unchanged.world, '1')[0]}/keep", "/operations/x/cancel"):
        assert unchanged.get(path).status_code == 303
        assert unchanged.get(path).headers["Location"] == "/services/1/backups/"
        assert unchanged.get(path, BOB).status_code == 404


@pytest.mark.slow
def test_removed_backup_is_404(with_backups: ClientPages) -> None:
    backup = ids(with_backups.world, "1")[0]
    with_backups.world.call("RemoveBackup", backup_id=backup)
    with_backups.world.drain()

    for action in ("restore", "remove", "note", "keep"):
        answer = with_backups.post(f"/{backup}/{action}", FORM)
        assert answer.status_code == 404
        assert "It is no longer there. The page shows what is there now." in visible_text(answer)
        assert "Scheduled Automatic Backups" in visible_text(answer)


@pytest.mark.flow
def test_form_fields_cannot_stand_in_for_the_address(with_backups: ClientPages) -> None:
    bobs = ids(with_backups.world, "2")[0]
    answer = with_backups.post("/create", {"serviceid": "2", "service_id": "2", "backup_id": bobs, "note": "mine"})

    assert answer.status_code == 303
    assert [operation.note for operation in with_backups.world.operations()] == ["alice's secret note", "mine"]
    assert len(with_backups.world.operations("2")) == 1
    with_backups.world.drain()
