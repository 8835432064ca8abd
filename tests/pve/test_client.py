"""The client: what is sent, what is repeated, what an answer means."""

import logging
import os
import time
import traceback
from email.utils import formatdate
from typing import Any

import pytest
import requests
import responses
import urllib3

from puq_backups.errors import (
    BadInput,
    NotStarted,
    ProxmoxBusy,
    ProxmoxDenied,
    ProxmoxError,
    ProxmoxRefused,
    ProxmoxUnreachable,
    UnknownOutcome,
    VmMissing,
)
from puq_backups.pve import client, paths
from puq_backups.pve.client import Proxmox

from .answers import API, SECRET, UPID, Answer, good, proxmox, refused

pytestmark = pytest.mark.usefixtures("mocked")
CONFIG = ("nodes", paths.node("pve1"), "qemu", paths.vmid(100), "config")
CONFIG_PATH = "nodes/pve1/qemu/100/config"


@pytest.fixture
def mocked(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(client, "RETRY_PAUSES", (0, 0))
    with responses.mock:
        yield


def error_of(call: Any, *args: Any, **kwargs: Any) -> ProxmoxError:
    with pytest.raises(ProxmoxError) as raised:
        call(*args, **kwargs)
    return raised.value


def counting(one: Proxmox) -> list[str]:
    calls: list[str] = []
    one.on_call = calls.append
    return calls


def unreachable() -> requests.ConnectionError:
    """A refused connection, wrapped as requests wraps it."""
    pool: Any = None
    refusal = urllib3.exceptions.NewConnectionError(pool, "Failed to establish a new connection")
    refusal.__cause__ = ConnectionRefusedError(111, "Connection refused")
    return requests.ConnectionError(urllib3.exceptions.MaxRetryError(pool, "/", refusal))


def reset() -> requests.ConnectionError:
    return requests.ConnectionError(
        urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))
    )


def test_a_get_returns_the_data_and_shows_the_token() -> None:
    good("GET", CONFIG_PATH, {"cores": 2})

    assert proxmox().get(*CONFIG) == {"cores": 2}
    assert responses.calls[0].request.headers["Authorization"] == f"PVEAPIToken=backup@pve!panel={SECRET}"


def test_null_is_an_answer() -> None:
    good("PUT", CONFIG_PATH, None)

    assert proxmox().put(*CONFIG, cores=1) is None


def test_parameters_are_written_as_proxmox_reads_them() -> None:
    form = {"remove": "0", "start": "1", "delete": "net1,scsi1", "notes-template": "a b"}
    good("POST", "nodes/pve1/vzdump", "OK", match=[responses.matchers.urlencoded_params_matcher(form)])
    asked: dict[str, Any] = {"remove": False, "start": True, "delete": ["net1", "scsi1"], "notes-template": "a b"}

    assert proxmox().post("nodes", paths.node("pve1"), "vzdump", **asked, storage=None) == "OK"


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (403, "Permission check failed (/vms/100, VM.Backup)", ProxmoxDenied),
        (500, "Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist", VmMissing),
        (500, "VM is locked (backup)", ProxmoxBusy),
        (500, "unable to restore VM 100 - VM is locked (snapshot-delete)", ProxmoxBusy),
        (500, "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout", ProxmoxBusy),
        (500, "can't lock file '/var/lock/pve-manager/pve-storage-local' - got timeout", ProxmoxBusy),
        (500, "cfs-lock 'storage-nfs' error: got lock request timeout", ProxmoxBusy),
        (500, "'storage-nfs'-locked command timed out - aborting", ProxmoxBusy),
        (500, "cfs-lock 'storage-nfs' error: no quorum!", ProxmoxBusy),
        (500, "cluster not ready - no quorum?", ProxmoxBusy),
        (500, "another backup is already running", ProxmoxBusy),
        (500, "storage 'nope' does not exist", ProxmoxRefused),
        (500, "volume 'local:backup/vzdump-qemu-100-2020_01_01-00_00_00.vma.zst' does not exist", ProxmoxRefused),
        (500, "hostname lookup 'nonode' failed - failed to get address info for: nonode", ProxmoxRefused),
        (501, "Method 'POST /nodes/x/y' not implemented", ProxmoxRefused),
    ],
)
@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_a_refusal_is_translated_and_keeps_proxmoxs_words(
    method: str, status: int, reason: str, kind: type[ProxmoxError]
) -> None:
    refused(method.upper(), CONFIG_PATH, status, reason)

    error = error_of(getattr(proxmox(), method), *CONFIG)

    assert type(error) is kind
    assert (str(error), error.http_status, error.call) == (reason, status, f"{method.upper()} /{CONFIG_PATH}")


