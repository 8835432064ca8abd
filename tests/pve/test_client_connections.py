"""The client's clock, connections and secrets."""

import logging
import os
import time
import traceback
from email.utils import formatdate
from typing import Any

import pytest
import requests
import responses

from puq_backups.errors import ProxmoxRefused
from puq_backups.pve import client

from .answers import API, SECRET, good, proxmox, refused
from .client_helpers import CONFIG, CONFIG_PATH, error_of, reset, unreachable

pytestmark = pytest.mark.usefixtures("mocked")


@pytest.fixture
def mocked(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(client, "RETRY_PAUSES", (0, 0))
    with responses.mock:
        yield


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

    assert len({id(line.session) for line in one._connections.open.values()}) == 2


def test_a_rested_connection_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    good("POST", "version", {})
    one = proxmox()
    one.post("version")
    line = next(iter(one._connections.open.values()))
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
