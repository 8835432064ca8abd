"""Who may come in: whoever may not learns nothing, and nothing reaches Proxmox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import databases
from support import world as worlds
from support.world import ALICE, BOB, CHARLIE, STAFF

from puq_backups import Actor
from puq_backups.host import PERMISSIONS
from puq_backups.simulator import Simulator

from .client_pages import ClientPages, visible_text
from .client_routes import FORM, RIGHTS, ask, ids, routes


@pytest.fixture
def full(pages: ClientPages) -> ClientPages:
    """Alice and Bob each have a backup; Alice's form token is at hand."""
    pages.world.back_up("alice's secret note")
    pages.world.back_up("bob's secret note", "2")
    return pages


@pytest.fixture(scope="module")
def shared(
    proxmox_server: Simulator, valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClientPages]:  # fmt: skip
    proxmox_server.reset()
    world = worlds.make(proxmox_server, databases.sqlite_file(tmp_path_factory.mktemp("access")), valkey_url)
    world.register()
    world.register("2", 101, "bob", storage="nfs")
    pages = ClientPages(world, world.app.test_client())
    pages.world.back_up("alice's secret note")
    pages.world.back_up("bob's secret note", "2")
    yield pages
    world.context.database.engine.dispose()


@pytest.fixture
def closed(shared: ClientPages, redis_url: str) -> ClientPages:
    """The same as `full`, one for all tests in which nobody gets in."""
    shared.service_id = "1"
    return shared


def test_every_form_has_a_right(closed: ClientPages) -> None:
    forms = {path for method, path, _ in routes(closed, "b", "o") if method == "POST"}

    assert forms == set(RIGHTS)
    assert set(RIGHTS.values()) <= PERMISSIONS


@pytest.mark.parametrize("actor", [None, CHARLIE, BOB, Actor(), Actor(client_id="1")], ids=str)
def test_stranger_gets_404_everywhere_and_proxmox_is_not_asked(closed: ClientPages, actor: Actor | None) -> None:
    world, token = closed.world, closed.token()
    asked, written = len(world.proxmox.requests()), len(world.operations())

    for method, path, address in routes(closed, *ids(world, "1"), custom=True):
        status, text = ask(closed, method, address, actor, token)

        assert status == 404, path
        assert "web100" not in text
        assert "secret" not in text
    assert len(world.proxmox.requests()) == asked
    assert len(world.operations()) == written


def test_stranger_cannot_tell_a_service_that_is_there_from_one_that_is_not(closed: ClientPages) -> None:
    there = closed.get(actor=BOB)
    closed.service_id = "no-such-service"
    nowhere = closed.get(actor=BOB)
    staff = closed.get(actor=STAFF)

    assert (there.status_code, there.text) == (nowhere.status_code, nowhere.text) == (404, staff.text)


@pytest.mark.parametrize("service_id", ["x" * 65, "1%00", "%00", "%F0%9F%92%BE", "1'--", "..%2f1", "%20"])
def test_odd_service_id_is_404(closed: ClientPages, service_id: str) -> None:
    closed.service_id = service_id

    for actor in (None, ALICE, STAFF):
        assert closed.get(actor=actor).status_code == 404


def test_sub_user_who_may_not_view_gets_403_everywhere(closed: ClientPages) -> None:
    world, token = closed.world, closed.token()
    sub = Actor(client_id="alice", permissions=PERMISSIONS - {"view"})
    asked = len(world.proxmox.requests())

    for method, path, address in routes(closed, *ids(world, "1"), custom=True):
        status, text = ask(closed, method, address, sub, token)

        assert status == 403, path
        assert "secret" not in text
    assert len(world.proxmox.requests()) == asked


def test_sub_user_without_the_right_gets_403_and_proxmox_is_not_asked(closed: ClientPages) -> None:
    world, token = closed.world, closed.token()
    asked, written = len(world.proxmox.requests()), len(world.operations())

    for method, path, address in routes(closed, *ids(world, "1")):
        rights = PERMISSIONS - {RIGHTS.get(path, "")}
        for form in (FORM, {}, {"note": "two\nlines", "kept": "2", "day_9": "1"}):
            closed.world.host.actor = sub = Actor(client_id="alice", permissions=rights)
            if path in RIGHTS:
                answer = closed.post(address, form, sub, token) if method == "POST" else closed.get(address, sub)
                assert answer.status_code == 403, path
                assert "Your account does not have the right to do this." in visible_text(answer)
            else:
                assert closed.get(address, sub).status_code == 200
    assert len(world.proxmox.requests()) == asked
    assert len(world.operations()) == written


