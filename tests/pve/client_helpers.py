"""Errors that a call raises, the calls that a client made, and connection failures as requests raises them."""

from typing import Any

import pytest
import requests
import urllib3

from puq_backups.errors import ProxmoxError
from puq_backups.pve import paths
from puq_backups.pve.client import Proxmox

CONFIG = ("nodes", paths.node("pve1"), "qemu", paths.vmid(100), "config")

CONFIG_PATH = "nodes/pve1/qemu/100/config"


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
