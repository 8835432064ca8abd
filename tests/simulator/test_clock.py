"""The virtual clock: everything takes its time, and waiting costs none."""

import contextlib

import pytest
import requests

from puq_backups.simulator import start

NOON = 1_767_268_800.0  # 2026-01-01 12:00 UTC


class Client:
    """Asks in-process."""

    def __init__(self, simulator, name="root"):
        self.url = f"{simulator.url}/api2/json"
        self.session = requests.Session()
        self.session.mount(simulator.url, simulator.adapter())
        self.session.headers["Authorization"] = "PVEAPIToken={}={}".format(*simulator.tokens[name])

    def ask(self, method, path, /, timeout=None, **params):
        place = "params" if method in ("GET", "DELETE") else "data"
        return self.session.request(method, self.url + path, timeout=timeout, **{place: params})

    def data(self, method, path, /, **params):
        answer = self.ask(method, path, **params)
        assert answer.status_code == 200, answer.reason
        return answer.json()["data"]


@pytest.fixture
def virtual():
    with start(virtual_time=NOON, https=False) as simulator:
        yield simulator


@pytest.fixture
def client(virtual):
    return Client(virtual)


def status(client, upid):
    return client.data("GET", f"/nodes/{upid.split(':')[1]}/tasks/{upid}/status")


def test_time_stands_still_until_it_is_moved(virtual, client):
    virtual.control("slow-backup", vmid=100, seconds=3600)
    upid = client.data("POST", "/nodes/pve1/vzdump", vmid=100, storage="nfs")
    assert upid.split(":")[4] == f"{int(NOON):08X}"
    virtual.clock.advance(3590)
    assert status(client, upid)["status"] == "running"
    virtual.clock.advance(60)
    assert status(client, upid)["exitstatus"] == "OK"
    assert virtual.clock.now() == NOON + 3650


def test_what_was_seen_is_forgotten_but_for_tasks_that_run_or_ended_later(virtual, client):
    upids = []
    for vmid, node, seconds in ((100, "pve1", 100), (101, "pve2", 300), (103, "pve3", 900)):
        virtual.control("slow-backup", vmid=vmid, seconds=seconds)
        upids.append(client.data("POST", f"/nodes/{node}/vzdump", vmid=vmid, storage="nfs"))
    virtual.clock.advance(600)

    virtual.forget(NOON + 200)

    assert [task.upid for task in virtual.tasks()] == upids[1:]
    assert virtual.requests() == []
    assert virtual.journal() == []
    assert status(client, upids[1])["exitstatus"] == "OK"
    virtual.clock.advance(900)
    later = client.data("POST", "/nodes/pve1/vzdump", vmid=100, storage="nfs")
    orders = [task.order for task in virtual.tasks()]
    assert virtual.tasks()[-1].upid == later
    assert orders == sorted(set(orders))


def test_tasks_end_in_the_order_of_their_times(virtual, client):
    for vmid, node, seconds in ((100, "pve1", 300), (101, "pve2", 100), (103, "pve3", 200)):
        virtual.control("slow-backup", vmid=vmid, seconds=seconds)
        client.data("POST", f"/nodes/{node}/vzdump", vmid=vmid, storage="nfs")
    assert virtual.idle()
    ended = virtual.journal("ended")
    assert [entry.at - NOON for entry in ended] == [100, 200, 300]
    assert [entry.subject.split(":")[6] for entry in ended] == ["101", "103", "100"]


def test_a_backup_that_queues_starts_when_the_one_before_it_ends(virtual, client):
    virtual.control("slow-backup", vmid=101, seconds=600)
    client.data("POST", "/nodes/pve2/vzdump", vmid=101, storage="nfs")
    client.data("POST", "/nodes/pve2/vzdump", vmid=102, storage="nfs")
    assert virtual.idle()
    first, second = virtual.tasks("vzdump")
    assert second.endtime > first.endtime == int(NOON) + 600
    names = [one.name for one in virtual.volumes("nfs")][-2:]
    assert "12_00_00" in names[0]
    assert "12_10_00" in names[1], "an archive is named by the moment at which its backup begins"


def test_a_request_that_must_wait_moves_the_clock_itself(virtual, client):
    virtual.control("config-lock-held", vmid=100, seconds=60)
    busy = client.ask("PUT", "/nodes/pve1/qemu/100/config", description="x")
    assert "got timeout" in busy.reason
    assert virtual.clock.now() == NOON + 10
    virtual.clock.advance(45)
    assert client.ask("PUT", "/nodes/pve1/qemu/100/config", description="x").status_code == 200
    assert virtual.clock.now() == NOON + 60, "it got the lock after five of its ten seconds"


