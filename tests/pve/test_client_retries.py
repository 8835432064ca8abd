"""What the client repeats, what it takes to the next host, and what it must not."""

from typing import Any

import pytest
import requests
import responses

from puq_backups.errors import ProxmoxUnreachable, UnknownOutcome
from puq_backups.pve import client

from .answers import API, good, proxmox, refused
from .client_helpers import CONFIG, CONFIG_PATH, counting, error_of, reset, unreachable

pytestmark = pytest.mark.usefixtures("mocked")


@pytest.fixture
def mocked(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(client, "RETRY_PAUSES", (0, 0))
    with responses.mock:
        yield


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