def test_a_refused_token_is_said_so() -> None:
    refused("GET", "version", 401, "Authentication failed!", body=False)

    error = error_of(proxmox().get, "version")

    assert type(error) is ProxmoxDenied
    assert str(error) == "Proxmox refused the API token: Authentication failed!"


def test_parameter_errors_are_named_in_the_text() -> None:
    refused("PUT", CONFIG_PATH, 400, "Parameter verification failed.", {"memory": "invalid format\nno number\n"})

    error = error_of(proxmox().put, *CONFIG, memory="2G")

    assert type(error) is ProxmoxRefused
    assert str(error) == "Parameter verification failed: memory: invalid format no number"
    assert error.errors == {"memory": "invalid format no number"}


def test_the_message_stands_in_for_a_reason_that_a_proxy_dropped() -> None:
    body = {"data": None, "message": "VM is locked\n(backup)\n"}
    responses.add(Answer("PUT", f"{API}/{CONFIG_PATH}", status=500, reason="Internal Server Error", json=body))

    error = error_of(proxmox().put, *CONFIG)

    assert (type(error), str(error)) == (ProxmoxBusy, "VM is locked (backup)")


@pytest.mark.parametrize("body", ["", "[]", '"text"', "<html>"])
def test_an_error_without_a_readable_body_keeps_its_reason(body: str) -> None:
    responses.add(Answer("PUT", f"{API}/{CONFIG_PATH}", status=500, reason="got timeout", body=body))

    assert str(error_of(proxmox().put, *CONFIG)) == "got timeout"


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_node_that_is_offline_is_unreachable_for_reads_and_writes(method: str) -> None:
    refused(method.upper(), CONFIG_PATH, 595, "No route to host", body=False)

    error = error_of(getattr(proxmox(), method), *CONFIG)

    assert (type(error), error.http_status, error.retryable) == (ProxmoxUnreachable, 595, True)
    assert "No route to host" in str(error)


@pytest.mark.parametrize("status", [502, 503, 504, 596, 597, 599])
def test_an_answer_that_never_came_is_an_unknown_outcome_of_a_write(status: int) -> None:
    refused("POST", CONFIG_PATH, status, "Connection timed out", body=False)
    refused("GET", CONFIG_PATH, status, "Connection timed out", body=False)
    one = proxmox()

    assert type(error_of(one.post, *CONFIG)) is UnknownOutcome
    assert type(error_of(one.get, *CONFIG)) is ProxmoxUnreachable


@pytest.mark.parametrize("trouble", [requests.ReadTimeout("read timed out"), reset()])
@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_a_write_cut_off_has_an_unknown_outcome_and_is_not_repeated(method: str, trouble: Exception) -> None:
    responses.add(method.upper(), f"{API}/{CONFIG_PATH}", body=trouble)
    one = proxmox("pve1", "pve2")
    calls = counting(one)

    assert type(error_of(getattr(one, method), *CONFIG)) is UnknownOutcome
    assert calls == [f"{method.upper()} /{CONFIG_PATH}"]


@pytest.mark.parametrize("status", [502, 503, 504, 596])
def test_a_get_is_repeated_after_passing_trouble(status: int) -> None:
    refused("GET", CONFIG_PATH, status, "Broken pipe", body=False)
    refused("GET", CONFIG_PATH, status, "Broken pipe", body=False)
    good("GET", CONFIG_PATH, {"cores": 1})
    one = proxmox()
    calls = counting(one)

    assert one.get(*CONFIG) == {"cores": 1}
    assert len(calls) == 3


