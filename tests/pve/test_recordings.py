"""What real Proxmox answered, word for word, as the client takes it."""

from typing import Any

import pytest
import responses

from puq_backups.errors import ProxmoxBusy, ProxmoxDenied, ProxmoxError, ProxmoxRefused, ProxmoxUnreachable, VmMissing
from puq_backups.pve import archives, tasks, vms

from .answers import API, RECORDED, UPID, Answer, good, proxmox, recorded_steps

pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recordings are not beside the repository")

PROXMOX = proxmox()
BUSY = ("VM is locked", "can't lock file", "checksum mismatch")
STEPS = [step for step in recorded_steps() if "status" in step]


def kind_of(step: dict[str, Any]) -> type[ProxmoxError]:
    reason = str(step["reason"])
    if step["status"] in {401, 403}:
        return ProxmoxDenied
    if step["status"] == 595:
        return ProxmoxUnreachable
    if reason.startswith("Configuration file"):
        return VmMissing
    return ProxmoxBusy if any(words in reason for words in BUSY) else ProxmoxRefused


@responses.activate
def test_every_recorded_refusal_becomes_the_right_error_with_its_words() -> None:
    refusals = [step for step in STEPS if step["status"] != 200]
    assert len(refusals) > 200
    for step in refusals:
        body = {key: step[key] for key in ("data", "errors", "message") if key in step}
        said: dict[str, Any] = {"body": step["body"]} if "body" in step else {"json": body}
        responses.reset()
        responses.add(Answer("POST", f"{API}/version", status=step["status"], reason=step["reason"], **said))

        with pytest.raises(ProxmoxError) as raised:
            PROXMOX.post("version")

        assert type(raised.value) is kind_of(step), step
        assert str(step["reason"]).rstrip(".") in str(raised.value)
        assert all(name in str(raised.value) for name in step.get("errors") or {})


def rows(path: str, **params: Any) -> list[list[dict[str, Any]]]:
    """The recorded lists at the end of such a path."""
    return [
        step["data"]
        for step in STEPS
        if step["status"] == 200
        and step["method"] == "GET"
        and step["path"].endswith(path)
        and all(step["params"].get(name) == value for name, value in params.items())
    ]


@responses.activate
def test_every_recorded_listing_is_read_whole() -> None:
    listings = rows("/content", content="backup")
    assert len(listings) > 50
    for listing in listings:
        responses.reset()
        good("GET", "nodes/pve1/storage/local/content", listing)

        found = archives.listing(PROXMOX, "pve1", "local")

        assert {archive.volid for archive in found} == {row["volid"] for row in listing}
        assert all(archive.size and archive.created_at and archive.vmid for archive in found)


@responses.activate
def test_every_recorded_status_is_read() -> None:
    for row in rows("/status/current"):
        responses.reset()
        good("GET", "nodes/pve1/qemu/100/status/current", row)

        status = vms.status(PROXMOX, "pve1", 100)

        assert status.status in {"running", "stopped"}
        assert (status.lock, status.name) == (row.get("lock"), row["name"])


@responses.activate
def test_every_recorded_task_list_is_read() -> None:
    for listing in rows("/nodes/pve/tasks"):
        responses.reset()
        good("GET", "nodes/pve/tasks", listing)

        running = {row["upid"] for row in listing if row.get("status") == "RUNNING"}

        assert tasks.active(PROXMOX, "pve") == running


@responses.activate
def test_the_recorded_logs_of_unknown_tasks_are_empty() -> None:
    unknown = [log for log in rows("/log") if "unable to open file" in str(log)]
    assert {type(log) for log in unknown} == {list, dict}
    for log in unknown:
        responses.reset()
        good("GET", f"nodes/pve1/tasks/{UPID}/log", log)

        assert tasks.log(PROXMOX, UPID) == []
