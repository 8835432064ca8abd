"""Requests that are refused or that Proxmox does not take: the reason on the page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select
from support import world as worlds

from puq_backups.models import Server
from puq_backups.operations import dispatch

from .client_pages import ClientPages, visible_text
from .form_errors import SECRET, WEEK, value


def test_full_quota_is_refused_with_what_helps(pages: ClientPages) -> None:
    pages.world.call("ChangePackage", **pages.world.params(backups=1))
    pages.world.back_up()

    answer = pages.post("/create", {"note": "one more"})

    assert answer.status_code == 409
    assert "Quota full (1 of 1). Remove a backup or upgrade." in visible_text(answer)
    assert value(answer, "note") == "one more"
    assert len(pages.world.operations()) == 1


@pytest.mark.parametrize(
    ("function", "sentence"),
    [("SuspendAccount", "The service is suspended."), ("TerminateAccount", "The service is terminated.")],
)
def test_service_that_is_not_active_refuses_and_still_shows(pages: ClientPages, function: str, sentence: str) -> None:
    backup = pages.world.back_up()
    pages.world.call(function)

    assert pages.get().status_code == 200
    for path, form in (
        ("/create", {}), ("/schedule", WEEK), (f"/{backup.id}/remove", {}),
        (f"/{backup.id}/restore", {"confirm": "web100"}), (f"/{backup.id}/keep", {"kept": "1"}),
    ):  # fmt: skip
        answer = pages.post(path, form)
        assert answer.status_code == 409, path
        assert sentence in visible_text(answer)
    assert len(pages.world.operations()) == 1


def test_second_wish_while_the_first_waits_is_refused(pages: ClientPages) -> None:
    backup = pages.world.back_up()
    with pages.world.backups.vm_action("1"):
        assert pages.post(f"/{backup.id}/remove").status_code == 303
        answer = pages.post(f"/{backup.id}/remove")
    assert answer.status_code == 409
    assert "This has been asked for already and is about to start." in visible_text(answer)
    pages.world.drain()


def test_kept_backup_is_not_removed(pages: ClientPages) -> None:
    backup = pages.world.back_up()
    assert pages.post(f"/{backup.id}/keep", {"kept": "1"}).status_code == 303

    answer = pages.post(f"/{backup.id}/remove")

    assert answer.status_code == 409
    assert "Kept. Choose “Do not keep” to remove it." in visible_text(answer)
    assert pages.world.proxmox.volumes("local")[0].protected


TROUBLES: dict[str, tuple[dict[str, Any], str]] = {
    "unreachable": ({"port": 1}, "Proxmox cannot be reached at 127.0.0.1"),
    "wrong token": ({"sealed_secret": SECRET}, "Proxmox refused the API token"),
    "wrong fingerprint": ({"fingerprint": "AB:" * 31 + "AB"}, "certificate"),
}


@pytest.mark.parametrize("case", TROUBLES)
def test_backup_that_proxmox_does_not_take_is_told_on_the_page(
    pages: ClientPages, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    wrong, sentence = TROUBLES[case]
    world = pages.world
    with world.context.database.begin() as session:
        server = session.scalars(select(Server)).one()
        for column, value in wrong.items():
            setattr(server, column, world.context.vault.seal(value) if column == "sealed_secret" else value)

    assert pages.post("/create", {"note": "now"}).status_code == 303
    world.context.settings.__dict__["busy_patience"] *= 0
    world.drain()

    page, state = pages.get(), pages.state()
    assert state["last_operation"]["state"] == "failed"
    assert sentence in state["last_operation"]["reason"]
    assert sentence in visible_text(page)
    for text in (page.text, str(state), caplog.text):
        assert "Traceback" not in text
        assert SECRET not in text
        assert world.params()["serverpassword"] not in text


def test_full_storage_is_told_on_the_page(pages: ClientPages) -> None:
    pages.world.call("ChangePackage", **pages.world.params(storage="tiny"))
    pages.post("/create")
    pages.world.drain()

    reason = pages.state()["last_operation"]["reason"]
    assert re.search("No space left on device|no room", reason)
    assert reason in visible_text(pages.get())


def test_vm_that_is_gone_is_told_on_the_page(pages: ClientPages) -> None:
    pages.world.proxmox.control("vm-destroyed", vmid=100)
    pages.post("/create")
    pages.world.drain()

    assert pages.state()["last_operation"]["reason"] == "The virtual machine 100 is no longer there."
    assert "The virtual machine 100 is no longer there." in visible_text(pages.get())


def test_proxmox_out_of_reach_leaves_kept_as_it_was(pages: ClientPages) -> None:
    backup = pages.world.back_up()
    pages.world.proxmox.control("refuse", method="PUT", path="*", status=595, reason="No route to host")

    answer = pages.post(f"/{backup.id}/keep", {"kept": "1"})

    assert answer.status_code == 409
    assert (
        "Proxmox did not take it: Proxmox cannot reach the node that was asked for: No route to host."
        in visible_text(answer)
    )
    assert pages.world.held()[0].kept is False


@pytest.mark.flow
def test_proxmox_out_of_reach_leaves_a_backup_running_that_was_to_be_stopped(pages: ClientPages) -> None:
    world = pages.world
    world.proxmox.control("slow-backup", vmid=100, seconds=1)
    pages.post("/create")
    for _ in range(40):
        if not dispatch.start_waiting(world.context) and world.operations()[0].upid:
            break
        advance(world)
    world.proxmox.control("refuse", method="DELETE", path="*", status=595, reason="No route to host")

    answer = pages.post(f"/operations/{world.operations()[0].id}/cancel")

    assert answer.status_code == 409
    assert "No route to host" in visible_text(answer)
    world.drain()


def advance(world: worlds.World) -> None:
    from puq_backups.operations import engine

    for operation in world.operations():
        engine.advance(world.context, operation.id)


def test_fault_of_ours_is_logged_and_not_shown(pages: ClientPages, caplog: pytest.LogCaptureFixture) -> None:
    pages.world.app.testing = False
    pages.world.backups.hooks.functions["EditNote"] = lambda: {}["no such key"]
    backup = pages.world.back_up()

    answer = pages.post(f"/{backup.id}/note", {"note": "kept as typed"})

    assert answer.status_code == 500
    assert "Something went wrong on our side" in visible_text(answer)
    assert "kept as typed" in answer.text
    assert "KeyError" not in answer.text
    assert "KeyError" in caplog.text
