"""The client: what is sent, what is repeated, what an answer means."""

from typing import Any

import pytest
import responses

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

from .answers import API, SECRET, UPID, Answer, good, proxmox, refused
from .client_helpers import CONFIG, CONFIG_PATH, counting, error_of

pytestmark = pytest.mark.usefixtures("mocked")


@pytest.fixture
def mocked(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(client, "RETRY_PAUSES", (0, 0))
    with responses.mock:
        yield


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
