"""Tasks: how they stand, and finding one again."""

from typing import Any

import pytest
import responses

from puq_backups.errors import BadInput, ProxmoxDenied, ProxmoxRefused
from puq_backups.pve import tasks
from puq_backups.pve.tasks import Task

from .answers import API, UPID, good, proxmox, refused

TASK = f"nodes/pve1/tasks/{UPID}"
LIST = "nodes/pve1/tasks"
MARKER = "[puqb:svc.op]"
SINCE = 0x6B03DA00


@pytest.fixture(autouse=True)
def mocked() -> Any:
    with responses.mock:
        yield


def upid(started: int = 1, *, kind: str = "vzdump", about: str = "100", user: str = "backup@pve!panel") -> str:
    return f"UPID:pve1:00001C20:00089416:{SINCE + started:08X}:{kind}:{about}:{user}:"


def logged(name: str, *lines: str) -> None:
    rows = [{"n": at, "t": line} for at, line in enumerate(lines, 1)]
    good("GET", f"nodes/pve1/tasks/{name}/log", rows)


@pytest.mark.parametrize(
    ("exitstatus", "ok", "warnings"),
    [
        ("OK", True, 0), ("WARNINGS: 2", True, 2), ("WARNINGS: 0", True, 0), ("job errors", False, 0),
        ("unexpected status", False, 0), ("OK ", False, 0), ("WARNINGS: 2 more", False, 0), ("", False, 0),
    ],
)  # fmt: skip
def test_a_task_ended_well_with_ok_or_warnings_only(exitstatus: str, ok: bool, warnings: int) -> None:
    good("GET", f"{TASK}/status", {"status": "stopped", "exitstatus": exitstatus})

    task = tasks.status(proxmox(), UPID)

    assert task == Task(UPID, running=False, exitstatus=exitstatus)
    assert (task.ok, task.warnings) == (ok, warnings)


def test_a_running_task_has_not_ended_well() -> None:
    good("GET", f"{TASK}/status", {"status": "running"})

    task = tasks.status(proxmox(), UPID)

    assert task == Task(UPID, running=True, exitstatus=None)
    assert not task.ok


def test_a_task_that_is_known_no_more_is_none() -> None:
    refused("GET", f"{TASK}/status", 400, "Parameter verification failed.", {"upid": "no such task"})

    assert tasks.status(proxmox(), UPID) is None


def test_other_refusals_of_a_status_are_not_taken_for_an_unknown_task() -> None:
    refused("GET", f"{TASK}/status", 400, "Parameter verification failed.", {"upid": "unable to parse worker upid"})
    refused("GET", f"{TASK}/log", 403, "Permission check failed (/nodes/pve1, Sys.Audit)")

    with pytest.raises(ProxmoxRefused):
        tasks.status(proxmox(), UPID)
    with pytest.raises(ProxmoxDenied):
        tasks.log(proxmox(), UPID)


@pytest.mark.parametrize("call", [tasks.status, tasks.log, tasks.stop])
def test_what_is_no_upid_reaches_no_path(call: Any) -> None:
    with pytest.raises(BadInput):
        call(proxmox(), "UPID:../x")


def test_a_log_is_read_whole_from_a_line_on() -> None:
    asked = responses.matchers.query_param_matcher({"start": "7", "limit": "0"})
    good("GET", f"{TASK}/log", [{"n": 8, "t": "a"}, {"n": 9, "t": "b"}], match=[asked])

    assert tasks.log(proxmox(), UPID, start=7) == ["a", "b"]


@pytest.mark.parametrize(
    "data",
    [
        [{"n": 1, "t": "unable to open file - No such file or directory"}],
        {"n": 1, "t": "unable to open file - No such file or directory"},
        [{"n": 1, "t": "no content"}],
        [],
        None,
    ],
)
def test_a_log_that_is_not_there_has_no_lines(data: Any) -> None:
    good("GET", f"{TASK}/log", data)

    assert tasks.log(proxmox(), UPID) == []


def test_lost_tasks_are_found_among_all_newest_first() -> None:
    asked = responses.matchers.query_param_matcher(
        {"source": "all", "typefilter": "vzdump", "since": str(SINCE), "limit": "1000", "vmid": "100"}
    )
    wanted = [upid(3), upid(2), upid(2), upid(0)]
    others = [upid(user="root@pam!x"), upid(kind="qmstart"), upid(about="1000"), upid(-1), "nonsense"]
    good("GET", LIST, [{"upid": name} for name in [upid(2), *others, upid(0), upid(3), upid(2)]], match=[asked])

    found = tasks.find(proxmox(), "pve1", type="vzdump", id="100", since=SINCE)

    assert [one.text for one in found] == list(dict.fromkeys(wanted))


def test_removals_are_found_without_a_filter_on_the_vm() -> None:
    name = upid(kind="imgdel", about="100@nfs")
    asked = responses.matchers.query_param_matcher(
        {"source": "all", "typefilter": "imgdel", "since": str(SINCE), "limit": "1000"}
    )
    good("GET", LIST, [{"upid": name}, {"upid": upid(kind="imgdel", about="101@nfs")}], match=[asked])

    found = tasks.find(proxmox(), "pve1", type="imgdel", id="100@nfs", since=SINCE)

    assert [one.text for one in found] == [name]


def test_a_marker_in_the_log_tells_ours_from_others() -> None:
    ours, other = upid(1), upid(2)
    good("GET", LIST, [{"upid": ours}, {"upid": other}])
    logged(ours, "INFO: got global lock", f"INFO: starting new backup job: vzdump 100 --notes-template 'x {MARKER}'")
    logged(other, "INFO: starting new backup job: vzdump 100 --notes-template 'x [puqb:svc.other]'")

    found = tasks.find(proxmox(), "pve1", type="vzdump", id="100", since=SINCE, marker=MARKER)

    assert [one.text for one in found] == [ours]


@pytest.mark.parametrize(("status", "count"), [("running", 1), ("stopped", 0)])
def test_a_task_waiting_for_the_lock_may_be_ours(status: str, count: int) -> None:
    good("GET", LIST, [{"upid": upid()}])
    logged(upid(), "INFO: trying to get global lock - waiting...")
    good("GET", f"nodes/pve1/tasks/{upid()}/status", {"status": status, "exitstatus": "unexpected status"})

    assert len(tasks.find(proxmox(), "pve1", type="vzdump", id="100", since=SINCE, marker=MARKER)) == count


def test_running_tasks_are_those_without_an_end() -> None:
    asked = responses.matchers.query_param_matcher({"source": "active", "limit": "1000"})
    rows = [
        {"upid": upid(1), "status": "RUNNING"},
        {"upid": upid(2), "endtime": 1, "status": "OK"},
        {"upid": upid(3)},
    ]
    good("GET", LIST, rows, match=[asked])

    assert tasks.active(proxmox(), "pve1") == {upid(1), upid(3)}


def test_a_task_is_stopped() -> None:
    good("DELETE", TASK, None)

    tasks.stop(proxmox(), UPID)

    assert responses.calls[0].request.url == f"{API}/{TASK}"


def test_stopping_a_task_that_is_gone_is_no_error() -> None:
    refused("DELETE", TASK, 400, "Parameter verification failed.", {"upid": "no such task"})

    tasks.stop(proxmox(), UPID)


def test_stopping_somebody_elses_task_is_denied() -> None:
    refused("DELETE", TASK, 403, "Permission check failed (/nodes/pve1, Sys.Modify)")

    with pytest.raises(ProxmoxDenied):
        tasks.stop(proxmox(), UPID)
