"""A restore before it is confirmed: what Proxmox says would happen, in words, on a page that needs no script."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from puq_backups.models import Operation

from .conftest import Door, said

UNREACHABLE = "Proxmox cannot be reached just now; what will happen could not be checked."


@pytest.fixture
def path(door: Door) -> str:
    """Where the restore of Alice's backup is confirmed."""
    return f"/{door.world.back_up('before the upgrade').id}/restore"


def test_page_says_in_words_what_will_happen_and_its_form_restores(door: Door, path: str) -> None:
    door.world.proxmox.control_step({"control": "snapshot-taken", "vmid": 100, "name": "friday"})
    shown = door.get(path)

    text = said(shown)
    assert "This will happen:" in text
    assert "before the upgrade" in text
    assert re.search(r"it is shut down first|The virtual machine is off", text)
    assert "These snapshots of the virtual machine will be lost: friday." in text
    assert "Everything that changed on web100 after this backup is lost." in text
    assert "All other backups stay." in text
    assert set(re.findall(r'name="(\w+)"', shown.text)) >= {"csrf_token", "confirm", "safety_copy"}
    assert f'action="/services/1/backups{path}"' in shown.text
    assert not re.search(r"<script|style=|\son\w+=", shown.text)

    assert door.post(path, {"confirm": "web100", "safety_copy": "1"}).status_code == 303
    assert door.world.operations()[-1].data["safety_copy"] is True


def test_looking_changes_nothing(door: Door, path: str) -> None:
    asked, written = len(door.world.proxmox.requests()), len(door.world.operations())

    door.get(path)

    assert {request.method for request in door.world.proxmox.requests()[asked:]} == {"GET"}
    assert len(door.world.operations()) == written


@pytest.mark.parametrize(
    ("minutes", "said_so"), [(None, "minute"), (1, "Making it takes about 1 minute."), (7, "about 7 minutes.")]
)
def test_minutes_are_those_of_the_last_backups(door: Door, path: str, minutes: int | None, said_so: str) -> None:
    with door.world.context.database.begin() as session:
        made = session.get_one(Operation, door.world.operations()[0].id)
        made.started_at = minutes and made.finished_at - timedelta(minutes=minutes, seconds=-1)

    assert (said_so in said(door.get(path))) is (minutes is not None)


def test_what_stands_against_it_is_said_and_no_form_is_offered(door: Door, path: str) -> None:
    door.world.proxmox.control("archive-gone", volid=door.world.held()[0].volid)

    shown = door.get(path)

    assert "The file of this backup is no longer on its storage." in said(shown)
    assert "data-puqb-blocked" in shown.text
    assert 'name="confirm"' not in shown.text


def test_proxmox_is_not_asked_where_it_cannot_be_restored_anyway(door: Door, path: str) -> None:
    door.world.call("SuspendAccount", **door.world.params())
    asked = len(door.world.proxmox.requests())

    text = said(door.get(path))

    assert "The service is suspended." in text
    assert "Restore backup" not in text
    assert len(door.world.proxmox.requests()) == asked


def test_silence_of_proxmox_is_admitted_and_the_form_stays(door: Door, path: str) -> None:
    door.world.proxmox.control("gateway-timeout", method="GET", path="*", reason="", times=None)

    shown = door.get(path)

    assert UNREACHABLE in said(shown)
    assert "All snapshots of the server are deleted." in said(shown)
    assert 'name="confirm"' in shown.text


def test_vm_that_moved_meanwhile_is_followed(door: Door, path: str) -> None:
    door.world.call("ChangePackage", **door.world.params(storage="nfs"))
    backup = door.world.back_up("on the shared storage")
    door.world.proxmox.control("migrate", vmid=100, node="pve2")

    assert "This will happen:" in said(door.get(f"/{backup.id}/restore"))


def test_refusal_of_proxmox_is_told(door: Door, path: str) -> None:
    door.world.proxmox.control("token-revoked", token="panel")

    assert "What will happen could not be checked: " in said(door.get(path))


@pytest.mark.parametrize("rule", ["offer", "always", "off"])
def test_copy_that_cannot_be_made_is_said(door: Door, path: str, rule: str) -> None:
    door.world.proxmox.control("storage-config", storage="local", total=1)
    object.__setattr__(door.world.context.settings, "safety_copy", rule)

    shown = door.get(path)

    told = "The storage local has no room for another backup." in said(shown)
    assert told is (rule != "off")
    assert ('name="confirm"' in shown.text) is (rule != "always")
    boxes = re.findall(r'name="safety_copy" value="1"( disabled)?', shown.text)
    assert boxes == ([" disabled"] if rule == "offer" else [])


def test_after_a_failed_restore_no_copy_of_the_ruin_is_offered(door: Door, path: str) -> None:
    door.world.proxmox.control("task-unexpected", type="qmrestore", vmid=100)
    door.post(path, {"confirm": "web100", "safety_copy": "1"})
    door.world.drain()
    failed = door.world.operations()[-1]
    assert door.world.service().restore_failed == failed.id
    assert "safety_copy" not in door.get(path).text

    page = door.get()
    assert "Your server becomes what it was" in said(page)
    assert "Safety copy from before the restore of" in said(page)
    assert "Removed on" in said(page)
    assert door.post(f"/operations/{failed.id}/back").status_code == 303
    door.world.drain()

    assert door.world.service().restore_failed is None
    assert "The restore was undone." in said(door.get())


def test_ways_on_are_closed_with_the_reason_where_they_lead_nowhere(door: Door, path: str) -> None:
    door.world.proxmox.control("task-unexpected", type="qmrestore", vmid=100)
    door.post(path, {"confirm": "web100"})
    door.world.drain()
    operation = door.world.operations()[-1]

    shown = door.get()

    assert "Undo the restore" not in said(shown)
    assert "Reinstalling is not set up here. Please ask the provider's support." in said(shown)
    assert re.search(r'<button type="button"[^>]*id="puqb-retry-open"(?![^>]*disabled)', shown.text)
    assert door.post(f"/operations/{operation.id}/back").status_code == 409
    assert door.post("/reinstall", {"confirm": "REINSTALL"}).status_code == 409
