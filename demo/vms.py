"""The billing application's own actions on virtual machines; each waits for what puq-backups does to them."""

import os
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from proxmoxer import ProxmoxAPI

from .host import backups, params_of
from .models import Service, db
from .packages import PACKAGES

NODE = "pve"
TASK_SECONDS = 30


class TaskFailed(Exception):
    """Proxmox did not do it; the text says why."""


def start(service: Service) -> None:
    """Start the machine. Refused while a backup or restore runs."""
    with backups.vm_action(service.id):
        _do(lambda vm: vm.status.start.post(), service)


def stop(service: Service) -> None:
    """Stop the machine. Refused while a backup or restore runs."""
    with backups.vm_action(service.id):
        _do(lambda vm: vm.status.stop.post(), service)


def change_package(service: Service, package: str) -> None:
    """Give the machine what `package` holds, then tell puq-backups: a changed quota counts at once."""
    wanted = PACKAGES[package]
    with backups.vm_action(service.id):
        config = {"cores": wanted["CPU cores"], "memory": wanted["RAM MiB"]}
        _do(lambda vm: vm.config.post(**config), service)
        service.package = package
        db.session.commit()
    answer = backups.call("ChangePackage", params_of(service))
    if answer != "success":
        raise TaskFailed(answer)


def status(service: Service) -> str:
    """`running` or `stopped`, as Proxmox says now."""
    return str(_proxmox().nodes(NODE).qemu(service.vmid).status.current.get()["status"])


def _do(action: Callable[[Any], str], service: Service) -> None:
    """Start a task at Proxmox and wait for its end."""
    node = _proxmox().nodes(NODE)
    upid = action(node.qemu(service.vmid))
    until = time.monotonic() + TASK_SECONDS
    while (task := node.tasks(upid).status.get())["status"] == "running":
        if time.monotonic() > until:
            raise TaskFailed("Proxmox is still busy with it.")
        time.sleep(0.2)
    if task["exitstatus"] != "OK":
        raise TaskFailed(task["exitstatus"])


def _proxmox() -> ProxmoxAPI:
    url, token = urlsplit(os.environ["DEMO_PROXMOX_URL"]), os.environ["DEMO_PROXMOX_TOKEN"]
    user, _, name = token.partition("!")
    return ProxmoxAPI(
        url.hostname,
        port=url.port,
        user=user,
        token_name=name,
        token_value=os.environ["DEMO_PROXMOX_SECRET"],
        verify_ssl=os.environ["DEMO_PROXMOX_CA"],
        timeout=15,
    )
