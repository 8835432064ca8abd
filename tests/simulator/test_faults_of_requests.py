"""Faults of single requests: refused, dropped, held, garbled."""

import threading

import pytest
import requests
from support.waiting import PATIENCE

from puq_backups.simulator import BadControl


def test_refuse_answers_so_many_requests_with_status_and_reason(proxmox, api):
    proxmox.control(
        "refuse", method="GET", path="*/content", status=500, reason="storage 'nfs' is not online", times=2
    )
    for _ in range(2):
        answer = api.ask("GET", "/nodes/pve1/storage/nfs/content")
        assert (answer.status_code, answer.reason) == (500, "storage 'nfs' is not online")
        assert answer.json()["message"] == "storage 'nfs' is not online\n"
    assert api.ask("GET", "/nodes/pve1/storage/nfs/content").status_code == 200


def test_drop_before_has_no_effect(proxmox, api):
    proxmox.control("drop", method="POST", path="*/vzdump", when="before")
    with pytest.raises(requests.ConnectionError):
        api.backup(100, "pve1")
    assert proxmox.tasks("vzdump") == []


def test_drop_after_leaves_a_task_that_nobody_was_told_of(proxmox, api):
    proxmox.control("drop", method="POST", path="*/vzdump", when="after")
    with pytest.raises(requests.ConnectionError):
        api.backup(100, "pve1", notes_template="marker-1")
    assert proxmox.count("POST", "/nodes/{node}/vzdump") == 1
    (item,) = api.data("GET", "/nodes/pve1/tasks", source="all", typefilter="vzdump", vmid=100)
    assert "--notes-template marker-1" in api.log(item["upid"])[0]


def test_gateway_timeout_comes_after_the_effect(proxmox, api):
    proxmox.control("gateway-timeout", method="POST", path="*/vzdump")
    answer = api.ask("POST", "/nodes/pve1/vzdump", vmid=100, storage="nfs")
    assert (answer.status_code, answer.reason, answer.content) == (596, "Connection timed out", b"")
    assert len(proxmox.tasks("vzdump")) == 1


def test_garbage_is_html_with_status_200(proxmox, api):
    proxmox.control("garbage", path="/version")
    answer = api.ask("GET", "/version")
    assert answer.status_code == 200
    assert answer.text.startswith("<!DOCTYPE html>")


def test_meanwhile_brings_about_something_just_before_a_request_has_its_effect(proxmox, api):
    stopped = {"control": "vm-power", "vmid": 100, "status": "stopped"}
    proxmox.control("meanwhile", method="GET", path="*/100/status/current", step=stopped)
    assert proxmox.vm(100).running
    assert api.data("GET", "/nodes/pve1/qemu/100/status/current")["status"] == "stopped"
    for step in ({}, {"control": "nothing"}):
        with pytest.raises(BadControl):
            proxmox.control("meanwhile", step=step)
    with pytest.raises(BadControl):
        proxmox.control("meanwhile")


def test_meanwhile_whose_subject_is_gone_by_then_does_nothing(proxmox, api):
    proxmox.control("meanwhile", path="/version", step={"control": "storage-offline", "storage": "nfs"})
    proxmox.control("storage-removed", storage="nfs")
    assert api.ask("GET", "/version").status_code == 200


def test_hold_keeps_a_request_until_it_is_released(proxmox, caller):
    proxmox.control("hold", method="GET", path="/version", label="mine")
    answers = []
    held = threading.Thread(target=lambda: answers.append(caller("low").ask("GET", "/version").status_code))
    held.start()
    proxmox.wait_until_held("mine")
    assert answers == []
    assert caller("root").ask("GET", "/nodes").status_code == 200, "others go through"
    proxmox.control("release", label="mine")
    held.join(PATIENCE)
    assert answers == [200]


def test_control_tells_what_is_wrong(proxmox):
    with pytest.raises(BadControl, match="There is no VM 4711"):
        proxmox.control("operator-unlock", vmid=4711)
    with pytest.raises(BadControl, match="no control named 'earthquake'"):
        proxmox.control("earthquake")
    with pytest.raises(BadControl, match="needs 'vmid'"):
        proxmox.control("slow-backup", seconds=3)


def test_control_over_http_answers_400_with_the_reason(proxmox, api):
    url = f"{proxmox.url}/simulator/control"
    good = api.session.post(url, json={"control": "slow-backup", "vmid": 100, "seconds": 8}, timeout=PATIENCE)
    bad = api.session.post(url, json={"control": "earthquake"}, timeout=PATIENCE)
    assert (good.status_code, bad.status_code) == (200, 400)
    assert "no control named" in bad.json()["message"]