@pytest.mark.parametrize("trouble", [reset(), requests.exceptions.ChunkedEncodingError("cut")])
def test_a_get_is_repeated_after_a_cut_connection(trouble: Exception) -> None:
    responses.add("GET", f"{API}/{CONFIG_PATH}", body=trouble)
    good("GET", CONFIG_PATH, {"cores": 1})

    assert proxmox().get(*CONFIG) == {"cores": 1}


def test_a_get_is_given_up_after_three_requests() -> None:
    refused("GET", CONFIG_PATH, 596, "Connection timed out", body=False)
    one = proxmox()
    calls = counting(one)

    assert "596 Connection timed out" in str(error_of(one.get, *CONFIG))
    assert len(calls) == 3


@pytest.mark.parametrize(("status", "reason"), [(500, "VM is locked (backup)"), (595, "Connection refused")])
def test_a_get_is_not_repeated_after_an_answer_that_will_stay(status: int, reason: str) -> None:
    refused("GET", CONFIG_PATH, status, reason)
    one = proxmox()
    calls = counting(one)

    error_of(one.get, *CONFIG)

    assert len(calls) == 1


def test_a_get_that_failed_slowly_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RETRY_WITHIN", -1)
    refused("GET", CONFIG_PATH, 596, "Connection timed out", body=False)
    one = proxmox()
    calls = counting(one)

    error_of(one.get, *CONFIG)

    assert len(calls) == 1


def test_a_get_whose_answer_takes_too_long_is_not_repeated() -> None:
    responses.add("GET", f"{API}/{CONFIG_PATH}", body=requests.ReadTimeout("read timed out"))
    one = proxmox()
    calls = counting(one)

    assert type(error_of(one.get, *CONFIG)) is ProxmoxUnreachable
    assert len(calls) == 1


@pytest.mark.parametrize("body", ["<html>Login</html>", "null", "[]", '{"ok": 1}', "\xff"])
def test_a_good_status_without_proxmoxs_json_is_no_success(body: str) -> None:
    for method in ("GET", "POST"):
        responses.add(method, f"{API}/{CONFIG_PATH}", body=body.encode("latin-1"))
    one = proxmox()

    read, write = error_of(one.get, *CONFIG), error_of(one.post, *CONFIG)

    assert (type(read), type(write)) == (ProxmoxUnreachable, UnknownOutcome)
    assert "not Proxmox" in str(read)


@pytest.mark.parametrize("headers", [{"Location": "https://elsewhere/"}, {}])
def test_a_redirection_is_not_followed_and_no_success(headers: dict[str, str]) -> None:
    responses.add("GET", f"{API}/version", status=302, headers=headers)

    assert "not Proxmox" in str(error_of(proxmox().get, "version"))
    assert len(responses.calls) == 1


@pytest.mark.parametrize("data", [None, "text", 1, [1], {"a": 1}])
def test_a_list_must_be_a_list_of_objects(data: Any) -> None:
    good("GET", "cluster/resources", data)

    assert type(error_of(proxmox().get_list, "cluster", "resources")) is ProxmoxUnreachable


@pytest.mark.parametrize("data", [None, "text", [], [{"a": 1}]])
def test_an_object_must_be_an_object(data: Any) -> None:
    good("GET", "version", data)

    assert type(error_of(proxmox().get_dict, "version")) is ProxmoxUnreachable


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("trouble", [requests.ConnectTimeout("timed out"), unreachable()])
def test_the_next_host_is_asked_where_nothing_was_sent(method: str, trouble: Exception) -> None:
    responses.add(method.upper(), f"{API}/version", body=trouble)
    responses.add(method.upper(), f"{API.replace('pve1', 'pve2')}/version", json={"data": "here"})
    one = proxmox("pve1", "pve2")

    assert [getattr(one, method)("version") for _ in range(2)] == ["here", "here"]
    assert [str(call.request.url)[8:12] for call in responses.calls] == ["pve1", "pve2", "pve2"]


def test_a_refusal_is_not_taken_to_the_next_host() -> None:
    refused("GET", "version", 595, "Connection refused", body=False)
    responses.add("GET", f"{API.replace('pve1', 'pve2')}/version", json={"data": "here"})

    error_of(proxmox("pve1", "pve2").get, "version")

    assert len(responses.calls) == 1