def test_staff_may_come_in_everywhere(full: ClientPages) -> None:
    world, token = full.world, full.token()

    for method, path, address in routes(full, *ids(world, "1")):
        assert ask(full, method, address, STAFF, token)[0] in ({303, 400, 409} if method == "POST" else {200}), path


FOREIGN = ["bob's", "nobody", "x" * 100, "%00", "%F0%9F%92%BE", "1'--"]


@pytest.mark.databases
def test_foreign_ids_are_404_and_proxmox_is_not_asked(full: ClientPages) -> None:
    world, token = full.world, full.token()
    asked, written = len(world.proxmox.requests()), len(world.operations())

    for wrong in FOREIGN:
        backup, operation = ids(world, "2") if wrong == "bob's" else (wrong, wrong)
        for method, path, address in routes(full, backup, operation):
            if "_id>" in path:
                assert ask(full, method, address, ALICE, token)[0] == 404, (path, wrong)
    assert len(world.proxmox.requests()) == asked
    assert len(world.operations()) == written
    assert not world.held("2")[0].kept


def test_retry_with_anothers_backup_is_404(full: ClientPages) -> None:
    world = full.world
    world.proxmox.control("archive-damaged", volid=world.held()[0].volid)
    assert world.call("RestoreBackup", backup_id=ids(world, "1")[0], confirm="web100") == "success"
    world.drain()
    failed = world.operations()[-1]
    assert failed.id == world.service().restore_failed
    asked = len(world.proxmox.requests())

    answer = full.post(f"/operations/{failed.id}/retry", {"backup_id": ids(world, "2")[0]})

    assert answer.status_code == 404
    assert len(world.proxmox.requests()) == asked
    assert world.operations()[-1].id == failed.id


def test_address_of_a_form_leads_to_the_page_and_strangers_nowhere(closed: ClientPages) -> None:
    for path in ("/create", "/schedule", f"/{ids(closed.world, '1')[0]}/keep", "/operations/x/cancel"):
        assert closed.get(path).status_code == 303
        assert closed.get(path).headers["Location"] == "/services/1/backups/"
        assert closed.get(path, BOB).status_code == 404


@pytest.mark.slow
def test_removed_backup_is_404(full: ClientPages) -> None:
    backup = ids(full.world, "1")[0]
    full.world.call("RemoveBackup", backup_id=backup)
    full.world.drain()

    for action in ("restore", "remove", "note", "keep"):
        answer = full.post(f"/{backup}/{action}", FORM)
        assert answer.status_code == 404
        assert "It is no longer there. The page shows what is there now." in visible_text(answer)
        assert "Scheduled Automatic Backups" in visible_text(answer)


def test_form_fields_cannot_stand_in_for_the_address(full: ClientPages) -> None:
    bobs = ids(full.world, "2")[0]
    answer = full.post("/create", {"serviceid": "2", "service_id": "2", "backup_id": bobs, "note": "mine"})

    assert answer.status_code == 303
    assert [operation.note for operation in full.world.operations()] == ["alice's secret note", "mine"]
    assert len(full.world.operations("2")) == 1
    full.world.drain()


def test_missing_or_wrong_token_is_400_and_does_nothing(closed: ClientPages) -> None:
    world = closed.world
    asked, written = len(world.proxmox.requests()), len(world.operations())

    for method, path, address in routes(closed, *ids(world, "1"), custom=True):
        for token in (None, "wrong", "ImFiYyI.abc.def") if method == "POST" else ():
            answer = closed.post(address, FORM, token=token)
            assert answer.status_code == 400, path
            assert "csrf_token" in visible_text(answer)
    assert len(world.proxmox.requests()) == asked
    assert len(world.operations()) == written


def test_token_of_another_browser_is_400(closed: ClientPages) -> None:
    other = ClientPages(closed.world, closed.world.app.test_client())

    assert other.post("/create", {}, token=closed.token()).status_code == 400


def test_token_in_the_header_is_taken(full: ClientPages) -> None:
    answer = full.post("/create", {}, token=None, headers={"X-CSRFToken": full.token()})

    assert answer.status_code == 303
    full.world.drain()


def test_token_may_be_switched_off_in_tests_alone(full: ClientPages) -> None:
    app = full.world.app
    app.config["WTF_CSRF_ENABLED"] = False
    app.testing = False
    assert full.post("/create", {}, token=None).status_code == 400

    app.testing = True
    assert full.post("/create", {}, token=None).status_code == 303
    full.world.drain()
