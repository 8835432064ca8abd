"""A restore before it is confirmed: what Proxmox says would happen, in words, on a page that needs no script."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from puq_backups.models import Operation

from .client_pages import ClientPages, visible_text

UNREACHABLE = "Proxmox cannot be reached just now; what will happen could not be checked."


@pytest.fixture
def path(pages: ClientPages) -> str:
    """Where the restore of Alice's backup is confirmed."""
    return f"/{pages.world.back_up('before the upgrade').id}/restore"


def test_page_says_in_words_what_will_happen_and_its_form_restores(pages: ClientPages, path: str) -> None:
    pages.world.proxmox.control_step({"control": "snapshot-taken", "vmid": 100, "name": "friday"})
    shown = pages.get(path)

    text = visible_text(shown)
    assert "This will happen:" in text
    assert "before the upgrade" in text
    assert re.search(r"it is shut down first|The server is off", text)
    assert "These snapshots of the server are deleted: friday." in text
    assert "Everything that changed on web100 after this backup." in text
    assert "All other backups." in text
    assert set(re.findall(r'name="(\w+)"', shown.text)) >= {"csrf_token", "confirm", "safety_copy"}
    assert f'action="/services/1/backups{path}"' in shown.text
    assert not re.search(r"<script|style=|\son\w+=", shown.text)

    assert pages.post(path, {"confirm": "web100", "safety_copy": "1"}).status_code == 303
    assert pages.world.operations()[-1].data["safety_copy"] is True


def test_looking_changes_nothing(pages: ClientPages, path: str) -> None:
    asked, written = len(pages.world.proxmox.requests()), len(pages.world.operations())

    pages.get(path)

    assert {request.method for request in pages.world.proxmox.requests()[asked:]} == {"GET"}
    assert len(pages.world.operations()) == written


@pytest.mark.parametrize(
    ("minutes", "said_so"), [(None, "minute"), (1, "Making it takes about 1 minute."), (7, "about 7 minutes.")]
)
def test_minutes_are_those_of_the_last_backups(
    pages: ClientPages, path: str, minutes: int | None, said_so: str
) -> None:
    with pages.world.context.database.begin() as session:
        made = session.get_one(Operation, pages.world.operations()[0].id)
        made.started_at = minutes and made.finished_at - timedelta(minutes=minutes, seconds=-1)

    assert (said_so in visible_text(pages.get(path))) is (minutes is not None)


def test_what_stands_against_it_is_said_and_no_form_is_offered(pages: ClientPages, path: str) -> None:
    pages.world.proxmox.control("archive-gone", volid=pages.world.held()[0].volid)

    shown = pages.get(path)

    assert "The file of this backup is no longer on its storage." in visible_text(shown)
    assert "data-puqb-blocked" in shown.text
    assert 'name="confirm"' not in shown.text


@pytest.mark.flow
def test_proxmox_is_not_asked_where_it_cannot_be_restored_anyway(pages: ClientPages, path: str) -> None:
    pages.world.call("SuspendAccount", **pages.world.params())
    asked = len(pages.world.proxmox.requests())

    text = visible_text(pages.get(path))

    assert "The service is suspended." in text
    assert "Restore backup" not in text
    assert len(pages.world.proxmox.requests()) == asked


def test_silence_of_proxmox_is_admitted_and_the_form_stays(pages: ClientPages, path: str) -> None:
    pages.world.proxmox.control("gateway-timeout", method="GET", path="*", reason="", times=None)

    shown = pages.get(path)

    assert UNREACHABLE in visible_text(shown)
    assert "All snapshots of the server are deleted." in visible_text(shown)
    assert 'name="confirm"' in shown.text


def test_vm_that_moved_meanwhile_is_followed(pages: ClientPages, path: str) -> None:
    pages.world.call("ChangePackage", **pages.world.params(storage="nfs"))
    backup = pages.world.back_up("on the shared storage")
    pages.world.proxmox.control("migrate", vmid=100, node="pve2")

    assert "This will happen:" in visible_text(pages.get(f"/{backup.id}/restore"))


def test_refusal_of_proxmox_is_told(pages: ClientPages, path: str) -> None:
    pages.world.proxmox.control("token-revoked", token="panel")

    assert "What will happen could not be checked: " in visible_text(pages.get(path))


@pytest.mark.parametrize("rule", ["offer", "always", "off"])
def test_copy_that_cannot_be_made_is_said(pages: ClientPages, path: str, rule: str) -> None:
    pages.world.proxmox.control("storage-config", storage="local", total=1)
    object.__setattr__(pages.world.context.settings, "safety_copy", rule)

    shown = pages.get(path)

    told = "The storage local has no room for another backup." in visible_text(shown)
    assert told is (rule != "off")
    assert ('name="confirm"' in shown.text) is (rule != "always")
    boxes = re.findall(r'name="safety_copy" value="1"( disabled)?', shown.text)
    assert boxes == ([" disabled"] if rule == "offer" else [])


@pytest.mark.flow
def test_after_a_failed_restore_no_copy_of_the_ruin_is_offered(pages: ClientPages, path: str) -> None:
    pages.world.proxmox.control("task-unexpected", type="qmrestore", vmid=100)
    pages.post(path, {"confirm": "web100", "safety_copy": "1"})
    pages.world.drain()
    failed = pages.world.operations()[-1]
    assert pages.world.service().restore_failed == failed.id
    assert "safety_copy" not in pages.get(path).text

    page = pages.get()
    assert "Your server becomes what it was" in visible_text(page)
    assert "Safety copy from before the restore of" in visible_text(page)
    assert "Removed on" in visible_text(page)
    assert pages.post(f"/operations/{failed.id}/back").status_code == 303
    pages.world.drain()

    assert pages.world.service().restore_failed is None
    assert "The restore was undone." in visible_text(pages.get())


@pytest.mark.flow
def test_ways_on_are_closed_with_the_reason_where_they_lead_nowhere(pages: ClientPages, path: str) -> None:
    pages.world.proxmox.control("task-unexpected", type="qmrestore", vmid=100)
    pages.post(path, {"confirm": "web100"})
    pages.world.drain()
    operation = pages.world.operations()[-1]

    shown = pages.get()

    assert "Undo the restore" not in visible_text(shown)
    assert "Reinstalling is not set up here. Please ask the provider's support." in visible_text(shown)
    assert re.search(r'<button type="button"[^>]*id="puqb-retry-open"(?![^>]*disabled)', shown.text)
    assert pages.post(f"/operations/{operation.id}/back").status_code == 409
    assert pages.post("/reinstall", {"confirm": "REINSTALL"}).status_code == 409