def test_a_lookup_past_thirty_seconds_is_596_and_a_write_goes_on(virtual, client):
    virtual.control("storage-slow", storage="nfs", seconds=90)
    volid = virtual.volumes("nfs")[0].volid
    answer = client.ask("PUT", f"/nodes/pve1/storage/nfs/content/{volid}", notes="later")
    assert (answer.status_code, virtual.clock.now()) == (596, NOON + 30)
    assert virtual.volumes("nfs")[0].notes != "later"
    virtual.clock.advance(60)
    assert virtual.volumes("nfs")[0].notes == "later"


def test_a_clients_read_timeout_is_measured_by_the_virtual_clock(virtual, client):
    virtual.control("delay", path="/version", seconds=60)
    with pytest.raises(requests.ReadTimeout):
        client.ask("GET", "/version", timeout=(3, 35))
    assert client.ask("GET", "/version", timeout=(3, 35)).status_code == 200


def test_a_cut_connection_is_the_same_error_as_over_https(virtual, client):
    virtual.control("drop", path="/version")
    with pytest.raises(requests.ConnectionError, match="Remote end closed connection"):
        client.ask("GET", "/version")


def test_listeners_are_told_each_new_time(virtual, client):
    told = []
    virtual.clock.listeners.append(told.append)
    virtual.control("slow-backup", vmid=100, seconds=7)
    client.data("POST", "/nodes/pve1/vzdump", vmid=100, storage="nfs")
    virtual.clock.advance_to(NOON + 100)
    assert told == [NOON + 3, NOON + 6, NOON + 7, NOON + 100]
    virtual.reset()
    virtual.clock.advance(1)
    assert told[-1] == NOON + 101, "time goes on over a reset"


def test_a_held_task_does_not_end_by_time_alone(virtual, client):
    virtual.control("hold-task", type="vzdump")
    upid = client.data("POST", "/nodes/pve1/vzdump", vmid=100, storage="nfs")
    virtual.clock.advance(30 * 86_400)
    assert status(client, upid)["status"] == "running"
    virtual.control("release")
    assert virtual.idle()
    assert status(client, upid)["exitstatus"] == "OK"


def test_a_month_of_nightly_backups_takes_no_time(virtual, client):
    for _ in range(30):
        client.data("POST", "/nodes/pve1/vzdump", vmid=100, storage="nfs")
        virtual.clock.advance(86_400)
    assert len([one for one in virtual.volumes("nfs") if one.vmid == 100]) == 30
    assert virtual.crashes == []


def test_in_process_answers_every_session_and_only_for_its_address(virtual, proxmox):
    other = Client(proxmox)
    other.session.adapters.pop(proxmox.url)
    other.session.verify = proxmox.ca_file
    other.session.trust_env = False
    with contextlib.closing(other.session), virtual.in_process(), requests.Session() as session:
        token = "PVEAPIToken={}={}".format(*virtual.tokens["root"])
        answer = session.get(f"{virtual.url}/api2/json/version", headers={"Authorization": token}, timeout=60)
        assert answer.json()["data"]["release"] == "9.2"
        assert other.data("GET", "/version")["release"] == "9.2"
    assert virtual.count("GET", "/version") == proxmox.count("GET", "/version") == 1


def test_the_journal_tells_who_did_what_and_when(virtual, client):
    upid = client.data("POST", "/nodes/pve1/vzdump", vmid=100, storage="nfs")
    assert virtual.idle()
    (asked,) = virtual.journal("asked", "POST /nodes/pve1/vzdump")
    assert (asked.by, asked.at, asked.details["params"]["vmid"]) == ("root@pam!test", NOON, "100")
    (answered,) = virtual.journal("answered", "POST /nodes/pve1/vzdump")
    assert answered.details["status"] == 200
    locks = [(one.details["old"], one.details["new"]) for one in virtual.journal("changed", "vm 100", upid)]
    assert locks == [(None, "backup"), ("backup", None)]
    assert [one.what for one in virtual.journal(subject="pve1:/var/run/vzdump.lock")] == ["held", "released"]
    (archive,) = virtual.journal("added", by=upid)
    assert archive.subject == virtual.volumes("nfs")[-1].volid
    virtual.control("vm-config", vmid=100, set={"memory": "4096"})
    assert virtual.journal("changed", "vm 100", "control vm-config")[0].details["new"] == "4096"


def test_faults_take_the_nth_call_and_the_calls_of_one_token(virtual, client):
    panel = Client(virtual, "panel")
    virtual.control("refuse", path="/version", nth=2, status=500, reason="second")
    virtual.control("refuse", path="/version", token=virtual.tokens["panel"][0], status=500, reason="panel")
    assert [client.ask("GET", "/version").reason for _ in range(3)] == ["OK", "second", "OK"]
    assert [panel.ask("GET", "/version").reason for _ in range(2)] == ["panel", "OK"]