def test_no_host_at_all_is_unreachable_for_writes_too() -> None:
    for host in ("pve1", "pve2"):
        responses.add("POST", f"{API.replace('pve1', host)}/version", body=unreachable())

    error = error_of(proxmox("pve1", "pve2").post, "version")

    assert type(error) is ProxmoxUnreachable
    assert str(error) == "Proxmox cannot be reached at pve2: Connection refused."


@pytest.mark.parametrize(
    "part", ["../access/users", "..", "/etc", "pve?x=1", "pve#x", "pve\n", "a/b", "", "pve%2f", "PVE", "pve 1"]
)
def test_a_plain_string_reaches_no_path(part: str) -> None:
    one = proxmox()
    calls = counting(one)

    with pytest.raises(BadInput):
        one.get("nodes", part)

    assert not calls


@pytest.mark.parametrize("data", ["OK", None, "", 1, {}, "UPID:", UPID + "x", f"{UPID}\n", [UPID]])
@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_only_a_upid_is_a_started_task(method: str, data: Any) -> None:
    good(method.upper(), CONFIG_PATH, data)

    error = error_of(getattr(proxmox(), f"{method}_task"), *CONFIG)

    assert type(error) is NotStarted
    assert (error.call, error.retryable) == (f"{method.upper()} /{CONFIG_PATH}", False)


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_a_started_task_is_named(method: str) -> None:
    good(method.upper(), CONFIG_PATH, UPID)

    assert getattr(proxmox(), f"{method}_task")(*CONFIG).text == UPID


def test_on_call_hears_of_a_request_before_it_is_sent() -> None:
    good("GET", "version", {})
    one = proxmox()

    def forbid(call: str) -> None:
        raise RuntimeError(call)

    one.on_call = forbid

    with pytest.raises(RuntimeError, match="GET /version"):
        one.get("version")
    assert len(responses.calls) == 0


@pytest.mark.parametrize("status", [200, 500])
def test_the_nodes_clock_is_compared_with_ours(status: int) -> None:
    ahead = formatdate(time.time() + 3600, usegmt=True)
    responses.add("GET", f"{API}/version", status=status, json={"data": {}}, headers={"Date": ahead})
    one = proxmox()

    try:
        one.get("version")
    except ProxmoxRefused as error:
        assert error.http_status == status  # noqa: PT017 - the error is not what is tested

    assert 3590 < one.clock_offset <= 3600


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Foo 2026 00:00:00 GMT"])
def test_an_unreadable_date_leaves_the_clock_alone(date: str) -> None:
    responses.add("GET", f"{API}/version", json={"data": {}}, headers={"Date": date})
    one = proxmox()

    one.get("version")

    assert one.clock_offset == 0


def test_a_forked_process_makes_connections_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    good("GET", "version", {})
    one = proxmox()
    one.get("version")
    pid = os.getpid()

    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    one.get("version")

    assert len({id(line.session) for line in one._connections.values()}) == 2


def test_a_rested_connection_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    good("POST", "version", {})
    one = proxmox()
    one.post("version")
    line = next(iter(one._connections.values()))
    closed: list[bool] = []
    monkeypatch.setattr(line.session, "close", lambda: closed.append(True))

    one.post("version")
    line.used_at -= 5
    one.post("version")

    assert closed == [True]


@pytest.mark.parametrize("trouble", [reset(), unreachable(), requests.ReadTimeout("slow"), None])
def test_no_secret_in_reprs_errors_or_logs(trouble: Exception | None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("proxmoxer").setLevel(logging.WARNING)
    if trouble:
        responses.add("POST", f"{API}/{CONFIG_PATH}", body=trouble)
    else:
        refused("POST", CONFIG_PATH, 401, "Authentication failed!", body=False)
    one = proxmox()

    error = error_of(one.post, *CONFIG, cipassword="a-password-of-a-client")

    said = [repr(one), repr(one.access), repr(error), str(error), str(vars(error)), caplog.text]
    said += traceback.format_exception(error)
    assert not [text for text in said if SECRET in text or "a-password-of-a-client" in text]
    assert error.__context__ is None
